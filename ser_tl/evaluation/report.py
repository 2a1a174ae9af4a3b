"""All figures of a model on a test set.

    Predictions --Report.of--> Report --Report.over_folds--> Report --as_json--> the content of report.json

It runs no model. The UAR is the first figure because test sets are unbalanced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation.bootstrap import Interval, speaker_interval
from ser_tl.evaluation.calibration import CalibrationScores, measure_calibration
from ser_tl.evaluation.cautions import list_cautions
from ser_tl.evaluation.fold_pooling import JSON as JSON
from ser_tl.evaluation.fold_pooling import FoldScores, average_folds, pool_facts, pool_notes, pool_predictions
from ser_tl.evaluation.groups import GroupScores, compare_recorded_groups
from ser_tl.evaluation.predictions import Predictions
from ser_tl.evaluation.ratings import DimensionScores
from ser_tl.evaluation.report_json import convert_report, copy_as_json, read_report_json
from ser_tl.evaluation.scores import Scores, confusion_by_group
from ser_tl.evaluation.selective import SelectionScores, SetScores, measure_selection, measure_sets
from ser_tl.evaluation.user_metrics import measure_registered


@dataclass(frozen=True, eq=False)
class Report:
    """The figures of a test set; make one with `of`, `over_folds` or `load`.

    Args:
        predictions: what the figures are computed from
        title: what was evaluated
        scores: the headline figures, over all utterances; None where dimensions alone were predicted
        confusion: counts (C, C), row: reference, column: prediction
        interval: of the UAR, over speakers; None with one speaker only, or without classes
        per_speaker: each speaker's figures
        folds: each fold's figures; empty without folds
        notes: what a reader of the figures must know, files left out for example
        facts: how the figures came about: encoder, strategy, parameters, seconds, machine, seed
        dimensions: how far predicted and annotated dimensions agree; empty without dimensions
        calibration: whether probabilities match frequencies; None without classes
        selection: what keeping the surest utterances gives; likewise
        sets: whether prediction sets hold the truth; None where there are none
        groups: the UAR of groups of speakers, by column; those of the fact "groups", {column: {speaker: group}}
        metrics: figures of registered metrics (`evaluation.user_metrics`)
    """

    predictions: Predictions
    title: str
    scores: Scores | None
    confusion: np.ndarray
    interval: Interval | None
    per_speaker: Mapping[str, Mapping[str, float]]
    folds: Mapping[str, FoldScores] = field(default_factory=dict)
    notes: Sequence[str] = ()
    facts: Mapping[str, JSON] = field(default_factory=dict)
    dimensions: Mapping[str, DimensionScores] = field(default_factory=dict)
    calibration: CalibrationScores | None = None
    selection: SelectionScores | None = None
    sets: SetScores | None = None
    groups: Sequence[GroupScores] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        *,
        title: str = "",
        notes: Sequence[str] = (),
        facts: Mapping[str, JSON] | None = None,
        folds: Mapping[str, FoldScores] | None = None,
    ) -> "Report":
        """The report on a test set.

        Args:
            predictions: the model's
            title: what was evaluated, for headings
            notes: what a reader of the figures must know
            facts: how the figures came about, in JSON's types
            folds: each fold's figures, where the test set is pooled; `over_folds` gives them

        Raises:
            ConfigError: a fact that JSON has no type for
        """
        # Without classes the matrix has one row, and a speaker has a number of utterances only.
        classes = bool(predictions.labels)
        references, labels = (
            (predictions.references, predictions.labels) if classes else (predictions.predictions, [""])
        )
        names, counts = confusion_by_group(predictions.speakers, references, predictions.predictions, labels)
        pooled = counts.sum(axis=0)
        speaker_scores = {
            name: Scores.from_confusion(speaker_counts) for name, speaker_counts in zip(names, counts, strict=True)
        }
        return cls(
            predictions=predictions,
            title=title,
            scores=Scores.from_confusion(pooled) if classes else None,
            confusion=pooled if classes else np.zeros((0, 0), dtype=np.int64),
            interval=speaker_interval(counts) if classes else None,
            per_speaker={
                name: ({"uar": speaker_scores[name].uar, "war": speaker_scores[name].war} if classes else {})
                | {"support": int(speaker_counts.sum())}
                for name, speaker_counts in zip(names, counts, strict=True)
            },
            dimensions={} if predictions.ratings is None else predictions.ratings.score(predictions.speakers),
            calibration=measure_calibration(predictions) if classes else None,
            selection=measure_selection(predictions) if classes else None,
            sets=measure_sets(predictions) if classes else None,
            groups=compare_recorded_groups(predictions, facts or {}),
            metrics=measure_registered(predictions) if classes else {},
            folds=dict(folds or {}),
            notes=list(notes),
            facts=copy_as_json(facts or {}),
        )

    @classmethod
    def over_folds(cls, reports: Mapping[str, "Report"], *, title: str | None = None) -> "Report":
        """One report on the pooled utterances of all folds, with each fold's figures.

        The headline figures are those of the pooled utterances; `folds_mean` has the mean over folds. Facts that all
        folds share stay facts, the others stand under the fact "folds" by fold. Notes that all folds share are
        written once, the others with the fold's name.

        Args:
            reports: fold name to its report
            title: what was evaluated; the folds' title if None and they share one

        Raises:
            ConfigError: no folds, or folds with different classes
            SplitError: an utterance is tested in two folds, or a speaker, unless the folds say that they aren't
                speaker-independent
        """
        shared = all(report.facts.get("speaker_independent") is False for report in reports.values())
        predictions = {name: report.predictions for name, report in reports.items()}
        pooled = pool_predictions(predictions, shared_speakers=shared)
        titles = {report.title for report in reports.values()}
        common = titles.pop() if len(titles) == 1 else ""
        return cls.of(
            pooled,
            title=common if title is None else title,
            notes=pool_notes({name: report.notes for name, report in reports.items()}),
            facts=pool_facts({name: report.facts for name, report in reports.items()}),
            folds={name: FoldScores(report.scores, len(report.predictions)) for name, report in reports.items()},
        )

    @property
    def uar(self) -> float:
        """Unweighted average recall, a fraction.

        Raises:
            ConfigError: dimensions alone were predicted
        """
        return self._class_scores.uar

    @property
    def war(self) -> float:
        """Weighted average recall (accuracy), a fraction.

        Raises:
            ConfigError: dimensions alone were predicted
        """
        return self._class_scores.war

    @property
    def _class_scores(self) -> Scores:
        if self.scores is None:
            raise ConfigError(
                f"{self.title or 'this evaluation'}: the model was trained on {', '.join(self.dimensions)} alone and "
                f"has no UAR; compare its CCC (report.dimensions), or train with a dimensions.weight below 1"
            )
        return self.scores

    @property
    def ccc(self) -> float | None:
        """The mean of the dimensions' concordance correlations, of those that have one; None if none has."""
        values = [scores.ccc for scores in self.dimensions.values() if scores.ccc is not None]
        return fmean(values) if values else None

    @property
    def per_class(self) -> dict[str, dict[str, float | None]]:
        """Recall, precision, F1 and support of each class; None where a figure is 0 / 0."""
        hits, support, predicted = np.diagonal(self.confusion), self.confusion.sum(1), self.confusion.sum(0)
        return {
            label: {
                "recall": _ratio(hits[c], support[c]),
                "precision": _ratio(hits[c], predicted[c]),
                "f1": _ratio(2 * hits[c], support[c] + predicted[c]),
                "support": int(support[c]),
            }
            for c, label in enumerate(self.predictions.labels)
        }

    @property
    def cautions(self) -> list[str]:
        """What the test set is too small for, in sentences: classes of few clips, few speakers or unknown ones."""
        return list_cautions(
            {name: int(figures["support"] or 0) for name, figures in self.per_class.items()}, self.predictions.speakers
        )

    @property
    def folds_mean(self) -> dict[str, dict[str, float | None]]:
        """Mean and sample deviation of each figure over the folds; a deviation of one fold is None."""
        return average_folds(self.folds)

    def as_json(self) -> dict[str, JSON]:
        """The content of report.json (`ser_tl.evaluation.report_json` lists the keys)."""
        return convert_report(self)

    def save(self, folder: str | Path) -> None:
        """Has `ser_tl.reporting` write the folder: text, pictures, predictions and report.json.

        Raises:
            StorageError: the disk is full, or the folder can't be written to
        """
        from ser_tl.reporting import write_report

        write_report(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> "Report":
        """The report that `save` wrote, its figures computed again from the predictions.

        Raises:
            CheckpointError: a file is missing or damaged, or report.json isn't about these predictions
        """
        folder = Path(folder)
        try:
            content = read_report_json(folder)
            predictions = Predictions.load(folder / "predictions.csv")
            report = cls.of(predictions, **content.arguments)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise CheckpointError(
                f"{folder} holds no readable report ({type(error).__name__}: {error}); expected are the report.json "
                f"and predictions.csv of Report.save. Evaluate again to make them anew"
            ) from error
        if content.confusion != report.confusion.tolist():
            raise CheckpointError(
                f"{folder}: report.json has another confusion matrix than predictions.csv gives; the two aren't of the "
                f"same evaluation. Evaluate again to make them anew"
            )
        return replace(report, metrics={**content.metrics, **report.metrics})

    def __str__(self) -> str:
        from ser_tl.reporting import terminal

        return terminal(self)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
