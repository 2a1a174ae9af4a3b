"""What compressing costs and gives: size, speed and UAR of prunings of trained models, in torch and as INT8.

    python -m tests.benchmarks.compression runs/w2v/model --corpus emodb --root EMODB --output results/compression

Each pruning of each model is a JSON file, and what it is made of lies beside it; nothing that is there is computed
again, so the command can be killed and goes on. In the end table.md and pareto.png are drawn of all that lie there;
--most 1 stops after one pruning.

UAR is told twice. `held out`: on the speakers whom the model doesn't know, by the model that `ser-tl compress` makes.
`LOSO`: each speaker of the corpus held out in turn, the classifier fitted anew on all others in closed form, on the
float embedding, and asked about the held-out speaker's embedding in torch or INT8: what a model made so would answer,
with an encoder that is the same in all folds. Channels are chosen, and scales of INT8 measured, on unlabelled clips of
the speakers whom the model knows. Intervals are of the difference to the model as it was, speakers drawn for both.
`--folds` holds out the speakers of a published fold at once, as `ser-tl train --protocol folds` does.

A model whose encoder was trained on these speakers' labels, as any is after a plan with `f`, has no LOSO: its encoder
knows the answers. `--trained` says so of the models that are named.

`--teacher NAME`, a model that was measured, prints each form of all others beside it as it was: what a distilled
encoder, pruning and INT8 give together. Speeds are of one run then, the models as they were in turn.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ser_tl.augment import AugmentConfig
from ser_tl.compress.activity import Activity, measure_activity
from ser_tl.compress.fine_tuning import finetune_pruned
from ser_tl.compress.pruning import keep_layers, narrow_feed_forwards, parameter_bytes
from ser_tl.compress.refit import refit_classifier
from ser_tl.compress.search import Plan
from ser_tl.corpora import load_corpus
from ser_tl.data import audio
from ser_tl.data.batching import UtteranceDataset
from ser_tl.data.checks import audio_source
from ser_tl.data.folds import read_folds
from ser_tl.errors import ExportError
from ser_tl.evaluation.bootstrap import paired_interval
from ser_tl.evaluation.scores import confusion_by_group, mean_recall
from ser_tl.export import export_model
from ser_tl.inference import Predictor
from ser_tl.inference.clips import Pass
from ser_tl.inference.manifest import is_exported, read_manifest
from ser_tl.inference.predictor import pad
from ser_tl.inference.processes import OneProcess
from ser_tl.inference.session import OutputRequest, Session
from ser_tl.inference.torch_session import TorchSession
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.reporting.cells import table
from ser_tl.reporting.plots.canvas import canvas, legend, marks, plain, write
from tests.benchmarks.export import cpu_times

SHARES = (1.0, 0.75, 0.5, 0.25)
HOW = Pass(OneProcess("cpu"))


def main() -> None:
    """Measures what isn't there yet, and draws what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*", help="folders of saved models")
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument(
        "--plans",
        nargs="*",
        help="LAYERSxPERCENT, as 2x50; whole for the model as it was; 2x50v4 fits the classifier on four augmented "
        "views of each clip besides, as the bundled model's training does; 2x50f2 is fine-tuned for two epochs",
    )
    parser.add_argument("--folds", type=Path, help="a folder of EmoBox's folds of the corpus, in place of LOSO")
    parser.add_argument("--trained", action="store_true", help="the models' encoders were trained on the corpus")
    parser.add_argument("--teacher", help="name of a model that was measured; all are compared with it as it was")
    parser.add_argument("--most", type=int, default=1000, help="prunings that are measured before the drawing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    left = options.most
    for folder in options.models:
        name = name_of(folder)
        model = EmotionModel.from_pretrained(folder)
        todo = [plan for plan in options.plans or plans_of(model) if not path_of(options.output, name, plan).exists()]
        if todo and left > 0:
            bench = Bench(model, load_corpus(options.corpus, options.root), options)
        for plan in todo[: max(0, left)]:
            path = path_of(options.output, name, plan)
            path.with_suffix("").mkdir(parents=True, exist_ok=True)
            row = {"model": name, "plan": plan} | bench.measure(plan, path.with_suffix(""))
            path.write_text(json.dumps(row, indent=1) + "\n")
            print(path, flush=True)
            left -= 1
    draw(options.output)
    if options.teacher:
        compare_with_teacher(options.output, options.teacher, options.models)


def name_of(folder: Path) -> str:
    """What a model is called."""
    return folder.parent.name if folder.name == "model" else folder.name


def path_of(output: Path, name: str, plan: str) -> Path:
    """The file of a pruning."""
    return output / name / f"{plan}.json"


def plans_of(model: EmotionModel) -> list[str]:
    """The prunings of a model; of one without transformer layers the model as it was."""
    if not model.encoder.feed_forwards:
        return ["whole"]
    used = len(keep_layers(model, len(model.encoder.feed_forwards)).encoder.feed_forwards)
    plans = [(used, share) for share in SHARES] + [(fewer, share) for fewer in (used - 1,) for share in (1.0, 0.5)]
    return ["whole", *(f"{layers}x{round(100 * share)}" for layers, share in plans if layers)]


class Bench:
    """A model and a corpus, and what all prunings share."""

    def __init__(self, model: EmotionModel, corpus: Any, options: argparse.Namespace) -> None:
        self.model, self.is_trained = model, options.trained
        names = corpus["speaker"][:]
        known = set(model.known_speakers.among(names))
        self.known = [index for index, name in enumerate(names) if name in known]
        self.unknown = [index for index, name in enumerate(names) if name not in known]
        self.corpus, self.speakers, self.emotions = corpus, names, corpus["emotion"][:]
        self.fitted_on = corpus.select(self.known)
        self.clips = [audio.decode(audio_source(row), row["start"], row["end"]) for row in corpus]
        self.labels = torch.tensor([model.labels.index(emotion) for emotion in self.emotions])
        self._activity: list[Activity] = []
        folds = (
            {} if options.folds is None else {id: fold.name for fold in read_folds(options.folds) for id in fold.test}
        )
        self.groups = [folds[id] for id in corpus["id"][:]] if folds else names

    def measure(self, plan: str, folder: Path) -> dict[str, Any]:
        """Size, speed and answers of a pruning, in torch and as INT8.

        Args:
            plan: LAYERSxPERCENT, or whole
            folder: keeps the model, its export and their answers, so that a killed run goes on
        """
        small = self.pruned(plan, folder / "model")
        forms: dict[str, Session] = {"torch": TorchSession(small)}
        sizes, refused = {"torch": parameter_bytes(small)}, folder / "refused.txt"
        if not (refused.exists() or is_exported(folder / "int8")):
            try:
                export_model(small, folder / "int8", quantize="int8", calibrate=self.corpus)
            except ExportError as error:
                refused.write_text(str(error))
        summary = refused.read_text() if refused.exists() else ""
        if not summary:
            forms["int8"] = Predictor(folder / "int8").session
            manifest = read_manifest(folder / "int8")
            sizes["int8"] = (folder / "int8" / manifest.graph).stat().st_size
            summary = (manifest.quantization or {})["summary"]
        asked_of = self.unknown if self.is_trained or "f" in plan else list(range(len(self.clips)))
        answers = {form: self.answers(session, folder / f"{form}.npz", asked_of) for form, session in forms.items()}
        times = cpu_times({"as it was": TorchSession(self.model)} | forms, 9)
        embedding = torch.from_numpy(answers["torch"][1])
        asked = {form: torch.from_numpy(found[1]) for form, found in answers.items()}
        in_turn = self.hold_out(embedding, asked) if len(embedding) == len(self.clips) else {}
        rows = {
            form: {
                "bytes": sizes[form],
                "milliseconds": times[form],
                "speed": times["as it was"] / times[form],
                "held_out": [answers[form][0][asked_of.index(index)] for index in self.unknown],
                "loso": in_turn.get(form),
            }
            for form in forms
        }
        return {
            "whole_bytes": parameter_bytes(self.model),
            "labels": self.model.labels,
            "emotions": self.emotions,
            "speakers": self.speakers,
            "unknown": self.unknown,
            "int8": summary,
            "forms": rows,
        }

    def pruned(self, plan: str, folder: Path) -> EmotionModel:
        """The model that `ser-tl compress` makes, which is kept in a folder."""
        if plan == "whole":
            return self.model
        if (folder / "config.json").exists():
            return EmotionModel.from_pretrained(folder)
        layers, _, rest = plan.partition("x")
        rest, _, epochs = rest.partition("f")
        percent, _, views = rest.partition("v")
        chosen = Plan(int(layers), int(percent) / 100)
        augment = AugmentConfig(preset="field", views=int(views)) if views else None
        lossless = keep_layers(self.model, len(self.model.encoder.feed_forwards))
        small = keep_layers(lossless, chosen.layers)
        if chosen.ffn < 1.0:
            if not self._activity:
                clips = UtteranceDataset(self.fitted_on, self.model.labels, self.model.audio, training=False)
                self._activity = measure_activity(lossless, clips, HOW)
            small = narrow_feed_forwards(small, chosen.ffn, self._activity[: chosen.layers])
        refit_classifier(small, self.fitted_on, HOW, augment=augment)
        if epochs:
            small = finetune_pruned(small, self.model, self.fitted_on, epochs=int(epochs), augment=augment)
        small.save_pretrained(folder)
        return small

    def answers(self, session: Session, path: Path, indices: list[int]) -> tuple[list[str], np.ndarray]:
        """Labels and embeddings of some clips, each alone; kept in a file."""
        if not path.exists():
            rows = [session.run(*pad([self.clips[index]]), OutputRequest(embedding=True)) for index in indices]
            labels = [int(row.probabilities[0].argmax()) for row in rows]
            embedding = np.concatenate([row.embedding for row in rows if row.embedding is not None])
            np.savez(path, labels=labels, embedding=embedding)
        with np.load(path) as found:
            return [self.model.labels[label] for label in found["labels"]], found["embedding"]

    def hold_out(self, embedding: torch.Tensor, asked: dict[str, torch.Tensor]) -> dict[str, list[str]]:
        """Answers about each speaker, or fold's speakers, by the classifier of all others."""
        found: dict[str, list[str]] = {form: [""] * len(self.speakers) for form in asked}
        for group in sorted(set(self.groups)):
            inside = [index for index, name in enumerate(self.groups) if name != group]
            outside = [index for index, name in enumerate(self.groups) if name == group]
            names = [self.speakers[index] for index in inside]
            fit = fit_discriminant(embedding[inside], self.labels[inside], names, len(self.model.labels))
            for form, rows in asked.items():
                with torch.no_grad():
                    said = fit.discriminant(rows[outside]).argmax(dim=1).tolist()
                for index, label in zip(outside, said, strict=True):
                    found[form][index] = self.model.labels[label]
        return found


def draw(output: Path) -> None:
    """table.md and pareto.png of all that was measured."""
    found = [json.loads(path.read_text()) for path in sorted(output.glob("*/*.json"))]
    whole = {row["model"]: row for row in found if row["plan"] == "whole"}
    found = [row for row in found if row["model"] in whole]  # all are compared with the model as it was
    if not found:
        return
    rows, points = [], []
    for row in sorted(found, key=lambda row: (row["model"], -row["forms"]["torch"]["bytes"])):
        for form, own in row["forms"].items():
            scores = [score(row, whole[row["model"]], form, kind) for kind in ("held_out", "loso")]
            size = own["bytes"] / row["whole_bytes"]
            cells = [row["model"], row["plan"], form, f"{own['bytes'] / 1e6:.1f}", f"{100 * size:.0f} %"]
            rows.append([*cells, f"{own['milliseconds']:.1f}", f"{own['speed']:.2f}", *scores[0][1:], *scores[1][1:]])
            if own["loso"]:
                points.append((row["model"], row["plan"], form, 100 * size, own["speed"], scores[1][0]))
    header = ["model", "pruning", "form", "MB", "size", "CPU ms / 3 s", "times", "UAR held out", "lost", "UAR LOSO"]
    text = table([*header, "lost"], rows)
    (output / "table.md").write_text(text + "\n")
    picture(points, output / "pareto.png")
    print(text)


def compare_with_teacher(output: Path, teacher: str, folders: list[Path]) -> None:
    """Prints each form of the models beside the teacher as it was, and how long both take in one run."""
    whole = json.loads(path_of(output, teacher, "whole").read_text())
    (original,) = [folder for folder in folders if name_of(folder) == teacher]
    rows = []
    for folder in folders:
        for path in sorted((output / name_of(folder)).glob("*.json")):
            row, kept = json.loads(path.read_text()), path.with_suffix("")
            small = folder if row["plan"] == "whole" else kept / "model"
            sessions = {"as it was": TorchSession(EmotionModel.from_pretrained(original))}
            sessions |= {"torch": TorchSession(EmotionModel.from_pretrained(small))}
            sessions |= {"int8": Predictor(kept / "int8").session} if "int8" in row["forms"] else {}
            times = cpu_times(sessions, 9)
            for form, own in row["forms"].items():
                size, speed = own["bytes"] / whole["whole_bytes"], times["as it was"] / times[form]
                scores = [score(row, whole, form, kind)[1:] for kind in ("held_out", "loso")]
                cells = [row["model"], row["plan"], form, f"{own['bytes'] / 1e6:.1f}", f"{100 * size:.0f} %"]
                rows.append([*cells, f"{speed:.1f}", *scores[0], *scores[1]])
    header = ["model", "pruning", "form", "MB", f"of {teacher}", "times", "UAR held out", "lost", "UAR LOSO", "lost"]
    print(table(header, rows))


def score(row: dict[str, Any], whole: dict[str, Any], form: str, kind: str) -> tuple[float, str, str]:
    """UAR in percent, the same as text, and how much less than the model as it was in torch, with its interval."""
    if not row["forms"][form][kind]:
        return 0.0, "", ""
    chosen = row["unknown"] if kind == "held_out" else range(len(row["emotions"]))
    speakers = [row["speakers"][index] for index in chosen]
    emotions = [row["emotions"][index] for index in chosen]
    answers = [whole["forms"]["torch"][kind], row["forms"][form][kind]]
    counts = [confusion_by_group(speakers, emotions, own, row["labels"])[1] for own in answers]
    before, after = (100 * float(mean_recall(own.sum(axis=0))) for own in counts)
    interval = paired_interval(counts[0][None], counts[1][None])
    between = "" if interval is None else f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    return after, f"{after:.1f}", f"{before - after:.1f}{between}"


def picture(points: list[tuple[str, str, str, float, float, float]], path: Path) -> None:
    """UAR against size and against speed: the best is at the top."""
    figure = canvas(11, 4.5)
    panels = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys((model, form) for model, _, form, *_ in points))
    looks = marks([f"{model}, {form}" for model, form in names])
    for model, form in names:
        own = [point for point in points if (point[0], point[2]) == (model, form)]
        for axes, column in zip(panels, (3, 4), strict=True):
            label = f"{model}, {form}"
            axes.plot([p[column] for p in own], [p[5] for p in own], linestyle="", label=label, **looks[label])
            for point in own:
                axes.annotate(point[1], (point[column], point[5]), (4, 3), textcoords="offset points", fontsize=7)
    panels[0].set(xlabel="size in % of the model as it was", ylabel="UAR in %, each speaker held out", xlim=(0, None))
    panels[1].set(xlabel="times as fast as torch, one thread")
    for axes in panels:
        plain(axes)
    legend(panels[1])
    write(figure, path)


if __name__ == "__main__":
    main()
