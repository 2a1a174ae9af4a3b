"""What INT8 costs models whose encoder was trained too: each fold's model, on the speakers whom it doesn't know.

    python -m tests.benchmarks.compression_folds runs/crnn --corpus emodb --root EMODB --output results/folds

where runs/crnn is a run of `--protocol kfold` or `loso`, or of one hold-out. Each fold is a JSON file, and what is
there isn't computed again; in the end a row a run is printed: size, speed, UAR over all folds' clips, and what INT8
lost, with the interval of the difference over speakers and how many answers are right in one form alone.

Scales and the way of quantising are chosen on clips of the speakers whom the model knows.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from ser_tl.compress.pruning import parameter_bytes
from ser_tl.corpora import load_corpus
from ser_tl.data import audio
from ser_tl.data.checks import audio_source
from ser_tl.errors import ExportError
from ser_tl.evaluation.bootstrap import paired_interval
from ser_tl.evaluation.scores import confusion_by_group, mean_recall
from ser_tl.export import export_model
from ser_tl.inference import Predictor
from ser_tl.model import EmotionModel
from ser_tl.reporting.cells import table
from tests.benchmarks.export import cpu_times

CLIPS = 140  # of known speakers, 40 for scales, the others to judge a way by


def main() -> None:
    """Measures the folds that aren't there yet, and prints a row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--most", type=int, default=1000, help="folds that are measured before the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus, left = None, options.most
    rows = []
    for run in options.runs:
        folders = sorted(path.parent for path in run.rglob("config.json") if path.parent.name == "model")
        found = []
        for folder in folders:
            path = options.output / run.name / f"{folder.parent.name}.json"
            if not path.exists() and left > 0:
                corpus = load_corpus(options.corpus, options.root) if corpus is None else corpus
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(measure(folder, corpus, path.with_suffix("")), indent=1) + "\n")
                left -= 1
                print(path, flush=True)
            if path.exists():
                found.append(json.loads(path.read_text()))
        if found:
            rows += describe(run.name, found)
    header = [
        "run",
        "form",
        "MB",
        "size",
        "CPU ms / 3 s",
        "times",
        "UAR",
        "lost (95 %)",
        "right: torch alone, INT8 alone",
    ]
    print(table([*header, "clips, speakers"], rows))


def measure(folder: Path, corpus: Any, target: Path) -> dict[str, Any]:
    """Size, speed and answers of a fold's model, in torch and as INT8."""
    model = EmotionModel.from_pretrained(folder)
    names = corpus["speaker"][:]
    known = set(model.known_speakers.among(names))
    inside = [index for index, name in enumerate(names) if name in known]
    judged = corpus.select([index for index, name in enumerate(names) if name not in known])
    forms, sizes = {"torch": Predictor(model, device="cpu")}, {"torch": parameter_bytes(model)}
    try:
        step = max(1, len(inside) // CLIPS)
        manifest = export_model(model, target, quantize="int8", calibrate=corpus.select(inside[::step]))
        summary = str((manifest.quantization or {})["summary"])
        forms["int8"], sizes["int8"] = Predictor(target), (target / manifest.graph).stat().st_size
    except ExportError as error:
        summary = str(error)
    times = cpu_times({form: one.session for form, one in forms.items()}, 5)
    clips = [audio.decode(audio_source(row), row["start"], row["end"]) for row in judged]
    return {
        "labels": model.labels,
        "speakers": judged["speaker"][:],
        "emotions": judged["emotion"][:],
        "summary": summary,
        "bytes": sizes,
        "milliseconds": times,
        "answers": {form: [found.label for found in one.predict(clips)] for form, one in forms.items()},
    }


def describe(name: str, folds: list[dict[str, Any]]) -> list[list[str]]:
    """A row a form, over all folds that have it."""
    folds = [fold for fold in folds if "int8" in fold["bytes"]] or folds
    joined = {key: [value for fold in folds for value in fold[key]] for key in ("speakers", "emotions")}
    labels, rows = folds[0]["labels"], []
    answers = {form: [label for fold in folds for label in fold["answers"][form]] for form in folds[0]["answers"]}
    counts = {
        form: confusion_by_group(joined["speakers"], joined["emotions"], own, labels)[1]
        for form, own in answers.items()
    }
    right = {
        form: [label == emotion for label, emotion in zip(own, joined["emotions"], strict=True)]
        for form, own in answers.items()
    }
    for form, own in counts.items():
        size, whole = (sum(fold["bytes"][key] for fold in folds) / len(folds) for key in (form, "torch"))
        taken, before = (min(fold["milliseconds"][key] for fold in folds) for key in (form, "torch"))
        score, reference = (100 * float(mean_recall(one.sum(axis=0))) for one in (own, counts["torch"]))
        interval = paired_interval(counts["torch"][None], own[None]) if form != "torch" else None
        lost = "" if form == "torch" else f"{reference - score:.1f}"
        lost += "" if interval is None else f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
        pairs = list(zip(right["torch"], right[form], strict=True))
        alone = [pairs.count((True, False)), pairs.count((False, True))]
        cells = [
            name,
            form,
            f"{size / 1e6:.2f}",
            f"{100 * size / whole:.0f} %",
            f"{taken:.1f}",
            f"{before / taken:.1f}",
        ]
        speakers = len(set(joined["speakers"]))
        rows.append([*cells, f"{score:.1f}", lost, f"{alone[0]}, {alone[1]}", f"{len(answers[form])}, {speakers}"])
    return rows


if __name__ == "__main__":
    main()
