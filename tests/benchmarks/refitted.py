"""What the classifier in closed form gains over the one trained by gradients, above the very same encoder and pooling.

    ser-tl train --train.refit none --output runs/trained
    python -m tests.benchmarks.refitted runs/trained [RUN ...] [--corpus NAME --root DIR]

Each run, or each of its folds, is scored on its test speakers as it is, and again with the classifier fitted anew on
its training and dev speakers, as `--train.refit discriminant` does at a training's end. A run of several folds is one
row, its clips pooled; the last row has all runs, each speaker of each run drawn as one. The interval is of the
difference, paired over speakers.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from ser_tl.compress.refit import refit_classifier
from ser_tl.corpora import load_corpus
from ser_tl.evaluation import Predictions
from ser_tl.evaluation.bootstrap import paired_interval
from ser_tl.evaluation.scores import confusion_by_group, mean_recall
from ser_tl.inference.clips import Pass
from ser_tl.inference.evaluation import evaluate
from ser_tl.inference.processes import OneProcess
from ser_tl.model import EmotionModel
from ser_tl.reporting.cells import table

HOW = Pass(OneProcess("cpu"))
PARTS = (("train", "dev"), ("test",))


def main() -> None:
    """Prints a row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with --train.refit none")
    parser.add_argument("--corpus", default="emodb-mini", help="that all runs were trained and tested on")
    parser.add_argument("--root", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = load_corpus(options.corpus, options.root)
    counts = [count(run, corpus) for run in options.runs]
    rows = [describe(run.name, *pair) for run, pair in zip(options.runs, counts, strict=True)]
    if len(counts) > 1:
        rows.append(describe("all", *(np.concatenate(side) for side in zip(*counts, strict=True))))
    print(table(["run", "speakers", "trained", "in closed form", "gained (95 %)"], rows))


def count(run: Path, corpus: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices (S, C, C) of a run's test speakers, by the trained classifier and in closed form."""
    folders = sorted(path.parent for path in run.rglob("config.json") if path.parent.name == "model")
    if not folders:
        raise SystemExit(f"{run} has no model: name the folder of a run that has ended")
    pairs = [judge(folder, corpus) for folder in folders]
    labels = pairs[0][0].labels
    trained, refitted = (
        np.concatenate([confusion_by_group(one.speakers, one.references, one.predictions, labels)[1] for one in side])
        for side in zip(*pairs, strict=True)
    )
    return trained, refitted


def judge(folder: Path, corpus: Dataset) -> tuple[Predictions, Predictions]:
    """The answers of a model on its test part, and those of its classifier in closed form."""
    split = json.loads((folder.parent / "split.json").read_text())
    index = {name: row for row, name in enumerate(corpus["id"][:])}
    known, test = (corpus.select([index[name] for part in parts for name in split[part]]) for parts in PARTS)
    model = EmotionModel.from_pretrained(folder)
    before = evaluate(model, test, HOW).predictions
    refit_classifier(model, known, HOW)
    return before, evaluate(model, test, HOW).predictions


def describe(name: str, trained: np.ndarray, refitted: np.ndarray) -> list[str]:
    """A row: both scores, and the difference with its interval."""
    scores = [100 * float(mean_recall(counts.sum(axis=0))) for counts in (trained, refitted)]
    interval = paired_interval(refitted[None], trained[None])
    between = "" if interval is None else f" ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"
    return [
        name,
        str(len(trained)),
        *(f"{score:.1f}" for score in scores),
        f"{scores[1] - scores[0]:+.1f}{between}",
    ]


if __name__ == "__main__":
    main()
