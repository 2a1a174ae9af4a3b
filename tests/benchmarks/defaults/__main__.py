"""Defaults that were chosen on RAVDESS or EMO-DB, against their alternatives, on corpora that had no part in choosing.

    python -m tests.benchmarks.defaults FOLDER --emotale DIR --emodb DIR --ravdess DIR --whisper DIR [--only loudness]

Corpora are EmoTale, and variants of all three at other levels, with unbalanced speakers, and of clips of 1 to 15 s
(`variants`). Encoders are frozen, their pooled states are kept in FOLDER, and closed-form classifiers are compared in
six folds of speakers (`probes`); `--training` compares trained heads, by the library's Trainer (`trainings`). Whatever
is in FOLDER is not made again, so that a run that was stopped goes on. docs/defaults.md has the tables.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

import ser_tl as ser
from tests.benchmarks.defaults.probes import CORPORA, GROUPS, pool_states
from tests.benchmarks.defaults.trainings import SYSTEMS, TRAINING_CORPORA, evaluate_system
from tests.benchmarks.defaults.variants import write_variant

PARTS_OF = {"unbalanced": "as recorded", "coinciding": "as recorded"}  # variants whose clips another one has
EVERY = {"ravdess": 2}  # every second speaker, to save time: 12 of RAVDESS' 24


def main() -> None:
    """Runs what hasn't been run yet, and prints a table a corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("emotale", "emodb", "ravdess"):
        parser.add_argument(f"--{name}", type=Path, help="its folder; without it, its corpora are left out")
    parser.add_argument("--whisper", type=Path, help="whisper-tiny.en's folder; without it, its systems are left out")
    parser.add_argument("--only", nargs="*", default=list(CORPORA), help="names of groups")
    parser.add_argument("--corpora", nargs="*", help='of all: "emotale, clip gains" for example')
    parser.add_argument("--training", action="store_true", help="compare trained heads")
    parser.add_argument("--systems", nargs="*", choices=list(SYSTEMS), default=list(SYSTEMS), help="of --training")
    options = parser.parse_args()
    roots = {name: getattr(options, name) for name in ("emotale", "emodb", "ravdess")}
    for group in [] if options.training else options.only:
        for corpus in CORPORA[group] if options.corpora is None else options.corpora:
            if roots[corpus.partition(",")[0]] is not None:
                probe_corpus(options.folder, group, corpus, roots[corpus.partition(",")[0]], options.whisper)
    for corpus in (options.corpora or TRAINING_CORPORA) if options.training else []:
        if roots[corpus.partition(",")[0]] is not None:
            train_on_corpus(options.folder, corpus, roots[corpus.partition(",")[0]], options.systems)


def probe_corpus(folder: Path, group: str, corpus: str, root: Path, whisper: Path | None) -> None:
    """Prints the table of a group of probes on one corpus, "emotale, clip gains"."""
    clips = read_variant(folder, corpus, root)
    reports: dict[str, ser.Report] = {}
    for name, probe in GROUPS[group].items():
        place = folder / "reports" / group / corpus / name
        if not (place / "report.json").is_file():
            if whisper is None and any("whisper" in one for one in probe.encoders):
                continue
            features = {one: read_features(folder, corpus, root, clips, one, whisper) for one in probe.encoders}
            probe.predict(clips, features).save(place)
        reports[name] = ser.Report.load(place)
    if reports:
        show(reports, f"{group}: {corpus}", baseline=next(iter(reports)))


def train_on_corpus(folder: Path, corpus: str, root: Path, systems: Sequence[str] = tuple(SYSTEMS)) -> None:
    """Prints the table of trained heads on one corpus, differences to the first of the systems."""
    clips = read_variant(folder, corpus, root)
    reports = {}
    for name in systems:
        place = folder / "reports" / "training" / corpus / name
        if not (place / "report.json").is_file():
            evaluate_system(clips, SYSTEMS[name]).save(place)
        reports[name] = ser.Report.load(place)
    show(reports, f"training: {corpus}", baseline=next(iter(reports)))


def read_variant(folder: Path, corpus: str, root: Path) -> Dataset:
    """The clips of a corpus' variant, which is written first."""
    base, _, variant = corpus.partition(", ")
    clips = ser.load_corpus(base, root)
    speakers = sorted(set(clips["speaker"][:]))[:: EVERY.get(base, 1)]
    clips = clips.select([row for row, name in enumerate(clips["speaker"][:]) if name in speakers])
    return ser.load_corpus("csv", write_variant(clips, variant, folder / "corpora" / corpus))


def read_features(
    folder: Path, corpus: str, root: Path, clips: Dataset, encoder: str, whisper: Path | None
) -> np.ndarray:
    """Pooled states of a corpus' clips; those of a part of another variant are taken from there."""
    base, _, variant = corpus.partition(", ")
    whole = f"{base}, {PARTS_OF.get(variant, variant)}"
    every = clips if whole == corpus else read_variant(folder, whole, root)
    rows = pool_states(every, encoder, folder / "features" / whole / f"{encoder}.npz", whisper)
    index = {name: row for row, name in enumerate(every["id"][:])}
    return rows[[index[name] for name in clips["id"][:]]]


def show(reports: dict[str, ser.Report], title: str, baseline: str) -> None:
    """Prints each system's UAR, and its difference to the first with an interval over speakers."""
    pairs = {frozenset((pair.first, pair.second)): pair for pair in ser.Comparison.of(reports).pairs}
    print(f"\n{title} ({len(next(iter(reports.values())).per_speaker)} speakers)")
    for name, report in reports.items():
        between = report.interval
        text = f"{name}: {100 * report.uar:.1f}"
        text += f" ({100 * between.low:.1f} to {100 * between.high:.1f})" if between else ""
        pair = pairs.get(frozenset((name, baseline)))
        if pair is not None and pair.low is not None and pair.high is not None:
            sign = 1 if pair.first == name else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            text += f", {100 * sign * pair.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        print(f"    {text}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
