"""Whether a second corpus helps: each target's own training speakers, with others beside them, and the others alone.

    python -m tests.benchmarks.corpora FOLDER --emodb DIR --ravdess DIR --emotale DIR [--whisper DIR]

Frozen encoders, one layer's mean and deviation over time, and the closed-form discriminant (shrinkage 0.5) on them. A
target's speakers are dealt into five folds and each is tested once, the same ones in every row; a classifier has the
target's emotions, of which the other corpora give what they share. `others alone` is leave one corpus out: all of the
target is tested, on the emotions that the others have. Features and predictions are kept in FOLDER, and what is there
is not made again, so that a run that was stopped goes on. docs/results.md has the table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset

from ser_tl.comparison.paired_tests import speaker_counts
from ser_tl.corpora import load_corpora
from ser_tl.data.corpus_balance import weigh_corpora
from ser_tl.data.speaker_groups import deal_speakers
from ser_tl.evaluation import Predictions, Report
from ser_tl.evaluation.bootstrap import paired_interval
from ser_tl.modules.discriminant import build_discriminant
from ser_tl.training.norm_effect import standardize_domains
from tests.benchmarks.defaults.probes import pool_states

FOLDS, SHRINKAGE = 5, 0.5
LAYERS = {"wav2vec2-mini": 2, "whisper": 2}


class Condition(NamedTuple):
    """What a classifier is trained on.

    Attributes:
        own: the target's speakers of other folds
        others: all speakers of the other corpora
        alike: corpora weigh alike within each class
        statistics: whose mean and deviation are taken out, without labels: none, each corpus' or each speaker's
    """

    own: bool
    others: bool
    alike: bool = False
    statistics: str = "none"


CONDITIONS = {
    "own": Condition(own=True, others=False),
    "own and others": Condition(own=True, others=True),
    "own and others, weighted alike": Condition(own=True, others=True, alike=True),
    "others alone": Condition(own=False, others=True, alike=True),
    "own, by corpus": Condition(own=True, others=False, statistics="corpus"),
    "own and others, by corpus": Condition(own=True, others=True, statistics="corpus"),
    "others alone, by corpus": Condition(own=False, others=True, alike=True, statistics="corpus"),
    "own, by speaker": Condition(own=True, others=False, statistics="speaker"),
    "own and others, by speaker": Condition(own=True, others=True, statistics="speaker"),
    "others alone, by speaker": Condition(own=False, others=True, alike=True, statistics="speaker"),
}
PAIRS = [
    ("own and others", "own"),
    ("own and others, weighted alike", "own"),
    ("own and others, by corpus", "own, by corpus"),
    ("own and others, by speaker", "own, by speaker"),
]


def main() -> None:
    """Runs what hasn't been run yet, and prints a table an encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("emodb", "ravdess", "emotale"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="its folder")
    parser.add_argument("--whisper", type=Path, help="whisper-tiny.en's folder; without it, its rows are left out")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the folds")
    parser.add_argument("--encoders", nargs="*", default=list(LAYERS), help="some of them")
    options = parser.parse_args()
    roots = {name: getattr(options, name) for name in ("emodb", "ravdess", "emotale")}
    corpus, notes = load_corpora([f"{name}:{root}" for name, root in roots.items()])
    print("\n".join(notes))
    for encoder in options.encoders:
        if encoder == "whisper" and options.whisper is None:
            continue
        rows = read_features(corpus, encoder, options)
        for target in roots:
            reports = {
                name: [read_report(corpus, rows, condition, encoder, target, seed, options) for seed in options.seeds]
                for name, condition in CONDITIONS.items()
            }
            print_table(f"{target}, {encoder}, layer {LAYERS[encoder]}", reports)


