"""What exporting costs and gives: size, time and answers of a model in torch, as ONNX, and as INT8.

    python -m tests.benchmarks.export runs/w2v/model runs/whisper/model runs/soundnet/model
    python -m tests.benchmarks.export runs/w2v/model --forms ONNX OpenVINO "OpenVINO, int8" --output results/openvino

    for each form: MB, the parity check's largest difference of a probability, CPU ms for a clip of 3 s on one thread,
    agreement and UAR on clips of unknown speakers

CPU time is that of the process, the least of several clips' medians with the forms in turn, so that a busy machine
changes little. Exports are kept in --output and aren't made again. Answers are compared on the corpus' speakers that
the model was not trained on; calibration sees others.
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ser_tl.corpora import load_corpus
from ser_tl.data import audio
from ser_tl.data.checks import audio_source
from ser_tl.evaluation.scores import confusion_matrix, mean_recall
from ser_tl.export import export_model
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import is_exported, read_manifest
from ser_tl.inference.session import OutputRequest
from ser_tl.inference.windows import pad
from ser_tl.model import EmotionModel
from ser_tl.reporting.text import table

FORMS = {
    "ONNX": {},
    "ONNX, float16": {"weights": "float16"},
    "ONNX, int8": {"quantize": "int8"},
    "torch.export": {"format": "torch-export"},
    "TorchScript": {"format": "torchscript"},
    "OpenVINO": {"format": "openvino"},
    "OpenVINO, int8": {"format": "openvino", "quantize": "int8"},
}
WITHOUT_EXTRAS = [form for form in FORMS if not form.startswith("OpenVINO")]


def main() -> None:
    """Measures each model in each form and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="folders of saved models")
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--forms", nargs="+", choices=list(FORMS), default=WITHOUT_EXTRAS)
    parser.add_argument("--output", type=Path, help="a folder that keeps the exports")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = load_corpus(options.corpus, options.root)
    rows = [row for folder in options.models for row in measure(folder, corpus, options)]
    header = ["model", "form", "MB", "of float32", "difference", "CPU ms / 3 s", "times torch", "same answer", "UAR"]
    print(table([*header, "clips"], rows))


def measure(folder: Path, corpus, options: argparse.Namespace) -> list[list[str]]:
    """The rows of a model."""
    model = EmotionModel.from_pretrained(folder)
    names = set(model.known_speakers.among(corpus["speaker"][:]))
    known = [index for index, name in enumerate(corpus["speaker"][:]) if name in names]
    unknown = [index for index, name in enumerate(corpus["speaker"][:]) if name not in names]
    judged, calibration = corpus.select(unknown or range(len(corpus))), corpus.select(known or range(len(corpus)))
    clips = [audio.decode(audio_source(row), row["start"], row["end"]) for row in judged]
    emotions = judged["emotion"][:]
    size = sum(tensor.numel() for tensor in model.state_dict().values()) * 4 / 1e6
    name = folder.parent.name if folder.name == "model" else folder.name
    predictors, sizes, notes = {"torch": Predictor(model, device="cpu")}, {"torch": size}, {}
    differences = {"torch": 0.0}
    with TemporaryDirectory() as scratch:
        for form in options.forms:
            target = (options.output or Path(scratch)) / name / form.replace(" ", "")
            if not is_exported(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                calibrate = {"calibrate": calibration} if "quantize" in FORMS[form] else {}
                export_model(model, target, **FORMS[form], **calibrate)
            manifest = read_manifest(target)
            predictors[form] = Predictor(target)
            sizes[form] = sum((target / file).stat().st_size for file in [manifest.graph, *manifest.companions]) / 1e6
            differences[form] = max(float(row["probabilities"]) for row in manifest.parity)
            notes[form] = f"{form}, {manifest.quantization['way']}" if manifest.quantization else form
            print(folder, notes[form], manifest.quantization and manifest.quantization["summary"], flush=True)
        times = cpu_times({form: one.session for form, one in predictors.items()}, options.repeats)
        answers = {form: [found.label for found in one.predict(clips)] for form, one in predictors.items()}
    rows = []
    for form, labels in answers.items():
        same = np.mean([label == other for label, other in zip(labels, answers["torch"], strict=True)])
        uar = float(mean_recall(confusion_matrix(emotions, labels, model.labels)))
        rows.append(
            [
                name,
                notes.get(form, form),
                f"{sizes[form]:.1f}",
                f"{100 * sizes[form] / size:.0f} %",
                f"{differences[form]:.1e}",
                f"{times[form]:.1f}",
                f"{times['torch'] / times[form]:.1f}",
                f"{100 * same:.1f} %",
                f"{100 * uar:.1f}",
                str(len(clips)),
            ]
        )
    return rows


def cpu_times(sessions, repeats: int) -> dict[str, float]:
    """CPU milliseconds of each form for a clip of three seconds: the least of three medians, the forms in turn."""
    generator = np.random.default_rng(0)
    batch = pad([0.1 * generator.standard_normal(48_000).astype(np.float32)])
    found: dict[str, list[float]] = {form: [] for form in sessions}
    for session in sessions.values():
        session.run(*batch, OutputRequest())  # warm
    for _ in range(3):
        for form, session in sessions.items():
            taken = []
            for _ in range(repeats):
                begin = time.process_time()
                session.run(*batch, OutputRequest())
                taken.append(1000 * (time.process_time() - begin))
            found[form].append(median(taken))
    return {form: min(values) for form, values in found.items()}


if __name__ == "__main__":
    main()
