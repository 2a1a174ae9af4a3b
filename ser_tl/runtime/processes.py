"""The processes of a run, and Accelerate's view of them: the only module that chooses devices.

    processes() -> PartialState: this process among all      build_accelerator(config, folder) -> Accelerator

On CPU Accelerate takes several processes for one each unless it is configured without a GPU; then `torchrun
--nproc_per_node 2` works as it does with GPUs.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import GradientAccumulationPlugin, gather_object
from accelerate.utils.environment import parse_flag_from_env
from torch import Tensor

from ser_tl.data.batch_plan import BatchPlan
from ser_tl.data.batching import Batch, Clips, make_loader
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import Pass
from ser_tl.runtime.compute_config import ComputeConfig
from ser_tl.runtime.launcher import check_launcher
from ser_tl.runtime.malloc import keep_freed_memory
from ser_tl.runtime.precision import fastest_precision

ItemT = TypeVar("ItemT")

_PACKAGES = {"comet_ml": "comet-ml"}  # what a tracker's package is called, where that differs


class AcceleratedProcesses:
    """Accelerate's processes, as `inference.processes.Processes` wants them.

    Args:
        accelerator: whose processes they are, with their devices and precision
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator

    @property
    def device(self) -> torch.device:
        """This process' device."""
        return self.accelerator.device

    @property
    def num_processes(self) -> int:
        """How many share the work."""
        return self.accelerator.num_processes

    @property
    def process_index(self) -> int:
        """Which of them this is."""
        return self.accelerator.process_index

    def autocast(self) -> AbstractContextManager[object]:
        """The run's precision."""
        return self.accelerator.autocast()

    def gather(self, items: list[ItemT]) -> list[ItemT]:
        """The items of all processes, in their order."""
        return gather_object(items)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return self.accelerator.reduce(values, "sum")


def build_evaluation_pass(accelerator: Accelerator, config: ComputeConfig) -> Pass:
    """How clips are evaluated in a training: by its processes, in its precision and its batches."""
    return Pass(AcceleratedProcesses(accelerator), config.batch_seconds, config.workers)


def processes() -> PartialState:
    """This process among the run's processes."""
    return PartialState(cpu=on_cpu())


def on_cpu() -> bool:
    """Whether the run is on the CPU: there is no GPU, or the launcher says so (`accelerate launch --cpu`)."""
    return not torch.accelerator.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")


def share_cores(threads: int = 0) -> None:
    """Sets the CPU threads of this process.

    `accelerate launch` gives a process one thread by default, which on a machine without a GPU leaves
    all cores but one idle.

    Args:
        threads: how many; 0 shares out all cores if `accelerate launch` chose its one, and else changes nothing
    """
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ  # what it sets for every program that it starts
    if not threads and launched and os.environ.get("OMP_NUM_THREADS") == "1" and on_cpu():
        threads = max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if threads:
        torch.set_num_threads(threads)


def build_accelerator(config: ComputeConfig, folder: Path | None) -> Accelerator:
    """An Accelerator with the config's precision and tracker.

    Args:
        config: precision and tracker
        folder: where curves go; None keeps no curves

    Raises:
        ConfigError: the precision or the tracker can't be had here, or the launcher asks for something else
    """
    check_launcher(config)
    if config.precision == "fp16" and on_cpu():  # Accelerate would silently train in float32
        raise ConfigError("train.precision is fp16, which needs a GPU, and there is none here: choose bf16 or no")
    state = processes()
    share_cores(config.threads)
    if on_cpu():
        keep_freed_memory()
    precision = fastest_precision(state) if config.precision == "auto" else config.precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != precision:
        AcceleratorState._reset_state()  # else a notebook's second training would be stuck with the first's precision
    check_tracker(config.tracker)
    try:
        return Accelerator(
            cpu=on_cpu(),
            # Steps accumulates by itself; left alone, Accelerate would divide each loss by what the launcher says.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            mixed_precision=precision,
            log_with=None if folder is None or config.tracker == "none" else config.tracker,
            project_dir=None if folder is None else str(folder),
        )
    except (ValueError, ImportError) as error:
        raise ConfigError(
            f"train.precision {config.precision} or train.tracker {config.tracker} can't be had here ({error}): a "
            f"tracker needs its package; train.precision no and train.tracker none always work"
        ) from error


def check_tracker(name: str) -> None:
    """Refuses a tracker whose package isn't installed: Accelerate would warn and keep no curves.

    Args:
        name: `ComputeConfig.tracker`

    Raises:
        ConfigError: it can't be had here, or there is none of that name
    """
    if name in ("none", "all"):
        return
    here = sorted(map(str, get_available_trackers()))
    if name not in here:
        trackers = sorted(LOGGER_TYPE_TO_CLASS)
        why = "isn't installed" if name in trackers else f"is none of Accelerate's trackers ({', '.join(trackers)})"
        package = _PACKAGES.get(name, name)
        way_out = f"`pip install {package}`, or take" if name in trackers else "take"
        raise ConfigError(f"train.tracker is {name}, which {why}: {way_out} one of {', '.join([*here, 'none'])}")


def load_local_batches(clips: Clips, plan: BatchPlan, accelerator: Accelerator, workers: int = 0) -> Iterator[Batch]:
    """This process' batches of a plan, on its device."""
    for batch in make_loader(clips, plan, process=accelerator.process_index, workers=workers):
        yield batch.to(accelerator.device)
