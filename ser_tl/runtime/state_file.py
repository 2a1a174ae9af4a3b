"""The state of a training whose draws follow from seed and step: one safetensors file, and the log beside it.

    state.safetensors   networks and optimizers; step, seconds and options in its header
    log.jsonl           a line for every few steps

The state is written atomically (`ser_tl.files`), so a kill at any moment leaves a whole one. There are no
random states to keep, and a resumed training ends with the same weights as one never killed.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ser_tl.errors import CheckpointError, StorageError
from ser_tl.files import write_atomically, write_text

STATE_FILE = "state.safetensors"
LOG_FILE = "log.jsonl"


class StateFile:
    """Saves and restores the state of a training.

    Args:
        folder: where the file lies
        networks: by name
        optimizers: by name
        options: of the training, in JSON's types
        changeable: names of options that may have other values when it is resumed
    """

    def __init__(
        self,
        folder: Path,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        options: Mapping[str, Any],
        changeable: Collection[str],
    ) -> None:
        self.path = folder / STATE_FILE
        self.networks = networks
        self.optimizers = optimizers
        self.options: dict[str, Any] = json.loads(json.dumps(options))
        self.changeable = changeable

    def save(self, step: int, seconds: float) -> None:
        """Writes the state, over an older one.

        Args:
            step: done
            seconds: spent so far, over all resumed runs

        Raises:
            StorageError: the disk is full, or the folder can't be written to; the older state stays
        """
        about = {"step": step, "seconds": seconds, "config": self.options}
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self._collect_tensors().items()}
        with write_atomically(self.path, size=sum(tensor.nbytes for tensor in tensors.values())) as part:
            save_file(tensors, part, metadata={"state": json.dumps(about)})

    def load(self) -> tuple[int, float] | None:
        """Puts the saved state into networks and optimizers.

        Returns:
            Step and seconds so far; None where nothing was saved yet.

        Raises:
            CheckpointError: the state is damaged, or of other options
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about = json.loads(file.metadata()["state"])
                self._compare(about["config"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            self._put(tensors)
            return int(about["step"]), float(about["seconds"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{self.path}: damaged ({error}): delete it to train from the beginning") from error

    def _compare(self, saved: dict[str, Any]) -> None:
        fixed = self.options.keys() - set(self.changeable)
        other = sorted(name for name in fixed if saved.get(name) != self.options[name])
        if other:
            raise CheckpointError(
                f"{self.path}: of a training with other values of {', '.join(other)}: resume with the same ones, or "
                f"start anew in another `output`"
            )

    def _collect_tensors(self) -> dict[str, Tensor]:
        tensors = {
            f"{name}.{weight}": tensor
            for name, network in self.networks.items()
            for weight, tensor in network.state_dict().items()
        }
        for name, optimizer in self.optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}_optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
        return tensors

    def _put(self, tensors: dict[str, Tensor]) -> None:
        for name, network in self.networks.items():
            network.load_state_dict(_under(tensors, name))
        for name, optimizer in self.optimizers.items():
            states: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(tensors, f"{name}_optimizer").items():
                index, _, key_of_state = key.partition(".")
                states.setdefault(int(index), {})[key_of_state] = value
            optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    begin = f"{name}."
    return {key.removeprefix(begin): tensor for key, tensor in tensors.items() if key.startswith(begin)}


def append_log(folder: Path, record: dict[str, Any]) -> None:
    """Adds a line to the log.

    Raises:
        StorageError: the disk is full, or the file can't be written to
    """
    path = folder / LOG_FILE
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
    except OSError as error:
        raise StorageError(f"{path} can't be written ({error.strerror}): make room; `resume` goes on") from error


def read_log(folder: Path, step: int) -> list[dict[str, Any]]:
    """The log up to a step; what a killed training wrote after its last state is taken out of the file."""
    path = folder / LOG_FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:  # cut short by the kill: later than any state
            break
    earlier = [record for record in records if record["step"] <= step]
    if len(earlier) < len(lines):
        write_text(path, "".join(json.dumps(record) + "\n" for record in earlier))
    return earlier
