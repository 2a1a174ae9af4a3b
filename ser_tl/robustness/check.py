"""A whole check: clean answers, every change, pass rates by theme beside those of a random model.

    check(predictor, sample, changes) -> Check -> to_dict() (JSON), table() (Markdown)

Independent of files; `check_page` draws.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ser_tl.inference import Predictor
from ser_tl.reporting.text import interval_cell, percent, table
from ser_tl.robustness.change import Change
from ser_tl.robustness.judgement import Verdict, check_correctness, check_fairness, uar_of
from ser_tl.robustness.measure import Answers, ChangeRow, Sample, answer, compare, measure

VOICES = 64
"""Clips of which babble is made."""

_RANDOM = 20  # runs of the random model


@dataclass(frozen=True)
class Rate:
    """How many tests of a theme are passed.

    Args:
        passed: so many
        tests: of so many
        random: share that a model passes which answers at random
    """

    passed: int
    tests: int
    random: float


@dataclass(frozen=True)
class Check:
    """What a check found.

    Args:
        model: what was checked
        corpus: on what
        clips: how many
        speakers: likewise
        uar: as recorded, a fraction
        confidence: mean probability of the likeliest emotion, as recorded
        verdicts: on answers as they are
        rows: one a change
        rates: by theme
    """

    model: str
    corpus: str
    clips: int
    speakers: int
    uar: float
    confidence: float
    verdicts: list[Verdict]
    rows: list[ChangeRow]
    rates: dict[str, Rate]

    def failed(self, least: float) -> list[str]:
        """Themes of which less than a share of the tests is passed."""
        return [theme for theme, rate in self.rates.items() if rate.passed < least * rate.tests]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON."""
        rows = [asdict(row) | {"passes": row.passes} for row in self.rows]
        return asdict(self) | {"rows": rows}


def check(
    predictor: Predictor,
    sample: Sample,
    changes: Sequence[Change],
    *,
    model: str = "",
    corpus: str = "",
    on_row: Callable[[ChangeRow], None] = lambda _: None,
) -> Check:
    """Checks a model.

    Args:
        predictor: of a model in torch or an exported one
        sample: clips of speakers that it doesn't know
        changes: of `make_suite`
        model: its name
        corpus: the sample's name
        on_row: called with each row as soon as it is there
    """
    for change in changes:
        if change.voices is not None:
            change.voices(sample.clips[:VOICES])
    labels = predictor.labels
    clean = answer(predictor, sample.clips)
    verdicts = judge(sample, clean.labels, labels)
    rows = []
    for row in measure(predictor, sample, clean, changes):
        rows.append(row)
        on_row(row)
    return Check(
        model=model,
        corpus=corpus,
        clips=len(sample.ids),
        speakers=len(set(sample.speakers)),
        uar=uar_of(sample, clean.labels, labels),
        confidence=clean.confidence,
        verdicts=verdicts,
        rows=rows,
        rates=_rates(sample, verdicts, rows, changes, labels),
    )


def judge(sample: Sample, answers: Sequence[str], labels: Sequence[str]) -> list[Verdict]:
    """The verdicts on answers as they are."""
    return [*check_correctness(sample, answers, labels), *check_fairness(sample, answers, labels)]


def _rates(
    sample: Sample,
    verdicts: Sequence[Verdict],
    rows: Sequence[ChangeRow],
    changes: Sequence[Change],
    labels: Sequence[str],
) -> dict[str, Rate]:
    """Pass rates by theme, and those of a model that answers each clip at random, each time anew."""
    passes_of = _collect_passes(verdicts, rows)
    random: dict[str, list[bool]] = {}
    generator = np.random.default_rng(0)

    def guess() -> Answers:
        return Answers(generator.choice(list(labels), len(sample.ids)).tolist(), 1.0 / len(labels))

    for _ in range(_RANDOM):
        clean = guess()
        guessed = [compare(sample, clean, guess(), change, labels, interval=False) for change in changes]
        for theme, passes in _collect_passes(judge(sample, clean.labels, labels), guessed).items():
            random.setdefault(theme, []).extend(passes)
    return {theme: Rate(sum(passes), len(passes), float(np.mean(random[theme]))) for theme, passes in passes_of.items()}


def _collect_passes(verdicts: Sequence[Verdict], rows: Sequence[ChangeRow]) -> dict[str, list[bool]]:
    passes: dict[str, list[bool]] = {}
    for verdict in verdicts:
        passes.setdefault(verdict.theme, []).append(verdict.passed)
    for row in rows:
        if row.passes:
            passes.setdefault(row.theme, []).extend(row.passes)
    return passes


def change_table(check: Check) -> str:
    """The rows as a table in Markdown: UAR, its difference with the interval, answers unchanged, what failed."""
    header = ["change", "UAR %", "difference", "95 % interval", "unchanged %", "confidence", "passed"]
    first = ["as recorded", percent(check.uar), "", "", "", f"{check.confidence:.2f}", ""]
    return table(header, [first, *([row.name, *row_cells(row)] for row in check.rows)])


def row_cells(row: ChangeRow) -> list[str]:
    """A row's figures as text."""
    judged = {(): "", (True,): "yes", (True, True): "yes"}.get(tuple(row.passes), "no")
    return [
        percent(row.uar),
        f"{100 * row.difference:+z.1f}",
        interval_cell(row.low, row.high),
        percent(row.unchanged),
        f"{row.confidence:.2f}",
        judged,
    ]


def rate_table(rates: Mapping[str, Rate]) -> str:
    """Pass rates by theme as a table in Markdown."""
    cells = [
        [theme, f"{rate.passed} of {rate.tests}", percent(rate.passed / rate.tests), percent(rate.random)]
        for theme, rate in rates.items()
    ]
    return table(["theme", "passed", "%", "a random model %"], cells)
