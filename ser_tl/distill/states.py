"""The state of a distillation on disk: one safetensors file, and the log beside it.

    state.safetensors   student, heads, optimizer; step and seconds in its header
    log.jsonl           a line for every few steps, and for every probe

The state is written under another name and renamed when whole, so a kill at any moment leaves a whole one. Draws follow
from seed and step, so there are no random states to keep.
"""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ser_tl.distill.config import CHANGEABLE, DistillConfig
from ser_tl.errors import CheckpointError

STATE_FILE = "state.safetensors"
_NETWORK, _OPTIMIZER = "network.", "optimizer."


def save_state(
    folder: Path, network: nn.Module, optimizer: Optimizer, config: DistillConfig, step: int, seconds: float
) -> None:
    """Writes the state, over an older one.

    Args:
        folder: where to
        network: student and heads
        optimizer: of its parameters
        config: of the distillation
        step: done
        seconds: spent so far, over all resumed runs
    """
    tensors = {f"{_NETWORK}{name}": tensor for name, tensor in network.state_dict().items()}
    for place, held in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{place}.{key}": torch.as_tensor(value) for key, value in held.items()}
    part = folder / f"{STATE_FILE}.part"
    about = {"step": step, "seconds": seconds, "config": _plain(config)}
    save_file(
        {name: tensor.contiguous().cpu() for name, tensor in tensors.items()},
        part,
        metadata={"state": json.dumps(about)},
    )
    part.replace(folder / STATE_FILE)


def load_state(
    folder: Path, network: nn.Module, optimizer: Optimizer, config: DistillConfig
) -> tuple[int, float] | None:
    """Puts a saved state into network and optimizer.

    Returns:
        Step and seconds so far; None where nothing was saved yet.

    Raises:
        CheckpointError: the state is damaged, or of other options
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            about, now = json.loads(file.metadata()["state"]), _plain(config)
            other = sorted(name for name in now.keys() - CHANGEABLE if about["config"].get(name) != now[name])
            if other:
                raise CheckpointError(
                    f"{path}: of a distillation with other values of {', '.join(other)}: resume with the same ones, or "
                    f"start anew in another --output"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        network.load_state_dict(_part(tensors, _NETWORK))
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in _part(tensors, _OPTIMIZER).items():
            place, _, what = key.partition(".")
            held.setdefault(int(place), {})[what] = value
        optimizer.load_state_dict({"state": held, "param_groups": optimizer.state_dict()["param_groups"]})
        return int(about["step"]), float(about["seconds"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged ({error}): delete it to train from the beginning") from error


def _part(tensors: dict[str, Tensor], begin: str) -> dict[str, Tensor]:
    return {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}


def _plain(config: DistillConfig) -> dict[str, object]:
    return json.loads(json.dumps(asdict(config)))
