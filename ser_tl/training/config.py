"""The options of training, checked where they enter."""

from dataclasses import dataclass
from typing import Literal

from ser_tl.errors import ConfigError

RefitName = Literal["none", "discriminant", "layer-discriminants", "self-training"]


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained.

    Args:
        epochs: passes over the training speech, at most; 0 takes no step, for a classifier that `refit` fits in closed
            form on what has no weights to learn
        learning_rate: of everything above the encoder, at the schedule's peak
        encoder_learning_rate: of the encoder's moving blocks, at the schedule's peak
        optimizer: `adamw` (Loshchilov and Hutter 2019) or `radam` (Liu et al. 2020)
        weight_decay: for matrices; biases, norms and layer weights have none
        schedule: after warm-up, fall to zero by a `cosine` or in a line (`linear`), stay `constant`, or be multiplied
            by 0.5 whenever dev UAR has not improved for `plateau_patience` epochs (`plateau`)
        warmup: share of the training over which the rates rise from zero
        plateau_patience: epochs without a better dev UAR before the `plateau` schedule acts
        batch_seconds: seconds of audio in a batch, padding counted, for each process
        accumulate: batches whose gradients are added up before a step
        clip: largest norm of the gradient; 0 switches clipping off
        precision: `no` is float32; `bf16` and `fp16` (GPU only) are Accelerate's mixed precision; `auto` measures
            whether bf16 is faster here, and takes it where it is
        checkpointing: run a moving layer of the encoder again in the backward pass instead of keeping what is in it:
            less memory, a third more time
        compile: let torch.compile make code of the encoder's transformer layers in the first steps: for a GPU; on CPUs
            it was measured to cost a minute or two and to gain nothing
        shard: several processes share weights, gradients and the optimizer's state out among them (FSDP2), where
            otherwise each has all of them: for encoders that are too large for that
        label_smoothing: share of the target spread over all classes
        keep: whose weights the model has in the end: of the epoch that is `best` on dev, or of the `last` one; then
            patience doesn't count. An alignment with another domain goes on where the source's dev speakers, who know
            nothing of it, see no more progress
        patience: epochs without a better dev UAR before training stops; 0 never stops early
        refit: `discriminant` fits the classifier anew when the epoch is chosen: a shrunken linear discriminant of the
            embedding, in closed form, on training and dev speakers; `layer-discriminants` fits one to each of the
            encoder's layers and adds up what they say; `self-training` goes on from `discriminant` with the
            unlabelled clips of the domain that is to be judged, whose emotions it takes to be about equally frequent
        save_every: steps between training states on disk, beside the one after each epoch; 0 for none
        threads: CPU threads of each process; 0 leaves it to OMP_NUM_THREADS, or shares out all cores where `accelerate
            launch` has set that to its own default of 1
        workers: processes that decode audio beside each training process
        cache: keep on disk what a frozen encoder makes of each clip, and read it from then on ($SER_TL_CACHE, or ser_tl
            in the user's cache folder; `ser-tl cache` shows it)
        cache_gib: the most that may lie there, in GiB
        tracker: where curves go: `tensorboard`, or another of Accelerate's trackers if it is installed; `none`
    """

    epochs: int = 10
    learning_rate: float = 3e-4
    encoder_learning_rate: float = 1e-4
    optimizer: Literal["adamw", "radam"] = "adamw"
    weight_decay: float = 0.01
    schedule: Literal["cosine", "linear", "constant", "plateau"] = "cosine"
    warmup: float = 0.1
    plateau_patience: int = 2
    batch_seconds: float = 30.0
    accumulate: int = 1
    clip: float = 1.0
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    checkpointing: bool = False
    compile: bool = False
    shard: bool = False
    label_smoothing: float = 0.1
    keep: Literal["best", "last"] = "best"
    patience: int = 6
    refit: RefitName = "none"
    save_every: int = 0
    threads: int = 0
    workers: int = 0
    cache: bool = True
    cache_gib: float = 20.0
    tracker: str = "tensorboard"

    def __post_init__(self) -> None:
        for name in ("accumulate", "plateau_patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"train.{name} is {getattr(self, name)}: expected 1 or more")
        for name in ("epochs", "weight_decay", "clip", "patience", "save_every", "threads", "workers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"train.{name} is {getattr(self, name)}: expected 0 or more")
        for name in ("learning_rate", "encoder_learning_rate", "batch_seconds", "cache_gib"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"train.{name} is {getattr(self, name)}: expected more than 0")
        for name in ("warmup", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"train.{name} is {getattr(self, name)}: expected a share from 0 to below 1")
