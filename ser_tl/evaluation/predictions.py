"""A model's predictions on a test set, one row an utterance, and the table they are stored in.

    Predictions(ids, speakers, references, probabilities (U, C), labels, ratings)  <-->  predictions.csv

The table has the columns id, speaker, reference and prediction, then one probability column a class, `p_anger` and so
on, in the order of the labels, then two columns a dimension, `arousal` (annotated, empty where unknown) and
`predicted_arousal`, and last, where there are prediction sets, `set_0.9`: the classes of a set of that coverage, with |
between them. Of a model of dimensions alone there are no classes, and the predictions are empty.
Independent of how the probabilities were computed; `scores` computes figures.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_tl.errors import CheckpointError, ConfigError, listing
from ser_tl.evaluation.ratings import Ratings
from ser_tl.files import write_atomically

_COLUMNS = ["id", "speaker", "reference", "prediction"]
_PREFIX = "p_"
_RATED = "predicted_"
_SET = "set_"
_SUM_TOLERANCE = 0.02  # a softmax in bfloat16 misses 1 by almost a hundredth


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions on a test set of U utterances, C classes and K dimensions.

    Args:
        ids: the utterances' ids, each once
        speakers: of each utterance; names have to be unique across the corpora of a test set
        references: the true classes
        probabilities: (U, C), each row between 0 and 1 and summing to 1
        labels: the C classes, in the order of the columns; none where dimensions alone were predicted
        ratings: the dimensions; None where there are none
        sets: (U, C) whether a class is in an utterance's prediction set; None where there are none
        coverage: share of utterances whose class the sets were to hold

    Raises:
        ConfigError: the parts don't fit together, an id twice, a reference the model has no class for, or
            probabilities that are none
    """

    ids: list[str]
    speakers: list[str]
    references: list[str]
    probabilities: np.ndarray
    labels: list[str]
    ratings: Ratings | None = None
    sets: np.ndarray | None = None
    coverage: float | None = None

    def __post_init__(self) -> None:
        for name in ("ids", "speakers", "references", "labels"):  # a dataset's column is a lazy view: keep its values
            object.__setattr__(self, name, list(getattr(self, name)))
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities))
        self._check_sizes()
        self._check_names()
        self._check_probabilities()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predictions(self) -> list[str]:
        """The most probable class of each utterance; of equals, the first in the order of the labels. Empty without."""
        if not self.labels:
            return [""] * len(self)
        return [self.labels[index] for index in self.probabilities.argmax(axis=1)]

    def _check_sizes(self) -> None:
        utterances, classes = len(self.ids), len(self.labels)
        if not utterances or (not classes and self.ratings is None):
            raise ConfigError(f"found {utterances} utterances and {classes} classes, expected at least one of each")
        sizes = (len(self.speakers), len(self.references), *self.probabilities.shape)
        if sizes != (utterances, utterances, utterances, classes):
            raise ConfigError(
                f"found {utterances} ids, {len(self.speakers)} speakers, {len(self.references)} references and "
                f"probabilities of shape {self.probabilities.shape}; give one of each for each utterance, and "
                f"probabilities of shape (utterances, {classes}), one column a class"
            )
        if self.sets is not None and (self.sets.shape != (utterances, classes) or self.coverage is None):
            raise ConfigError(
                f"found prediction sets of shape {self.sets.shape} and coverage {self.coverage}: give a row an "
                f"utterance, a column a class, and the coverage that they are for"
            )
        if self.ratings is not None and len(self.ratings.annotated) != utterances:
            raise ConfigError(
                f"found {utterances} utterances and {len(self.ratings.annotated)} rated: give one of each"
            )

    def _check_names(self) -> None:
        for kind, names in (("ids", self.ids), ("classes", self.labels)):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ConfigError(f"{len(twice)} {kind} stand there several times, name each once\n{listing(twice)}")
        unknown = Counter(reference for reference in self.references if reference not in self.labels)
        if self.labels and unknown:
            raise ConfigError(
                f"the test set has classes that the model doesn't ({', '.join(self.labels)}): leave their utterances "
                f"out with the option emotions.drop, or map them with emotions.merge\n"
                f"{listing(f'{name}: {count} utterances' for name, count in unknown.items())}"
            )

    def _check_probabilities(self) -> None:
        if not self.labels:
            return
        fine = (self.probabilities >= 0) & (self.probabilities <= 1)  # False for NaN as well
        fine = fine.all(axis=1) & (abs(self.probabilities.sum(axis=1, dtype=np.float64) - 1) < _SUM_TOLERANCE)
        if not fine.all():
            wrong = [f"{self.ids[row]}: {self.probabilities[row].tolist()}" for row in np.flatnonzero(~fine)]
            raise ConfigError(
                f"{len(wrong)} utterances have probabilities outside 0 to 1, not finite, or not summing to 1; give the "
                f"softmax of the logits\n{listing(wrong)}"
            )

    def save(self, path: Path) -> None:
        """Writes the table, probabilities with all their digits.

        Raises:
            StorageError: the disk is full, or the folder can't be written to
        """
        with write_atomically(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            rated = [] if self.ratings is None else self.ratings.names
            tables = None if self.ratings is None else np.stack(self.ratings.tables, axis=-1)  # (U, K, 2)
            last = [] if self.sets is None else [f"{_SET}{self.coverage:g}"]
            writer.writerow([*_name_columns(self.labels), *_name_rated_columns(rated), *last])
            names = zip(self.ids, self.speakers, self.references, self.predictions, strict=True)
            for index, (name, row) in enumerate(zip(names, self.probabilities, strict=True)):
                values = [] if tables is None else tables[index].ravel()
                cells = [*name, *map(str, row), *("" if np.isnan(value) else str(value) for value in values)]
                writer.writerow([*cells, *([] if self.sets is None else [self._format_set(index)])])

    def _format_set(self, row: int) -> str:
        members = [] if self.sets is None else self.sets[row]
        return "|".join(label for label, member in zip(self.labels, members, strict=True) if member)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Reads a table that `save` wrote.

        Raises:
            CheckpointError: the file is missing, or isn't such a table
            ConfigError: its columns don't fit together
        """
        try:
            with path.open(encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file)
            ids, speakers, references, _, *columns = zip(*rows, strict=True)
            members = columns.pop() if header[-1].startswith(_SET) else None
            coverage = None if members is None else float(header.pop().removeprefix(_SET))
            rated = [name for name in header if f"{_RATED}{name}" in header]
            classes = len(columns) - 2 * len(rated)
            table = np.array([[float(cell or "nan") for cell in column] for column in columns]).T
        except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
            raise CheckpointError(
                f"{path} can't be read as a table of predictions ({error}): expected are the columns "
                f"{', '.join(_COLUMNS)} and one {_PREFIX}CLASS a class. Make the report anew"
            ) from error
        labels = [name.removeprefix(_PREFIX) for name in header[len(_COLUMNS) : len(_COLUMNS) + classes]]
        if header != [*_name_columns(labels), *_name_rated_columns(rated)]:
            raise CheckpointError(
                f"{path} has the columns {', '.join(header)}; expected are {', '.join(_COLUMNS)} and one "
                f"{_PREFIX}CLASS a class. Make the report anew"
            )
        ratings = Ratings(rated, table[:, classes::2], table[:, classes + 1 :: 2]) if rated else None
        member_names = None if members is None else [set(text.split("|")) for text in members]
        sets = (
            None if member_names is None else np.array([[label in names for label in labels] for names in member_names])
        )
        return cls(list(ids), list(speakers), list(references), table[:, :classes], labels, ratings, sets, coverage)


def _name_columns(labels: Sequence[str]) -> list[str]:
    return [*_COLUMNS, *(f"{_PREFIX}{label}" for label in labels)]


def _name_rated_columns(names: Sequence[str]) -> list[str]:
    return [column for name in names for column in (name, f"{_RATED}{name}")]
