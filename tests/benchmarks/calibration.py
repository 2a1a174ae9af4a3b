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
import soundfile
import torch
from sklearn.metrics import roc_auc_score

import ser_tl as ser
from ser_tl.data.audio import SAMPLE_RATE, decode
from ser_tl.data.audio_config import AudioConfig
from ser_tl.data.batching import UtteranceDataset
from ser_tl.data.folds import read_folds
from ser_tl.evaluation import Predictions, Report
from ser_tl.inference.calibration import fit_calibration
from ser_tl.inference.distance import MOST_CLIPS, PerturbedClips
from ser_tl.inference.outliers import fit_outliers
from ser_tl.inference.refit_calibration import HELD_OUT, ChangedEmbedding, judge_changed
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import find_threshold
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.training.norm_effect import standardize_domains
from tests.benchmarks.defaults.probes import pool_states

LAYERS = [1, 2, 3, 4]  # the recipes' of Whisper tiny.en
COVERAGE = 0.9
METHODS = ("none", "temperature", "vector", "distance")


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


def read_perturbed(name: str, root: Path, options: argparse.Namespace) -> Clips:
    """The same corpus, each clip changed as `inference.distance` changes some of them."""
    corpus, home = ser.load_corpus(name, root), options.folder / "perturbed" / name
    manifest = home / "list.csv"
    if not manifest.is_file():
        home.mkdir(parents=True, exist_ok=True)
        changed = PerturbedClips(UtteranceDataset(corpus, ser.emotions(corpus), AudioConfig(), training=False))
        lines = ["path,id,emotion,speaker"]
        for number, row in enumerate(corpus):
            soundfile.write(home / f"{number}.flac", np.clip(changed[number].waveform.numpy(), -1, 1), SAMPLE_RATE)
            lines.append(f"{number}.flac,{row['id']},{row['emotion']},{row['speaker']}")
        manifest.write_text("\n".join(lines) + "\n")
    options = argparse.Namespace(folder=options.folder / "perturbed" / name, whisper=options.whisper)
    return read_clips("csv", manifest, options)


def predict(train: Clips, test: Clips, labels: list[str], changed: Clips) -> dict[str, Predictions]:
    """The predictions of one training by each way of calibrating it."""
    index = {label: number for number, label in enumerate(labels)}
    truth = torch.tensor([index[emotion] for emotion in train.emotions])
    fit = fit_discriminant(train.rows, truth, train.speakers.tolist(), len(labels))
    with torch.no_grad():
        logits = fit.discriminant(test.rows.float()).numpy()
    outliers = fit_outliers(train.rows, truth, train.speakers.tolist(), len(labels))
    assert outliers.threshold is not None
    remoteness = outliers.score.measure_remoteness(test.rows, outliers.threshold).numpy()
    changed = changed.of(np.isin(changed.speakers, train.speakers) & np.isin(changed.emotions, labels))
    some = np.random.default_rng(0).permutation(len(changed.ids))[:MOST_CLIPS]
    embedded = ChangedEmbedding(
        changed.rows[some],
        torch.tensor([index[changed.emotions[row]] for row in some]),
        changed.speakers[some].tolist(),
        changed.ids[some].tolist(),
    )
    judged = judge_changed(fit, train.rows, truth, train.speakers.tolist(), outliers, embedded, ())
    found = {}
    for method in METHODS:
        held = fit.held_out.numpy(), truth.numpy(), train.ids.tolist(), train.speakers.tolist()
        if method == "none":  # prediction sets of the temperature that the fit itself chose
            known = Calibration("temperature", [1.0], [], HELD_OUT, 0, 0, 0.0, 0.0)
            sets = None
        else:
            near = {"source": HELD_OUT, "method": "vector" if method == "vector" else "temperature"}
            far = {"remoteness": outliers.remoteness, "threshold": outliers.threshold, "perturbed": judged}
            known = fit_calibration(*held, **near, **(far if method == "distance" else {}))
            sets = known.sets
            plain = clip_threshold(known.apply(held[0]), held[1])
        rows = known.apply(logits, remoteness)
        ways = {method: None if sets is None else sets.members(rows, COVERAGE)}
        if sets is not None:
            ways[f"{method}, sets by class"] = sets.members(rows, COVERAGE, by_class=True)
            ways[f"{method}, clips exchangeable"] = (1 - rows <= plain) | (rows == rows.max(axis=1, keepdims=True))
        for name, inside in ways.items():
            columns = test.ids.tolist(), test.speakers.tolist(), test.emotions.tolist()
            found[name] = Predictions(*columns, rows, labels, None, inside, None if inside is None else COVERAGE)
    return found


