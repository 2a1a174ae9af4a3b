"""What there is to say about a model on a test set, and the folder it is kept in.

    Predictions --Report.of--> Report --Report.over_folds--> Report --save--> folder --load--> Report

The folder holds report.json, report.md, predictions.csv, confusion.png, reliability.png and, with dimensions,
dimensions.png. The keys
of report.json, fractions between 0 and 1 (correlations -1 and 1) and null where a figure is undefined (the recall of a
class without test examples), never NaN:

    title                                 what was evaluated
    uar, war, macro_f1, weighted_f1       over all utterances; what each averages over: see `scores`
    interval                              {level, low, high, over, resamples} of the UAR, null with one speaker only
    labels, confusion                     the classes, and counts: a row a reference, a column a prediction
    per_class                             {class: {recall, precision, f1, support}}
    dimensions                            {name: {ccc, pearson, ccc_interval, pearson_interval, support}}, {} without
    per_speaker                           {speaker: {uar, war, support}}
    calibration                           {ece, interval, confidence, accuracy, brier, miscalibration, discrimination,
                                          uncertainty, log_loss, bins, per_speaker}, see `calibration`; null without
    selection                             {aurc, excess, accuracy, accuracy_at_80, curve}, see `selective`
    sets                                  {target, coverage, interval, size, single, single_accuracy, per_class,
                                          per_speaker}; null without prediction sets
    groups                                [{column, groups, gap, interval, unknown}], see `groups`; [] where none known
    metrics                               {figure: value} of registered metrics, {} without
    folds                                 {fold: {uar, war, macro_f1, weighted_f1, support}}, {} without folds
    folds_mean                            {figure: {mean, std}} over the folds, n - 1 under the deviation; {} without
    support, speakers                     how many utterances, how many speakers
    cautions                              what the test set is too small for: classes of few clips, few speakers
    notes, facts                          what the reader must know; encoder, strategy, seed, seconds and the like

A model of dimensions alone has no classes: uar to weighted_f1 aren't there, labels and confusion are empty, and
per_speaker has the support only.

It runs no model and holds no opinion on which figure counts: the UAR stands first because test sets are unbalanced.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation.bootstrap import Interval, speaker_interval
from ser_tl.evaluation.calibration import CalibrationScores, measure_calibration
from ser_tl.evaluation.cautions import cautions
from ser_tl.evaluation.folds import JSON as JSON
from ser_tl.evaluation.folds import Fold, folds_mean, pool_facts, pool_notes, pool_predictions
from ser_tl.evaluation.groups import GroupScores, compare_groups
from ser_tl.evaluation.plots import confusion_picture, dimensions_picture, reliability_picture
from ser_tl.evaluation.predictions import Predictions
from ser_tl.evaluation.ratings import Agreement
from ser_tl.evaluation.scores import Scores, confusion_by_group
from ser_tl.evaluation.selective import SelectionScores, SetScores, measure_selection, measure_sets
from ser_tl.evaluation.text import markdown, terminal
from ser_tl.evaluation.user_metrics import measure_registered
from ser_tl.files import write_text


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
    folds: Mapping[str, Fold] = field(default_factory=dict)
    notes: Sequence[str] = ()
    facts: Mapping[str, JSON] = field(default_factory=dict)
    dimensions: Mapping[str, Agreement] = field(default_factory=dict)
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
        folds: Mapping[str, Fold] | None = None,
    ) -> "Report":
        """The report on a test set.

        Args:
            predictions: what the model said
            title: what was evaluated, for headings
            notes: what a reader of the figures must know
            facts: how the figures came about, as JSON can say it
            folds: each fold's figures, where the test set is pooled; `over_folds` gives them

        Raises:
            ConfigError: a fact that JSON can't say
        """
        # Without classes there is one row: nothing is confused, and a speaker has a number of utterances only.
        classes = bool(predictions.labels)
        references, labels = (
            (predictions.references, predictions.labels) if classes else (predictions.predictions, [""])
        )
        names, counts = confusion_by_group(predictions.speakers, references, predictions.predictions, labels)
        pooled = counts.sum(axis=0)
        each = {name: Scores.of(own) for name, own in zip(names, counts, strict=True)}
        return cls(
            predictions=predictions,
            title=title,
            scores=Scores.of(pooled) if classes else None,
            confusion=pooled if classes else np.zeros((0, 0), dtype=np.int64),
            interval=speaker_interval(counts) if classes else None,
            per_speaker={
                name: ({"uar": each[name].uar, "war": each[name].war} if classes else {}) | {"support": int(own.sum())}
                for name, own in zip(names, counts, strict=True)
            },
            dimensions={} if predictions.ratings is None else predictions.ratings.agreement(predictions.speakers),
            calibration=measure_calibration(predictions) if classes else None,
            selection=measure_selection(predictions) if classes else None,
            sets=measure_sets(predictions) if classes else None,
            groups=_groups(predictions, facts or {}),
            metrics=measure_registered(predictions) if classes else {},
            folds=dict(folds or {}),
            notes=list(notes),
            facts=_plain(facts or {}),
        )

    @classmethod
    def over_folds(cls, reports: Mapping[str, "Report"], *, title: str | None = None) -> "Report":
        """One report on the pooled utterances of all folds, each fold's own figures beside it.

        The headline figures are those of the pooled utterances; `folds_mean` has the mean over folds. Facts that all
        folds share stay facts, the others stand under the fact "folds" by fold. Notes that all folds share are said
        once, the others with the fold's name.

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
            folds={name: Fold(report.scores, len(report.predictions)) for name, report in reports.items()},
        )

    @property
    def uar(self) -> float:
        """Unweighted average recall, a fraction.

        Raises:
            ConfigError: dimensions alone were predicted
        """
        return self._classified.uar

    @property
    def war(self) -> float:
        """Weighted average recall (accuracy), a fraction.

        Raises:
            ConfigError: dimensions alone were predicted
        """
        return self._classified.war

    @property
    def _classified(self) -> Scores:
        if self.scores is None:
            raise ConfigError(
                f"{self.title or 'this evaluation'}: the model was trained on {', '.join(self.dimensions)} alone and "
                f"has no UAR; compare its CCC (report.dimensions), or train with a dimensions.weight below 1"
            )
        return self.scores

    @property
    def ccc(self) -> float | None:
        """The mean of the dimensions' concordance correlations, of those that have one; None if none has."""
        known = [own.ccc for own in self.dimensions.values() if own.ccc is not None]
        return fmean(known) if known else None

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
        return cautions(
            {name: int(own["support"] or 0) for name, own in self.per_class.items()}, self.predictions.speakers
        )

    @property
    def folds_mean(self) -> dict[str, dict[str, float | None]]:
        """Mean and sample deviation of each figure over the folds; a deviation of one fold is None."""
        return folds_mean(self.folds)

    def as_json(self) -> dict[str, JSON]:
        """What report.json holds; the module lists the keys."""
        return {
            "title": self.title,
            **(asdict(self.scores) if self.scores else {}),
            "interval": asdict(self.interval) if self.interval else None,
            "labels": self.predictions.labels,
            "confusion": self.confusion.tolist(),
            "per_class": self.per_class,
            "dimensions": {name: asdict(own) for name, own in self.dimensions.items()},
            "per_speaker": self.per_speaker,
            "calibration": asdict(self.calibration) if self.calibration else None,
            "selection": asdict(self.selection) if self.selection else None,
            "sets": asdict(self.sets) if self.sets else None,
            "groups": [asdict(one) for one in self.groups],
            "metrics": self.metrics,
            "folds": {
                name: (asdict(fold.scores) if fold.scores else {}) | {"support": fold.support}
                for name, fold in self.folds.items()
            },
            "folds_mean": self.folds_mean,
            "support": len(self.predictions),
            "speakers": len(self.per_speaker),
            "cautions": self.cautions,
            "notes": self.notes,
            "facts": self.facts,
        }

    def save(self, folder: str | Path) -> None:
        """Writes report.md, predictions.csv, the pictures and, when all of them are there, report.json.

        Raises:
            StorageError: the disk is full, or the folder can't be written to
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(folder / "report.md", markdown(self))
        self.predictions.save(folder / "predictions.csv")
        if self.scores:
            confusion_picture(self, folder / "confusion.png")
            reliability_picture(self, folder / "reliability.png")
        if self.dimensions:
            dimensions_picture(self, folder / "dimensions.png")
        write_text(folder / "report.json", text + "\n")  # last: where it is, everything is

    @classmethod
    def load(cls, folder: str | Path) -> "Report":
        """The report that `save` wrote, its figures computed again from the predictions.

        Raises:
            CheckpointError: a file is missing or damaged, or report.json isn't about these predictions
        """
        folder = Path(folder)
        try:
            said = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            folds = {name: _fold(own) for name, own in said["folds"].items()}
            predictions = Predictions.load(folder / "predictions.csv")
            report = cls.of(predictions, title=said["title"], notes=said["notes"], facts=said["facts"], folds=folds)
            fits = said["confusion"] == report.confusion.tolist()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise CheckpointError(
                f"{folder} holds no readable report ({type(error).__name__}: {error}); expected are the report.json "
                f"and predictions.csv of Report.save. Evaluate again to make them anew"
            ) from error
        if not fits:
            raise CheckpointError(
                f"{folder}: report.json has another confusion matrix than predictions.csv gives; the two aren't of the "
                f"same evaluation. Evaluate again to make them anew"
            )
        return replace(report, metrics={**said.get("metrics", {}), **report.metrics})

    def __str__(self) -> str:
        return terminal(self)


def _groups(predictions: Predictions, facts: Mapping[str, JSON]) -> list[GroupScores]:
    """The groups that the facts know, those of folds included."""
    folds = facts.get("folds")
    known: dict[str, dict[str, str]] = {}
    for own in [facts, *(folds.values() if isinstance(folds, Mapping) else ())]:
        groups = own.get("groups") if isinstance(own, Mapping) else None
        for column, members in groups.items() if isinstance(groups, Mapping) else ():
            known.setdefault(column, {}).update(members if isinstance(members, Mapping) else {})  # ty: ignore
    found = [compare_groups(predictions, members, column) for column, members in known.items()]
    return [one for one in found if one is not None]


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _fold(said: Mapping[str, float]) -> Fold:
    scores = {figure: value for figure, value in said.items() if figure != "support"}
    return Fold(Scores(**scores) if scores else None, int(said["support"]))


def _plain(facts: Mapping[str, JSON]) -> dict[str, JSON]:
    """A copy of the facts as JSON gives them back."""
    try:
        return json.loads(json.dumps(facts, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"a fact can't be written as JSON ({error}): give text, finite numbers, true, false, None, and lists and "
            f"mappings of them"
        ) from error