def read_features(corpus: Dataset, encoder: str, options: argparse.Namespace) -> torch.Tensor:
    """One layer's mean and deviation over time of each clip, (n, 2D), kept in a file a corpus."""
    homes, parts = np.array(corpus["corpus"][:]), []
    for name in dict.fromkeys(homes.tolist()):  # rows stay in the corpora's order
        file = options.folder / "features" / name / f"{encoder}.npz"
        clips = corpus.select(np.flatnonzero(homes == name))
        parts.append(pool_states(clips, encoder, file, options.whisper)[:, LAYERS[encoder]])
    return torch.from_numpy(np.concatenate(parts)).double()


def read_report(
    corpus: Dataset,
    rows: torch.Tensor,
    condition: Condition,
    encoder: str,
    target: str,
    seed: int,
    options: argparse.Namespace,
) -> Report:
    """The report of a condition on all speakers of a target, from its predictions in the folder or anew."""
    seed = seed if condition.own else 0  # without the target's speakers there is nothing to deal
    name = next(name for name, other in CONDITIONS.items() if other == condition)
    file = options.folder / "predictions" / encoder / target / f"{name}_{seed}.csv"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        predict(corpus, rows, condition, target, seed).save(file)
    return Report.of(Predictions.load(file))


def predict(corpus: Dataset, rows: torch.Tensor, condition: Condition, target: str, seed: int) -> Predictions:
    """The predictions for all of a target's clips of the emotions that are learned."""
    homes, emotions, speakers = (np.array(corpus[column][:]) for column in ("corpus", "emotion", "speaker"))
    if condition.statistics != "none":
        rows = standardize_domains(rows, corpus[condition.statistics][:])
    learned = set(emotions[homes == target])
    learned &= learned if condition.own else set(emotions[homes != target])
    labels = sorted(learned)
    usable = np.isin(emotions, labels)
    numbers = torch.tensor([labels.index(emotion) if emotion in labels else -1 for emotion in emotions])
    trained = usable & ((homes == target) if condition.own else False) | usable & (homes != target) & condition.others
    of_target = corpus.select(np.flatnonzero(homes == target))
    folds = deal_speakers(of_target, FOLDS, seed) if condition.own else [set(of_target["speaker"][:])]
    probabilities = np.zeros((len(corpus), len(labels)))
    for fold in folds:
        tested = usable & (homes == target) & np.isin(speakers, sorted(fold))
        inside = trained & ~(np.isin(speakers, sorted(fold)) & (homes == target))
        weights = weigh_corpora(emotions[inside].tolist(), homes[inside].tolist()) if condition.alike else None
        fitted = build_discriminant(
            rows[inside],
            numbers[inside],
            len(labels),
            SHRINKAGE,
            1.0,
            weights=None if weights is None else torch.from_numpy(weights),
        )
        with torch.no_grad():
            probabilities[tested] = fitted(rows[tested].float()).double().softmax(dim=-1).numpy()
    tested = usable & (homes == target)
    ids = np.array(corpus["id"][:])
    return Predictions(
        ids[tested].tolist(), speakers[tested].tolist(), emotions[tested].tolist(), probabilities[tested], labels
    )


def print_table(title: str, reports: dict[str, Sequence[Report]]) -> None:
    """UAR of each condition over the seeds, and paired differences with their intervals over speakers."""
    print(f"\n{title}")
    for name, runs in reports.items():
        values = [100 * report.uar for report in runs]
        spread = f" ± {stdev(values):.1f}" if len(values) > 1 and name.startswith("own") else ""
        print(f"  {name:32} {fmean(values):5.1f}{spread}   {len(runs[0].predictions.labels)} emotions")
    for name, base in PAIRS:
        first, second = speaker_counts([reports[name], reports[base]])
        interval = paired_interval(first, second)
        gain = 100 * (fmean(run.uar for run in reports[name]) - fmean(run.uar for run in reports[base]))
        ends = "" if interval is None else f" ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"
        print(f"  {name} - {base}: {gain:+.1f}{ends}")


if __name__ == "__main__":
    main()