def clip_threshold(rows: np.ndarray, truth: np.ndarray) -> float:
    """The textbook threshold of split conformal prediction, which takes clips for exchangeable."""
    scores = 1.0 - rows[np.arange(len(truth)), truth]
    found = find_threshold(scores, np.array([""] * len(truth)), COVERAGE, "clips")
    return 1.0 if found is None else found


def standardize(clips: Clips) -> Clips:
    """The same, each channel standardised over the clips that are there, without labels (`model.statistics corpus`)."""
    return clips._replace(rows=standardize_domains(clips.rows, [""] * len(clips.ids)))


def measure_outliers(
    train: Clips, tests: dict[str, Clips | torch.Tensor], inside: Clips
) -> dict[str, tuple[float, float]]:
    """The AUROC of the outlier score of other recordings against test clips, and the share above the threshold."""
    labels = sorted(set(train.emotions))
    truth = torch.tensor([labels.index(emotion) for emotion in train.emotions])
    score, threshold, _ = fit_outliers(train.rows, truth, train.speakers.tolist(), len(labels))
    usual = score(inside.rows).numpy()
    found = {"test clips": (float("nan"), share_above(usual, threshold))}
    for name, rows in tests.items():
        other = score(rows.rows if isinstance(rows, Clips) else rows).numpy()
        truths = np.r_[np.zeros(len(usual)), np.ones(len(other))]
        found[name] = (float(roc_auc_score(truths, np.r_[usual, other])), share_above(other, threshold))
    return found


def share_above(scores: np.ndarray, threshold: float | None) -> float:
    """Of recordings that count as unlike the training data."""
    return float("nan") if threshold is None else float((scores > threshold).mean())


def make_sounds(folder: Path, clips: list[np.ndarray]) -> dict[str, Path]:
    """Recordings that aren't speech, and speech in noise, each kind in a manifest: 60 of two seconds."""
    draw, made = np.random.default_rng(0), {}
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE

    def music() -> np.ndarray:
        """Chords of decaying harmonic tones, four a second over a bass."""
        wave = np.zeros(len(time))
        for beat in range(8):
            since = np.maximum(time - beat / 4, 0)
            for step in draw.choice([0, 3, 4, 7, 10, 12], 3, replace=False):
                pitch = 220 * 2 ** ((step + draw.integers(-5, 5)) / 12)
                tone = sum(np.sin(2 * np.pi * number * pitch * since) / number for number in range(1, 8))
                wave += (time >= beat / 4) * np.exp(-4 * since) * tone
        return 0.3 * wave / np.abs(wave).max()

    def noisy() -> np.ndarray:
        """A clip in white noise as loud as itself."""
        wave = np.resize(clips[draw.integers(len(clips))], len(time))
        return 0.5 * (wave + wave.std() * draw.standard_normal(len(time)))

    kinds = {
        "music": music,
        "white noise": lambda: 0.1 * draw.standard_normal(len(time)),
        "pink noise": lambda: 0.02 * np.cumsum(draw.standard_normal(len(time))) / 10,
        "near silence": lambda: 0.0005 * draw.standard_normal(len(time)),
        "speech in noise, 0 dB": noisy,
    }
    for kind, make in kinds.items():
        home = folder / kind
        home.mkdir(parents=True, exist_ok=True)
        lines = ["path,id,emotion,speaker"]
        for number in range(60):
            name = f"{kind.replace(' ', '_').replace(',', '')}_{number}"
            soundfile.write(home / f"{name}.flac", np.clip(make(), -1, 1), SAMPLE_RATE)
            lines.append(f"{name}.flac,{name},neutral,nobody")
        made[kind] = home / "list.csv"
        made[kind].write_text("\n".join(lines) + "\n")
    return made


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


