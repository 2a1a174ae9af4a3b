"""Training states on disk: what `resume` goes on from after a kill.

    states/step_00000120/   Accelerate's state (weights, optimizer, random states of each process), progress.json,
                            best.safetensors (the weights of the best epoch, if that is kept), inputs.json (fingerprints
                            of what the training was given)

A state is written under another name and renamed when whole, so a kill at any moment leaves only whole ones; the newest
counts and older ones are deleted after it. Accelerate keeps optimizer and random states in torch's pickle format:
they belong to the machine that trains. What is shared, the model, is safetensors (`EmotionModel.save_pretrained`).
"""

import json
import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ser_tl.errors import CheckpointError, StorageError
from ser_tl.files import write_atomically, write_text
from ser_tl.training.inputs import check_inputs, fingerprint_inputs
from ser_tl.training.part import Training
from ser_tl.training.progress import Progress

PROGRESS_FILE = "progress.json"
BEST_FILE = "best.safetensors"
INPUTS_FILE = "inputs.json"

_GO_ON = "Older states are untouched: `resume` goes on from the newest one"

_DAMAGED = (OSError, EOFError, json.JSONDecodeError, SafetensorError, BadZipFile)


class TrainingStates:
    """The training states of one run.

    Args:
        folder: where they are kept
        accelerator: what saves and loads weights, optimizer and random states
        inputs: fingerprints of what the training is given, by name (`training.inputs`)
    """

    def __init__(self, folder: Path, accelerator: Accelerator, inputs: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.accelerator = accelerator
        self.inputs = dict(inputs or {})

    def save(self, progress: Progress, best: dict[str, Tensor] | None) -> None:
        """Writes a new state, then deletes older ones. Every process calls it.

        Args:
            progress: where the training stands
            best: weights of the best epoch; None before the first, or if the last is kept

        Raises:
            StorageError: the disk is full, or the folder can't be written to; older states stay
        """
        name = f"step_{sum(record['steps'] for record in progress.history) + progress.step:08d}"
        part = self.folder / f"{name}.part"
        with _explain_write_errors(self.folder):
            self._write(part, progress, best)
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                older = self._list_complete()
                ended = "_finished" if progress.finished else "_epoch" if progress.step == 0 else ""
                target = self.folder / f"{name}{ended}"  # another name than that of a state in the epoch's last step
                shutil.rmtree(target, ignore_errors=True)
                part.replace(target)
                for state in older:
                    if state != target:
                        shutil.rmtree(state)
        self.accelerator.wait_for_everyone()

    def _write(self, part: Path, progress: Progress, best: dict[str, Tensor] | None) -> None:
        """Writes the files of a state into a folder that isn't taken for one yet."""
        if self.accelerator.is_main_process:
            for left in self.folder.glob("*.part"):  # by a kill, or a full disk: room for this one
                shutil.rmtree(left, ignore_errors=True)
            part.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(part))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            if best is not None:
                with write_atomically(part / BEST_FILE) as file:
                    save_file(best, file)
            write_text(part / INPUTS_FILE, json.dumps(self.inputs, indent=1) + "\n")
            progress.save(part / PROGRESS_FILE)

    def load(self) -> tuple[Progress, dict[str, Tensor] | None] | None:
        """Restores the newest state into what Accelerate prepared. Every process calls it.

        Returns:
            Where the training stands and the weights of its best epoch; None if nothing was saved yet.

        Raises:
            CheckpointError: the state is damaged, or another number of processes wrote it, or labels, audio or the
                encoder's weights were other ones
        """
        states = self._list_complete()
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
            check_inputs(json.loads((state / INPUTS_FILE).read_text(encoding="utf-8")), self.inputs, state)
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

    def _list_complete(self) -> list[Path]:
        return sorted(state for state in self.folder.glob("step_*") if not state.name.endswith(".part"))


def open_states(training: Training) -> TrainingStates | None:
    """The training states of a training, whose encoder is as it was given; None where nothing is kept on disk."""
    if training.folder is None:
        return None
    model, parts = training.model, (training.train, training.dev, training.unlabelled)
    inputs = fingerprint_inputs(model.encoder, model.labels, *parts)
    return TrainingStates(training.folder / "states", training.accelerator, inputs)


@contextmanager
def _explain_write_errors(folder: Path) -> Generator[None]:
    """Turns a full disk, as Accelerate, torch and safetensors tell of it, into a sentence."""
    try:
        yield
    except StorageError as error:
        raise StorageError(f"{error}. {_GO_ON}") from error
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch tells only that its archive has another size than it should have, not why.
        unwritten = re.search(r"PytorchStreamWriter|inline_container|unexpected pos|os error", str(error))
        if not isinstance(error, OSError) and not unwritten:
            raise
        why = error.strerror if isinstance(error, OSError) else "a write ended early"
        free = shutil.disk_usage(folder if folder.is_dir() else folder.parent).free / 2**20
        raise StorageError(
            f"{folder}: the training state can't be written ({why}; {free:.0f} MiB are free on that disk): make room "
            f"there. {_GO_ON}"
        ) from error


def _check_archive(path: Path) -> None:
    """Refuses random states that can't be read: Accelerate would go on without them, to other weights."""
    with ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise BadZipFile(f"{path.name} has a part that fails its checksum")
