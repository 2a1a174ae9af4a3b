"""Whether probabilities can be acted on: calibration, prediction sets and abstention on unseen speakers and corpora.

    python -m tests.benchmarks.calibration FOLDER --emodb DIR --ravdess DIR --folds DIR --emotale DIR --whisper DIR

A frozen Whisper tiny.en with the closed-form discriminant, as `train.refit discriminant` fits it, calibrated on
training speakers held out in turn, as every training does. RAVDESS in EmoBox's six folds (--folds), EMO-DB with each
speaker left out, and RAVDESS' speakers all trained on and tested on the emotions that EMO-DB and EmoTale share with it.
Pooled states are kept in FOLDER. docs/calibration.md has the tables.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import ser_tl as ser
from ser_tl.data.folds import read_folds
from ser_tl.evaluation import Predictions, Report
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.training.calibration import HELD_OUT, fit_calibration
from tests.benchmarks.defaults.probes import pool_states

LAYERS = [1, 2, 3, 4]  # the recipes' of Whisper tiny.en
COVERAGE = 0.9
METHODS = ("none", "temperature", "vector")


class Clips(NamedTuple):
    """A corpus' clips as a classifier sees them."""

    ids: np.ndarray
    emotions: np.ndarray
    speakers: np.ndarray
    rows: torch.Tensor

    def of(self, chosen: Sequence[bool] | np.ndarray) -> "Clips":
        """Some of them."""
        mask = np.asarray(chosen, dtype=bool)
        return Clips(self.ids[mask], self.emotions[mask], self.speakers[mask], self.rows[torch.from_numpy(mask)])


def read_clips(name: str, root: Path, options: argparse.Namespace) -> Clips:
    """A corpus with its pooled states."""
    corpus = ser.load_corpus(name, root)
    states = pool_states(corpus, "whisper", options.folder / "features" / name / "whisper.npz", options.whisper)
    columns = [np.array(corpus[column][:]) for column in ("id", "emotion", "speaker")]
    return Clips(*columns, torch.from_numpy(states[:, LAYERS].reshape(len(states), -1)).double())


def predict(train: Clips, test: Clips, labels: list[str]) -> dict[str, Predictions]:
    """The predictions of one training by each way of calibrating it."""
    index = {label: number for number, label in enumerate(labels)}
    truth = torch.tensor([index[emotion] for emotion in train.emotions])
    fit = fit_discriminant(train.rows, truth, train.speakers.tolist(), len(labels))
    with torch.no_grad():
        logits = fit.discriminant(test.rows.float()).numpy()
    found = {}
    for method in METHODS:
        held = fit.held_out.numpy(), truth.numpy(), train.ids.tolist(), train.speakers.tolist()
        if method == "none":  # prediction sets of the temperature that the fit itself chose
            known = Calibration("temperature", [1.0], [], HELD_OUT, 0, 0, 0.0, 0.0)
            sets = None
        else:
            known = fit_calibration(*held, source=HELD_OUT, method=method)
            sets = known.sets
        rows = known.apply(logits)
        for by_class in (False, True) if sets is not None else (False,):
            inside = None if sets is None else sets.members(rows, COVERAGE, by_class=by_class)
            name = f"{method}{', sets by class' if by_class else ''}"
            columns = test.ids.tolist(), test.speakers.tolist(), test.emotions.tolist()
            found[name] = Predictions(*columns, rows, labels, None, inside, None if inside is None else COVERAGE)
    return found


def pool(parts: Sequence[dict[str, Predictions]]) -> dict[str, Report]:
    """The report of each way, over all folds."""
    folds = {name: {f"fold_{number}": Report.of(part[name]) for number, part in enumerate(parts)} for name in parts[0]}
    return {name: Report.over_folds(each) for name, each in folds.items()}


def show(title: str, reports: dict[str, Report]) -> None:
    """Prints a line a way of calibrating."""
    print(f"\n{title}")
    for name, report in reports.items():
        own, selection, sets = report.calibration, report.selection, report.sets
        assert own is not None
        assert selection is not None
        between = f"{100 * own.interval.low:.1f} to {100 * own.interval.high:.1f}" if own.interval else "-"
        text = (
            f"  {name}: UAR {100 * report.uar:.1f}, accuracy {100 * own.accuracy:.1f}, confidence "
            f"{100 * own.confidence:.1f}, ECE {100 * own.ece:.1f} ({between}), Brier {own.brier:.3f} = "
            f"{own.miscalibration:.3f} - {own.discrimination:.3f} + {own.uncertainty:.3f}, log loss "
            f"{own.log_loss:.3f}, AURC {100 * selection.aurc:.1f}, surest 80 % {100 * selection.accuracy_at_80:.1f}"
        )
        if sets is not None:
            least, values = next(iter(sets.per_speaker.items()))
            below = [who for who, one in sets.per_speaker.items() if one["high"] < 0.8]
            span = f"{100 * sets.interval.low:.1f} to {100 * sets.interval.high:.1f}" if sets.interval else "-"
            text += (
                f"; sets hold {100 * sets.coverage:.1f} ({span}), size {sets.size:.2f}, single "
                f"{100 * sets.single:.1f}, least {least} {100 * values['coverage']:.1f} ({100 * values['low']:.0f} to "
                f"{100 * values['high']:.0f}), significantly below 80: {len(below)} of {len(sets.per_speaker)}, "
                f"classes {min(sets.per_class, key=lambda key: sets.per_class[key])} "
                f"{100 * min(sets.per_class.values()):.1f} to {100 * max(sets.per_class.values()):.1f}"
            )
        print(text, flush=True)


def main() -> None:
    """Runs all protocols, prints a line a way of calibrating and keeps the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("emodb", "ravdess", "folds", "emotale", "whisper"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    ravdess, emodb, emotale = (
        read_clips(name, getattr(options, name), options) for name in ("ravdess", "emodb", "emotale")
    )
    runs: dict[str, dict[str, Report]] = {}
    parts = [
        predict(ravdess.of(~tested), ravdess.of(tested), sorted(set(ravdess.emotions)))
        for fold in read_folds(options.folds)
        for tested in [np.isin(ravdess.ids, list(fold.test))]
    ]
    runs["RAVDESS, EmoBox's folds"] = pool(parts)
    parts = [
        predict(emodb.of(emodb.speakers != one), emodb.of(emodb.speakers == one), sorted(set(emodb.emotions)))
        for one in sorted(set(emodb.speakers))
    ]
    runs["EMO-DB, each speaker left out"] = pool(parts)
    for name, other in {"EMO-DB": emodb, "EmoTale": emotale}.items():
        shared = sorted(set(ravdess.emotions) & set(other.emotions))
        source, target = ravdess.of(np.isin(ravdess.emotions, shared)), other.of(np.isin(other.emotions, shared))
        runs[f"RAVDESS to {name}, {len(shared)} emotions"] = {
            way: Report.of(found) for way, found in predict(source, target, shared).items()
        }
    for title, reports in runs.items():
        show(title, reports)
        reports["temperature"].save(options.folder / "reports" / title.split(",", maxsplit=1)[0])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
