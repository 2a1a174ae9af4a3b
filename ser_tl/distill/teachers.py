"""A trained model as a teacher, and whether its lessons may be heard before a given test.

    --teacher FOLDER, Split --load_teacher--> Teacher --lessons--> (n, C) probabilities of the classes at a temperature

What a teacher learned reaches its students. One that heard the test speakers, or had its epoch chosen on them, would
carry them past the split, and no figure would show it: such a teacher is refused.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from ser_tl.data.schema import NAMESAKES
from ser_tl.data.splits import Split
from ser_tl.errors import CheckpointError, ConfigError, SplitError, listing
from ser_tl.inference.scoring import corpus_norms, score_clips
from ser_tl.model import EmotionModel
from ser_tl.runtime.processes import evaluation_pass
from ser_tl.training.config import TrainConfig
from ser_tl.training.feed import Feed
from ser_tl.transfer.frozen import Frozen

_WEIGHTS = "model.safetensors"
_SPLIT = "split.json"


@dataclass(frozen=True)
class TeachConfig:
    """How a student is taught by another model.

    Args:
        temperature: both models' logits are divided by it: above 1 brings out which classes the teacher holds alike
        alpha: the teacher's share of the loss; 0 leaves the labels alone, 1 the teacher
        unchecked: take a teacher that can't be shown not to know the test speakers; the report says so
    """

    temperature: float = 2.0
    alpha: float = 0.7
    unchecked: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"teach.temperature is {self.temperature}: expected more than 0, 1 to 5 as a rule")
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"teach.alpha is {self.alpha}: expected a share from 0 (labels) to 1 (the teacher)")


@dataclass(frozen=True)
class Teacher:
    """A model that a student learns from.

    Args:
        model: trained
        folder: where it was found
        config: temperature, and the teacher's share
        notes: what a report on the student must say of the teacher
    """

    model: EmotionModel
    folder: Path
    config: TeachConfig
    notes: tuple[str, ...] = ()

    def lessons(
        self, corpus: Dataset, labels: list[str], accelerator: Accelerator, train: TrainConfig, seed: int = 0
    ) -> np.ndarray:
        """What the teacher says of each clip, probabilities (n, C) at the temperature, float32. Every process calls it.

        It hears clips whole and unchanged, long ones in windows, whose probabilities are averaged before the
        temperature is applied: softmax(log p / T), which is softmax(logits / T) where there is one window.

        Args:
            corpus: the training part
            labels: the student's, in its order
            accelerator: whose processes share the work
            train: batch size, workers, and whether the encoder's states are kept in the feature cache
            seed: of the training
        """
        clips = Feed(self.model, Frozen(), train, accelerator, seed).clips(corpus)
        how = evaluation_pass(accelerator, train)
        self.model.to(accelerator.device)
        predictions, _ = score_clips(self.model, corpus, clips, how, corpus_norms(self.model, corpus, clips, how))
        self.model.cpu()
        own = [self.model.labels.index(label) for label in labels]
        logs = torch.from_numpy(predictions.probabilities[:, own]).log() / self.config.temperature
        return logs.softmax(dim=1).float().numpy()

    def facts(self, student: nn.Module) -> dict[str, Any]:
        """What a report should tell of the teaching: teacher, temperature, share, and how much smaller the student is.

        Args:
            student: to be compared in parameters, moving or not
        """
        own, small = (sum(weights.numel() for weights in model.parameters()) for model in (self.model, student))
        asked = {name: value for name, value in asdict(self.config).items() if name != "unchecked"}
        return asked | {
            "teacher": str(self.folder),
            "encoder": self.model.encoder_name,
            "teacher_parameters": own,
            "student_parameters": small,
            "ratio": round(own / small, 2),
        }


def load_teacher(folder: Path, split: Split, config: TeachConfig) -> Teacher:
    """The teacher for a split.

    Args:
        folder: a saved model; or a run, whose model, or whose model for the split of this name, is the teacher
        split: the student's
        config: temperature, the teacher's share, whether an unknown origin is accepted

    Raises:
        CheckpointError: there is no model
        SplitError: it was trained on, or its epoch chosen on, what the student is tested on; or nothing tells
    """
    places = [folder, folder / "model", folder / split.name / "model"]
    found = next((place for place in places if (place / _WEIGHTS).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"--teacher {folder}: no model there, nor in model/ or {split.name}/model/ in it: expected the folder of a "
            f"run of recipes/finetune_wav2vec2.py on the same splits, or of a saved model"
        )
    model = EmotionModel.from_pretrained(found)
    model.calibration = None  # the temperature of teaching divides the logits themselves
    return Teacher(model, found, config, tuple(_checked(model, found, split, config)))


def _checked(model: EmotionModel, folder: Path, split: Split, config: TeachConfig) -> list[str]:
    """Notes on a teacher that may teach for a split."""
    way_out = (
        "train the teacher on these very splits (recipes/finetune_wav2vec2.py with the same --corpus, --emotions, "
        "--protocol, --split, --seed) and name its run's folder, which has a teacher for each split"
    )
    speakers = model.known_speakers.among(set(split.test["speaker"][:]) - set(split.shared))
    if speakers:
        raise SplitError(
            f"--teacher {folder} was trained on, or its epoch chosen on, {len(speakers)} of the "
            f"{len(set(split.test['speaker'][:]))} test speakers of split {split.name}, so it would carry them to the "
            f"student; {way_out}. {NAMESAKES}\n{listing(speakers)}"
        )
    path = folder.absolute().parent / _SPLIT
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
        heard = {*ids["train"], *ids["dev"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        if config.unchecked:
            return [f"the teacher's training data are unknown (no {_SPLIT} beside it): it may have heard test clips"]
        raise SplitError(
            f"--teacher {folder}: {path} doesn't tell what it was trained on ({error}), which could be the test clips "
            f"of split {split.name}; {way_out}. --teach.unchecked true takes it as it is, which the report will say"
        ) from error
    known = sorted(heard & set(split.test["id"][:]))
    if known:
        raise SplitError(
            f"--teacher {folder} was trained on, or its epoch chosen on, {len(known)} of the {len(split.test)} test "
            f"clips of split {split.name}; {way_out}\n{listing(known)}"
        )
    return []
