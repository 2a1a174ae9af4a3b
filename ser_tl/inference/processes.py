"""The processes that share a pass over clips, as the loop sees them.

    OneProcess(device)      or Accelerate's by `runtime.processes`, for several

Every clip goes through exactly one process, so any number of them gives the same answers.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

import torch
from torch import Tensor

ItemT = TypeVar("ItemT")


class Processes(Protocol):
    """Who computes, where, and in which precision."""

    @property
    def device(self) -> torch.device:
        """This process' device."""
        ...

    @property
    def num_processes(self) -> int:
        """How many share the work."""
        ...

    @property
    def process_index(self) -> int:
        """Which of them this is."""
        ...

    def autocast(self) -> AbstractContextManager[object]:
        """The precision in which models are computed."""
        ...

    def gather(self, items: list[ItemT]) -> list[ItemT]:
        """The items of all processes, in the processes' order. Every process calls it and gets the whole."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes. Every process calls it and gets the whole."""
        ...


class OneProcess:
    """A process by itself.

    Args:
        device: where it computes
        autocast: opens the precision in which models are computed; the models' own if None
    """

    num_processes = 1
    process_index = 0

    def __init__(
        self,
        device: torch.device | str = "cpu",
        autocast: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self._autocast = autocast or nullcontext

    def autocast(self) -> AbstractContextManager[object]:
        """The precision."""
        return self._autocast()

    def gather(self, items: list[ItemT]) -> list[ItemT]:
        """The items."""
        return items

    def sum(self, values: Tensor) -> Tensor:
        """The values."""
        return values
