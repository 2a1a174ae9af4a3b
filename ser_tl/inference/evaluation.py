"""A model's report on a corpus whose speakers it was not trained on.

    model, corpus -> checks -> score_clips -> Report

Trains nothing and chooses nothing. A training adds what is to be said of it (`notes`, `facts`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from datasets import Dataset

from ser_tl.data import schema
from ser_tl.data.batching import Clips
from ser_tl.data.combination import Classes
from ser_tl.data.dimensions import note_unknown
from ser_tl.data.speakers import UNKNOWN
from ser_tl.data.split import describe_shared
from ser_tl.errors import ConfigError, SplitError, listing
from ser_tl.evaluation import Report
from ser_tl.evaluation.shared_labels import measure_absent, restrict_answers
from ser_tl.inference.clips import Pass
from ser_tl.inference.scoring import corpus_norms, evaluation_clips, score_clips
from ser_tl.inference.shared_emotions import describe_absent, describe_restriction, select_known
from ser_tl.inference.speaker_norm import describe_norm
from ser_tl.model import EmotionModel

COVERAGE = 0.9
"""Share of test utterances that a report's prediction sets are to hold."""


def evaluate(
    model: EmotionModel,
    test: Dataset,
    how: Pass,
    *,
    clips: Clips | None = None,
    title: str = "",
    notes: Sequence[str] = (),
    training_notes: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    shared: Collection[str] = (),
    groups: Collection[str] = ("sex",),
    labels: Classes = "all",
    note_absent: bool = True,
) -> Report:
    """The report on held-out speakers. Every process calls it and gets the whole report.

    Args:
        model: the model
        test: rows with the columns of `data.schema`
        how: the processes, and the size of batches
        clips: all of the test set, for evaluation, if they come from a cache
        title: what is evaluated, for headings
        notes: what a reader of the figures must know
        training_notes: likewise, of the model's training
        facts: of the training, for the report
        shared: speakers that the test part may share with training (`Split.shared`): only to reproduce figures that
            were published so; the report's title, notes and facts then say what it is not
        groups: columns of the test set by which speakers are compared, where it has them; corpora always are
        labels: `shared` restricts the answers to the emotions of both model and test set, and leaves utterances of
            others out; title, notes and facts say so
        note_absent: whether a note says how many answers are emotions that the test set doesn't have

    Raises:
        ConfigError: the test set has an emotion that isn't among the model's labels, or, of `shared`, fewer than two
            that are; or too few clips of a speaker where these are normalised by their own statistics
        SplitError: the model was trained on, or its epoch chosen on, some of the speakers, or clips are synthetic
    """
    label_notes: list[str] = []
    if labels == "shared":
        test, label_notes = select_known(test, model.labels)
        clips = None  # those of all of the test set
    check_labels(test, model.labels)
    check_real(test, "test")
    speakers = set(test["speaker"][:])
    known_speakers = _find_known(model, test)
    if set(known_speakers) - set(shared):
        if known_speakers == [UNKNOWN]:
            raise SplitError(
                "the speakers are unknown, here and in the model's training, so the score could not be called "
                "speaker-independent; name the speakers, or evaluate on its run's test part alone (ser-tl evaluate "
                "--ids runs/NAME/split.json)"
            )
        raise SplitError(
            f"the model knows {len(known_speakers)} of the {len(speakers)} speakers from its training, so "
            f"the score would not be speaker-independent; evaluate on its run's test part alone (ser-tl evaluate "
            f"--ids runs/NAME/split.json), or on another corpus. {schema.NAMESAKES}\n{listing(known_speakers)}"
        )
    clips = evaluation_clips(model, test) if clips is None else clips
    norms = corpus_norms(model, test, clips, how)
    normalized = [] if norms is None else [describe_norm(model.config.statistics, test)]
    predictions, _ = score_clips(model, test, clips, how, norms)
    calibration = model.calibration
    if calibration is not None and calibration.sets is not None:
        sets = calibration.sets.members(predictions.probabilities, COVERAGE)
        predictions = replace(predictions, sets=sets, coverage=COVERAGE)
    known_facts = dict(facts or {}) | ({"calibration": calibration_facts(model)} if model.labels else {})
    if labels == "shared":
        answered = [label for label in model.labels if label in set(test["emotion"][:])]
        predictions = restrict_answers(predictions, answered)
        title = f"{title} (answers restricted to the {len(answered)} shared emotions)".strip()
        label_notes.append(describe_restriction(answered, model.labels))
        known_facts["answers"] = {"restricted_to": answered}
    elif note_absent and model.labels:
        absent, share = measure_absent(predictions)
        label_notes += describe_absent(absent, share)
        known_facts |= {"answers": {"absent": absent, "share_absent": share}} if absent else {}
    report_notes = [
        *label_notes,
        *training_notes,
        *normalized,
        *notes,
        *note_unknown(test, model.dimensions, "test"),
    ]
    known_facts |= group_facts(test, [*groups, *(["corpus"] if len(set(test["corpus"][:])) > 1 else [])])
    if known_speakers or shared:  # folds over clips share speakers by rule, also where chance kept some apart
        title = f"{title} (NOT speaker-independent)".strip()
        report_notes = [describe_shared(known_speakers or shared, test["speaker"][:]), *report_notes]
        known_facts |= {"speaker_independent": False}
    return Report.of(predictions, title=title, notes=report_notes, facts=known_facts)


