"""The training state of a WaveGAN on disk: one safetensors file, and the log beside it.

    state.safetensors   both networks, the averaged generator, both optimizers; step and seconds in its header
    log.jsonl           a line for every few steps

The state is written under another name and renamed when whole, so a kill at any moment leaves a whole one. Draws follow
from seed and step, so there are no random states to keep, and a resumed training ends with the same weights, to the
last bit, as one never killed.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ser_tl.errors import CheckpointError
from ser_tl.generate.config import CHANGEABLE
from ser_tl.generate.steps import Adversaries

STATE_FILE = "state.safetensors"
LOG_FILE = "log.jsonl"


def save_state(folder: Path, adversaries: Adversaries, labels: list[str], step: int, seconds: float) -> None:
    """Writes the state, over an older one.

    Args:
        folder: where to
        adversaries: networks and optimizers
        labels: the classes
        step: of the generator, done
        seconds: of training so far
    """
    about = {"step": step, "seconds": seconds, "config": asdict(adversaries.config), "labels": labels}
    part = folder / f"{STATE_FILE}.part"
    save_file(
        {name: tensor.contiguous().cpu() for name, tensor in _tensors(adversaries).items()},
        part,
        metadata={"state": json.dumps(about)},
    )
    part.replace(folder / STATE_FILE)


def load_state(folder: Path, adversaries: Adversaries, labels: list[str]) -> tuple[int, float] | None:
    """Puts a saved state into networks and optimizers.

    Returns:
        Step and seconds of training so far; None where nothing was saved yet.

    Raises:
        CheckpointError: the state is damaged, or of other options or classes
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["state"])
            config = asdict(adversaries.config)
            other = sorted(name for name in config.keys() - CHANGEABLE if about["config"].get(name) != config[name])
            other += [] if about["labels"] == labels else ["the classes"]
            if other:
                raise CheckpointError(
                    f"{path}: of a training with other values of {', '.join(other)}: resume with the same ones, or "
                    f"start anew in another --output"
                )
            _put(adversaries, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - no mapping
            return int(about["step"]), float(about["seconds"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged ({error}): delete it to train from the beginning") from error


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
    kept = [record for record in records if record["step"] <= step]
    path.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
    return kept


def _networks(adversaries: Adversaries) -> dict[str, torch.nn.Module]:
    return {"generator": adversaries.generator, "critic": adversaries.critic, "averaged": adversaries.averaged}


def _tensors(adversaries: Adversaries) -> dict[str, Tensor]:
    found = {
        f"{name}.{weight}": tensor
        for name, network in _networks(adversaries).items()
        for weight, tensor in network.state_dict().items()
    }
    for name, optimizer in adversaries.optimizers.items():
        for place, held in optimizer.state_dict()["state"].items():
            found |= {f"{name}_optimizer.{place}.{key}": torch.as_tensor(value) for key, value in held.items()}
    return found


def _put(adversaries: Adversaries, tensors: dict[str, Tensor]) -> None:
    for name, network in _networks(adversaries).items():
        begin = f"{name}."
        network.load_state_dict({key[len(begin) :]: value for key, value in tensors.items() if key.startswith(begin)})
    for name, optimizer in adversaries.optimizers.items():
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            whose, _, rest = key.partition(".")
            if whose == f"{name}_optimizer":
                place, _, what = rest.partition(".")
                held.setdefault(int(place), {})[what] = value
        optimizer.load_state_dict({"state": held, "param_groups": optimizer.state_dict()["param_groups"]})
