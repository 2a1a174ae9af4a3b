"""Training states on disk: what `--resume` goes on from after a kill.

    states/step_00000120/   Accelerate's state (weights, optimizer, random states of each process), progress.json,
                            best.safetensors (the weights of the best epoch, if that is kept)

A state is written under another name and renamed when whole, so a kill at any moment leaves only whole ones; the newest
counts and older ones are deleted after it. Accelerate keeps optimizer and random states in torch's pickle format:
they belong to the machine that trains. What is shared, the model, is safetensors (`EmotionModel.save_pretrained`).
"""

import json
import shutil
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ser_tl.errors import CheckpointError
from ser_tl.training.progress import Progress

PROGRESS_FILE = "progress.json"
BEST_FILE = "best.safetensors"

_DAMAGED = (OSError, EOFError, json.JSONDecodeError, SafetensorError, BadZipFile)


class TrainingStates:
    """The training states of one run.

    Args:
        folder: where they are kept
        accelerator: what saves and loads weights, optimizer and random states
    """

    def __init__(self, folder: Path, accelerator: Accelerator) -> None:
        self.folder = folder
        self.accelerator = accelerator

    def save(self, progress: Progress, best: dict[str, Tensor] | None) -> None:
        """Writes a new state, then deletes older ones. Every process calls it.

        Args:
            progress: where the training stands
            best: weights of the best epoch; None before the first, or if the last is kept
        """
        name = f"step_{sum(record['steps'] for record in progress.history) + progress.step:08d}"
        part = self.folder / f"{name}.part"
        if self.accelerator.is_main_process:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(part))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            if best is not None:
                save_file(best, part / BEST_FILE)
            progress.save(part / PROGRESS_FILE)
            older = self._whole()
            ended = "_finished" if progress.finished else "_epoch" if progress.step == 0 else ""
            whole = self.folder / f"{name}{ended}"  # another name than that of a state in the epoch's last step
            shutil.rmtree(whole, ignore_errors=True)
            part.replace(whole)
            for state in older:
                if state != whole:
                    shutil.rmtree(state)
        self.accelerator.wait_for_everyone()

    def load(self) -> tuple[Progress, dict[str, Tensor] | None] | None:
        """Restores the newest state into what Accelerate prepared. Every process calls it.

        Returns:
            Where the training stands and the weights of its best epoch; None if nothing was saved yet.

        Raises:
            CheckpointError: the state is damaged, or another number of processes wrote it
        """
        states = self._whole()
        if not states:
            return None
        state = states[-1]
        written = list(state.glob("random_states_*.pkl"))
        if len(written) != self.accelerator.num_processes:
            raise CheckpointError(
                f"{state}: written by {len(written)} processes, resumed with {self.accelerator.num_processes}: an "
                f"exact continuation needs the same number"
            )
        try:
            progress = Progress.load(state / PROGRESS_FILE)
            best = load_file(state / BEST_FILE) if (state / BEST_FILE).is_file() else None
            for path in written:
                _check_archive(path)
            self.accelerator.load_state(str(state))
        except (*_DAMAGED, RuntimeError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{state}: damaged or of another configuration ({error}): delete {self.folder} to train from the "
                f"beginning"
            ) from error
        return progress, best

    def clear(self) -> None:
        """Deletes all states, once the run's results are on disk."""
        if self.accelerator.is_main_process:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _whole(self) -> list[Path]:
        return sorted(state for state in self.folder.glob("step_*") if not state.name.endswith(".part"))


def _check_archive(path: Path) -> None:
    """Refuses random states that can't be read: Accelerate would go on without them, to other weights."""
    with ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise BadZipFile(f"{path.name} has a part that fails its checksum")
