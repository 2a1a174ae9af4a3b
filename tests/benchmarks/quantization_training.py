"""Quantisation-aware training beside quantisation after a training: answers of each form on unknown speakers.

    ser-tl train OPTIONS --output runs/plain
    ser-tl train OPTIONS --train.cache false --parts '{quantization: {}}' --output runs/rounded
    python -m tests.benchmarks.quantization_training runs/plain/model runs/rounded/model --output results/qat

Forms: the float model, `simulated` (its layers rounded as the training rounded them), and its INT8 exports: by the
ranges of the training (`trained`), and by each way that needs no training, whether the export's own check would take it
or not. Scales are measured on clips of speakers whom the model knows. Exports that are there aren't made again.
"""

import argparse
import os
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ser_tl.corpora import load_corpus
from ser_tl.data import audio
from ser_tl.data.checks import audio_source
from ser_tl.evaluation.scores import confusion_matrix, mean_recall
from ser_tl.export import export_model, quantize
from ser_tl.inference import Prediction, Predictor
from ser_tl.inference.manifest import is_exported, read_manifest
from ser_tl.model import EmotionModel
from ser_tl.modules.fake_quantization import simulate_int8
from ser_tl.reporting.cells import table

CLIPS = 60  # of known speakers; 40 for scales


def main() -> None:
    """Makes the exports that aren't there yet, and prints a row a form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="folders of saved models")
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--ways", nargs="*", default=["static"], choices=list(quantize.WAYS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = load_corpus(options.corpus, options.root)
    rows = []
    for folder in options.models:
        name = folder.parent.name if folder.name == "model" else folder.name
        rows += measure(name, folder, corpus, options)
    print(table(["model", "form", "MB", "clips", "UAR", "answers of the float model", "answers of simulated"], rows))


def measure(name: str, folder: Path, corpus, options: argparse.Namespace) -> list[list[str]]:
    """The rows of a model."""
    model = EmotionModel.from_pretrained(folder)
    known = set(model.known_speakers.among(corpus["speaker"][:]))
    inside = [index for index, speaker in enumerate(corpus["speaker"][:]) if speaker in known]
    judged = corpus.select([index for index, speaker in enumerate(corpus["speaker"][:]) if speaker not in known])
    clips = [audio.decode(audio_source(row), row["start"], row["end"]) for row in judged]
    answers = {"float": Predictor(model, device="cpu").predict(clips)}
    sizes = {"float": sum(tensor.numel() for tensor in model.state_dict().values()) * 4 / 1e6}
    ranges = model.activation_ranges
    if ranges:
        with simulate_int8(model, ranges):
            answers["simulated"] = Predictor(model, device="cpu").predict(clips)
    calibrate = corpus.select(inside[:: max(1, len(inside) // CLIPS)])
    for way in [*(["trained"] if ranges else []), *options.ways]:
        target = options.output / name / way
        if not is_exported(target):
            model.activation_ranges = ranges if way == "trained" else {}
            ways = {key: value for key, value in quantize.WAYS.items() if key == way}
            least = patch.multiple("ser_tl.export.agreement", LEAST_AGREEMENT=0.0, MOST_LOST=1.0)
            with patch.object(quantize, "WAYS", ways) if ways else nullcontext(), least:
                export_model(model, target, quantize="int8", calibrate=calibrate)
        sizes[way] = (target / read_manifest(target).graph).stat().st_size / 1e6
        answers[way] = Predictor(target).predict(clips)
    return [
        [
            name,
            form,
            f"{sizes[form]:.1f}" if form in sizes else "",
            str(len(clips)),
            f"{score(judged['emotion'][:], found, model.labels):.1f}",
            agreement(found, answers["float"]),
            agreement(found, answers["simulated"]) if ranges else "",
        ]
        for form, found in answers.items()
    ]


def score(emotions: list[str], answers: list[Prediction], labels: list[str]) -> float:
    """UAR in percent."""
    return 100 * float(mean_recall(confusion_matrix(emotions, [answer.label for answer in answers], labels)))


def agreement(answers: list[Prediction], others: list[Prediction]) -> str:
    """The share of equal labels, and the mean difference of a probability."""
    pairs = list(zip(answers, others, strict=True))
    same = np.mean([one.label == other.label for one, other in pairs])
    values = [np.subtract(list(one.probabilities.values()), list(other.probabilities.values())) for one, other in pairs]
    return f"{100 * same:.1f} % ({np.abs(values).mean():.4f})"


if __name__ == "__main__":
    main()
