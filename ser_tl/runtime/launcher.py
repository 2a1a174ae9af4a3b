"""Options of `accelerate launch`: followed as options of ours, or refused.

    ACCELERATE_*, which the launcher sets for the programs that it starts --check_launcher(config)--> or ConfigError

Accelerate obeys some of these variables inside `Accelerator`, unasked, and ignores others: a loss is divided by an
accumulation that isn't done, a model is compiled twice, on CPU a model isn't sharded. So each variable has a line,
and a test compares the lines with Accelerate's source.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping

from ser_tl.errors import ConfigError
from ser_tl.runtime.compute_config import ComputeConfig

_NO = {"", "no", "n", "none", "f", "false", "off", "0"}

OBEYED = {
    "ACCELERATE_USE_CPU": "train on the CPU though there is a GPU (`processes.on_cpu`)",
    "ACCELERATE_TORCH_DEVICE": "the device; Accelerate's PartialState takes it",
    "ACCELERATE_CPU_AFFINITY": "bind each process to the cores near its GPU; PartialState does",
    "ACCELERATE_DEBUG_MODE": "compare shapes before collective operations; Accelerate does",
    "ACCELERATE_LOG_LEVEL": "of Accelerate's own messages",
    "ACCELERATE_ENABLE_RICH": "how Accelerate draws tracebacks",
    "ACCELERATE_NUM_PROCESSES": "how many processes there are",
}
"""What changes no result, or is obeyed as it stands."""

_SHARDS = (
    "shards are made here without Accelerate's plug-ins: launch with --config_file recipes/accelerate/sharded.yaml and "
    "give the recipe train.shard true, or with recipes/accelerate/gpus.yaml (DDP) to have the whole model in each "
    "process"
)
_COMPILES = "it would compile what can't be compiled whole: leave it out, and choose train.compile true"
_FP8 = "fp8 isn't supported: choose train.precision bf16"
_PARTS = "a model is never cut into parts on several devices here: " + _SHARDS

REFUSED: dict[str, tuple[str, str]] = {
    "ACCELERATE_USE_FSDP": ("no", _SHARDS),
    "ACCELERATE_USE_DEEPSPEED": ("no", _SHARDS),
    "ACCELERATE_USE_MEGATRON_LM": ("no", _SHARDS),
    "ACCELERATE_USE_PARALLELISM_CONFIG": ("no", _PARTS),
    "ACCELERATE_ALLOW_CP_STANDALONE": ("no", _PARTS),
    "ACCELERATE_BYPASS_DEVICE_MAP": ("no", _PARTS),
    "ACCELERATE_DYNAMO_BACKEND": ("no", _COMPILES),
    "ACCELERATE_DYNAMO_MODE": ("default", _COMPILES),
    "ACCELERATE_DYNAMO_USE_FULLGRAPH": ("no", _COMPILES),
    "ACCELERATE_DYNAMO_USE_DYNAMIC": ("no", _COMPILES),
    "ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION": ("no", _COMPILES),
    "ACCELERATE_DOWNCAST_BF16": ("no", "TPUs aren't supported: choose train.precision bf16 on a GPU"),
    "ACCELERATE_IN_TPU_POD": ("no", "TPUs aren't supported: launch on CPUs or GPUs"),
    "ACCELERATE_SAGEMAKER_DISTRIBUTED_TYPE": ("no", "SageMaker's own distribution isn't supported: use torchrun"),
}
"""Variables that nothing here can obey: the value that asks for nothing, and the way out."""

REFUSED_GROUPS = {"ACCELERATE_DEEPSPEED_": _SHARDS, "ACCELERATE_FP8_": _FP8}
"""Likewise, whatever their value is: they are set where their plug-in is asked for."""

INERT = {
    "ACCELERATE_USE_SAGEMAKER": "where it runs; ACCELERATE_SAGEMAKER_DISTRIBUTED_TYPE says how",
    "ACCELERATE_CONFIG_DS_FIELDS": "goes with ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_INIT_INCLUDE_BUFFERS": "of init_empty_weights, which nothing here calls",
    "ACCELERATE_DEBUG_RDV_FILE": "of Accelerate's debug_launcher",
}
"""What is read in company of another variable alone, or by functions that aren't called."""

EQUAL: dict[str, tuple[str, Callable[[str], object]]] = {
    "ACCELERATE_MIXED_PRECISION": ("precision", str.lower),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("accumulate", int),
    "ACCELERATE_GRADIENT_CLIPPING": ("clip", float),
}
"""What has an option of ours, which must say the same: its name in `ComputeConfig`, and how the value is read."""

_UNASKED = {"precision": {"no", ""}, "accumulate": {"1", "", "auto"}, "clip": {"none", "", "auto"}}  # launch's defaults


def check_launcher(config: ComputeConfig, environment: Mapping[str, str] | None = None) -> None:
    """Refuses options of the launcher that this training doesn't follow.

    Args:
        config: what the training does
        environment: the process' own if None

    Raises:
        ConfigError: with the option to use in the place of the launcher's
    """
    given = os.environ if environment is None else environment
    for name, (nothing, way_out) in REFUSED.items():
        value = given.get(name, nothing)
        if value.lower() != nothing and not (nothing == "no" and value.lower() in _NO):
            raise _refusal(name, value, way_out)
    for begin, way_out in REFUSED_GROUPS.items():
        for name in sorted(name for name in given if name.startswith(begin)):
            raise _refusal(name, given[name], way_out)
    for name, (option, read) in EQUAL.items():
        value = given.get(name, "")
        if value.lower() in _UNASKED[option]:
            continue
        if value.lower() == "fp8":
            raise _refusal(name, value, _FP8)
        try:
            equal = read(value) == getattr(config, option)
        except ValueError:
            equal = False
        if not equal:
            here = f"train.{option} is {getattr(config, option)}, which is what this training does"
            raise _refusal(name, value, f"{here}: leave it out of the launcher, and choose train.{option} {value}")


def launch_command(environment: Mapping[str, str] | None = None, program: str | None = None) -> str:
    """What started this program, as it would be typed, up to its options.

    Args:
        environment: the process' own if None
        program: `sys.argv[0]` if None; a command of several words, such as `ser-tl train`, is found in the package
    """
    given, name = os.environ if environment is None else environment, sys.argv[0] if program is None else program
    processes = given.get("WORLD_SIZE", "1")
    command = f"-m ser_tl.cli{name.removeprefix('ser-tl')}" if name.startswith("ser-tl ") else shlex.quote(name)
    if "ACCELERATE_MIXED_PRECISION" in given:  # what accelerate launch sets for every program that it starts
        launch = "accelerate launch" if processes == "1" else f"accelerate launch --num_processes {processes}"
        return f"{launch} {command}"
    if "TORCHELASTIC_RUN_ID" in given:
        return f"torchrun --standalone --nproc_per_node {processes} {command}"
    return name if name.startswith("ser-tl ") else f"python {command}"


def _refusal(name: str, value: str, way_out: str) -> ConfigError:
    short = name.removeprefix("ACCELERATE_").removeprefix("USE_")
    return ConfigError(f"accelerate launch asks for {short} ({name}={value} in the environment), but {way_out}")