def _find_known(model: EmotionModel, test: Dataset) -> list[str]:
    """The speakers whom a model was trained on, also by the name that they have in or without a combination."""
    names = set(zip(test["speaker"][:], test["corpus"][:], strict=True))
    aliases = {name: name for name, _ in names}
    aliases |= {f"{corpus}_{name}": name for name, corpus in names if name != UNKNOWN}  # as combine_corpora renames
    if schema.NAME_IN_CORPUS in test.column_names:
        before = zip(test[schema.NAME_IN_CORPUS][:], test["speaker"][:], strict=True)
        aliases |= {name: speaker for name, speaker in before if name is not None}
    return sorted({aliases[name] for name in model.known_speakers.among(aliases)})


def group_facts(test: Dataset, columns: Collection[str]) -> dict[str, Any]:
    """Which group each test speaker is of, by column; nothing of columns that the corpus hasn't.

    A speaker with several values of a column, two languages for example, is of none of its groups.
    """
    groups: dict[str, dict[str, str]] = {}
    for column in columns:
        if column not in test.column_names:
            continue
        values: dict[str, set[str]] = {}
        for speaker, value in zip(test["speaker"][:], test[column][:], strict=True):
            if value is not None and speaker != UNKNOWN:
                values.setdefault(speaker, set()).add(str(value))
        groups[column] = {
            speaker: next(iter(speaker_values))
            for speaker, speaker_values in sorted(values.items())
            if len(speaker_values) == 1
        }
    return {"groups": groups} if groups else {}


def calibration_facts(model: EmotionModel) -> dict[str, Any] | None:
    """How a model's probabilities were calibrated, for a report, without the thresholds; None if they never were."""
    description = None if model.calibration is None else model.calibration.to_json()
    return None if description is None else {name: value for name, value in description.items() if name != "sets"}


def check_labels(corpus: Dataset, labels: list[str]) -> None:
    """Refuses a corpus with emotions that a model has no label for; a model of dimensions alone takes any.

    Raises:
        ConfigError: some emotions are unknown to the model
    """
    strangers = sorted(set(schema.emotions(corpus)) - set(labels))
    if labels and strangers:
        raise ConfigError(
            f"the model knows {', '.join(labels)}; the corpus also has {', '.join(strangers)}: drop them "
            f"(emotions.drop '[{', '.join(strangers)}]') or merge them into the model's labels (emotions.merge); "
            f"labels.classes shared leaves them out when a model is evaluated"
        )


def check_real(corpus: Dataset, part: str) -> None:
    """Refuses synthetic clips where a model is judged.

    Args:
        corpus: the part
        part: its name, for the message

    Raises:
        SplitError: there are some
    """
    synthetic = corpus["speaker"][:].count(schema.SYNTHETIC)
    if synthetic:
        raise SplitError(
            f"{synthetic} of {len(corpus)} {part} clips are synthetic, and a model is evaluated on real speech only: "
            f"take the rows whose speaker is {schema.SYNTHETIC} out. recipes/train_wavegan.py judges synthetic clips"
        )
