"""A trained model as a teacher, and whether it may teach a student for a given test part.

    --teacher FOLDER, Split --load_teacher--> Teacher (`training.parts.distillation`)

What a teacher learned reaches its students. One that was trained on the test speakers, or had its epoch chosen on
them, would carry them past the split, and no figure would show it: such a teacher is refused.
"""

import json
from pathlib import Path

from ser_tl.data.schema import NAMESAKES
from ser_tl.data.splits import Split
from ser_tl.errors import CheckpointError, SplitError, listing
from ser_tl.model import EmotionModel
from ser_tl.training.parts.distillation import TeachConfig as TeachConfig
from ser_tl.training.parts.distillation import Teacher as Teacher

_WEIGHTS = "model.safetensors"
_SPLIT = "split.json"


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
    candidates = [folder, folder / "model", folder / split.name / "model"]
    model_folder = next((candidate for candidate in candidates if (candidate / _WEIGHTS).is_file()), None)
    if model_folder is None:
        raise CheckpointError(
            f"teacher {folder}: no model there, nor in model/ or {split.name}/model/ in it: expected the folder of a "
            f"run of recipes/finetune_wav2vec2.py on the same splits, or of a saved model"
        )
    model = EmotionModel.from_pretrained(model_folder)
    model.calibration = None  # the temperature of teaching divides the logits themselves
    return Teacher(model, model_folder, config, tuple(_check_teacher(model, model_folder, split, config)))


def _check_teacher(model: EmotionModel, folder: Path, split: Split, config: TeachConfig) -> list[str]:
    """Notes on a teacher that may teach for a split."""
    way_out = (
        "train the teacher on these very splits (recipes/finetune_wav2vec2.py with the same `corpus`, `emotions`, "
        "`protocol`, `split`, `seed`) and name its run's folder, which has a teacher for each split"
    )
    speakers = model.known_speakers.among(set(split.test["speaker"][:]) - set(split.shared))
    if speakers:
        raise SplitError(
            f"teacher {folder} was trained on, or its epoch chosen on, {len(speakers)} of the "
            f"{len(set(split.test['speaker'][:]))} test speakers of split {split.name}, so it would carry them to the "
            f"student; {way_out}. {NAMESAKES}\n{listing(speakers)}"
        )
    path = folder.absolute().parent / _SPLIT
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
        training_ids = {*ids["train"], *ids["dev"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        if config.unchecked:
            return [f"the teacher's training data are unknown (no {_SPLIT} beside it): they may contain test clips"]
        raise SplitError(
            f"teacher {folder}: {path} doesn't say what it was trained on ({error}), which could be the test clips "
            f"of split {split.name}; {way_out}. teach.unchecked true takes it as it is, which the report will say"
        ) from error
    overlap = sorted(training_ids & set(split.test["id"][:]))
    if overlap:
        raise SplitError(
            f"teacher {folder} was trained on, or its epoch chosen on, {len(overlap)} of the {len(split.test)} test "
            f"clips of split {split.name}; {way_out}\n{listing(overlap)}"
        )
    return []