def show_outliers(options: argparse.Namespace, ravdess: Clips, emodb: Clips, emotale: Clips) -> None:
    """Prints how well the outlier score tells other sounds, corpora and emotions from test clips."""
    sounds = make_sounds(
        options.folder / "sounds", [decode(path) for path in sorted(options.ravdess.rglob("*.flac"))[:40]]
    )
    others: dict[str, Clips | torch.Tensor] = {}
    for kind, manifest in sounds.items():
        states = pool_states(
            ser.load_corpus("csv", manifest), "whisper", options.folder / "features" / kind / "w.npz", options.whisper
        )
        others[kind] = torch.from_numpy(states[:, LAYERS].reshape(len(states), -1)).double()
    fold = read_folds(options.folds)[0]
    tested = np.isin(ravdess.ids, list(fold.test))
    cases = {
        "RAVDESS fold 1": (ravdess.of(~tested), ravdess.of(tested), others | {"EMO-DB": emodb, "EmoTale": emotale}),
    }
    unknown = {"RAVDESS without calm": (ravdess, "calm", tested)}
    unknown["EMO-DB without boredom"] = (
        emodb,
        "boredom",
        np.isin(emodb.speakers, ["emodb_03", "emodb_08", "emodb_09"]),
    )
    for name, (clips, emotion, out) in unknown.items():
        odd = clips.emotions == emotion
        cases[name] = (clips.of(~out & ~odd), clips.of(out & ~odd), {emotion: clips.of(out & odd)})
    for name, (train, inside, tests) in cases.items():
        print(f"\n{name}: AUROC of the outlier score, share above the threshold")
        for kind, (area, share) in measure_outliers(train, tests, inside).items():
            print(f"  {kind}: {area:.3f}, {100 * share:.1f} %", flush=True)


def main() -> None:
    """Runs all protocols, prints a line a way of calibrating and keeps the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("emodb", "ravdess", "folds", "emotale", "whisper"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument(
        "--only", choices=["calibration", "transfer", "outliers"], help="a part: transfer is to other corpora alone"
    )
    options = parser.parse_args()
    ravdess, emodb, emotale = (
        read_clips(name, getattr(options, name), options) for name in ("ravdess", "emodb", "emotale")
    )
    if options.only in (None, "outliers"):
        show_outliers(options, ravdess, emodb, emotale)
    if options.only != "outliers":
        show_calibration(options, ravdess, emodb, emotale)


def show_calibration(options: argparse.Namespace, ravdess: Clips, emodb: Clips, emotale: Clips) -> None:
    """Prints the figures of each protocol and way of calibrating, and keeps the reports."""
    runs: dict[str, dict[str, Report]] = {}
    changed = {name: read_perturbed(name, getattr(options, name), options) for name in ("ravdess", "emodb")}
    if options.only != "transfer":
        parts = [
            predict(ravdess.of(~tested), ravdess.of(tested), sorted(set(ravdess.emotions)), changed["ravdess"])
            for fold in read_folds(options.folds)
            for tested in [np.isin(ravdess.ids, list(fold.test))]
        ]
        runs["RAVDESS, EmoBox's folds"] = pool(parts)
        parts = [
            predict(
                emodb.of(emodb.speakers != one),
                emodb.of(emodb.speakers == one),
                sorted(set(emodb.emotions)),
                changed["emodb"],
            )
            for one in sorted(set(emodb.speakers))
        ]
        runs["EMO-DB, each speaker left out"] = pool(parts)
    for name, other in {"EMO-DB": emodb, "EmoTale": emotale}.items():
        shared = sorted(set(ravdess.emotions) & set(other.emotions))
        source, target = ravdess.of(np.isin(ravdess.emotions, shared)), other.of(np.isin(other.emotions, shared))
        runs[f"RAVDESS to {name}, {len(shared)} emotions"] = {
            way: Report.of(found) for way, found in predict(source, target, shared, changed["ravdess"]).items()
        }
    parts = [
        predict(standardize(source), standardize(target), shared, standardize(changed["ravdess"]))
        for shared in [sorted(set(ravdess.emotions) & set(emodb.emotions))]
        for source in [ravdess.of(np.isin(ravdess.emotions, shared))]
        for target in [emodb.of(np.isin(emodb.emotions, shared))]
    ]
    runs["RAVDESS to EMO-DB standardised by corpus, 6 emotions"] = {k: Report.of(v) for k, v in parts[0].items()}
    for title, reports in runs.items():
        show(title, reports)
        reports["distance"].save(options.folder / "reports" / title.split(",", maxsplit=1)[0])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
