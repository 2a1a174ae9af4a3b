"""The options of the machine, common to trainings, extractions and evaluations, checked where they enter.

    ComputeConfig -> accelerator(config, folder), FeatureCache(gib=...).fill(..., config)

They change speed and memory, and what is learned only by rounding. Every
`TrainConfig` is one, so their names in messages begin with `train.`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class ComputeConfig:
    """How the machine is used.

    Args:
        batch_seconds: seconds of audio per batch and process, padding included
        accumulate: number of batches whose gradients are accumulated for a step
        clip: largest norm of the gradient; 0 switches clipping off
        precision: `no` is float32; `bf16` and `fp16` (GPU only) are Accelerate's mixed precision; `auto` measures
            whether bf16 is faster here, and uses it if so
        checkpointing: run a trainable layer of the encoder again in the backward pass instead of keeping its
            activations: less memory, a third more time
        compile: compile the encoder's transformer layers with torch.compile in the first steps: for a GPU; on CPUs
            it was measured to cost a minute or two and to gain nothing
        shard: distribute weights, gradients and the optimizer's state over several processes (FSDP2), where otherwise
            each has all of them: for encoders that are too large for that
        threads: CPU threads of each process; 0 leaves it to OMP_NUM_THREADS, or shares out all cores where `accelerate
            launch` has set that to its own default of 1
        workers: processes that decode audio beside each training process
        cache: cache features of frozen layers on disk ($SER_TL_CACHE, or ser_tl
            in the user's cache folder; `ser-tl cache` shows it)
        cache_gib: the cache's size limit, in GiB
        tracker: where curves are stored: `tensorboard`, another of Accelerate's trackers if it is installed, or `none`
    """

    batch_seconds: float = 30.0
    accumulate: int = 1
    clip: float = 1.0
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    checkpointing: bool = False
    compile: bool = False
    shard: bool = False
    threads: int = 0
    workers: int = 0
    cache: bool = True
    cache_gib: float = 20.0
    tracker: str = "tensorboard"

    def __post_init__(self) -> None:
        check_range(self, "expected 1 or more", lambda value: value >= 1, "accumulate")
        check_range(self, "expected 0 or more", lambda value: value >= 0, "clip", "threads", "workers")
        check_range(self, "expected more than 0", lambda value: value > 0, "batch_seconds", "cache_gib")


def check_range(config: object, expected: str, holds: Callable[[float], bool], *names: str) -> None:
    """Refuses options out of their range.

    Args:
        config: the options
        expected: the range, for the message
        holds: whether a value is in it; nan never is
        names: of the options

    Raises:
        ConfigError: with the option's name and value
    """
    for name in names:
        value = getattr(config, name)
        if not holds(value):
            raise ConfigError(f"train.{name} is {value}: {expected}")
