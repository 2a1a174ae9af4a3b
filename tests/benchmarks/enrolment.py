"""What a few clips of a new speaker, without labels, are worth: UAR by their number, against no enrolment.

    python -m tests.benchmarks.enrolment FOLDER --corpus ravdess --root RAVDESS --folds EMOBOX/ravdess
    python -m tests.benchmarks.enrolment FOLDER --corpus emodb --root EMODB

Two models a fold, on the same frozen encoder with plain statistics: one as it is without enrolment (the discriminant of
the training speech's statistics), one trained for enrolled speakers (`train.refit enrolment`). Each test speaker is
enrolled with k clips drawn at random, three times, and all of the speaker's clips are judged, so that every k is scored
on the same clips; and again with the enrolled clips' emotions given. A fold that is done is kept in FOLDER and not run
again. docs/results.md has the tables.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ser_tl as ser
from ser_tl.evaluation.bootstrap import paired_interval, speaker_interval
from ser_tl.evaluation.scores import confusion_by_group, mean_recall
from ser_tl.files import write_atomically
from ser_tl.inference.clips import collect_clips, embed_batch
from ser_tl.model import EmotionModel
from ser_tl.model.enrolment import enrolled_norm

SIZES = (0, 1, 2, 4, 8, 16, 32, 60)
DRAWS = 3


def run_fold(options: ser.Options, split: ser.Split, path: Path) -> None:
    """Trains both models and keeps the truth and the answers of every enrolment."""
    labels = ser.emotions(split.train)
    plain = train(options.changed({"model.statistics": "training", "train.refit": "discriminant"}), split, labels)
    embedding, kept = embed(plain, split)
    answers = {"none": predict(plain.model, embedding)}
    enrolled = train(options.changed({"model.statistics": "speaker", "train.refit": "enrolment"}), split, labels)
    embedding, _ = embed(enrolled, split)
    prior = enrolled.model.enrolment
    assert prior is not None
    explained = {"": torch.zeros_like(embedding), "labelled ": prior.class_means[torch.from_numpy(kept["truth"])]}
    for way, size in product(explained, SIZES):
        draw = np.random.default_rng(options.seed)  # the same clips with labels as without
        for number in range(DRAWS if size else 1):
            rows = embedding.clone()
            for name in sorted(set(kept["speakers"])):
                clips = np.flatnonzero(kept["speakers"] == name)
                chosen = draw.choice(clips, min(size, len(clips)), replace=False)
                rows[clips] = shift(enrolled.model, embedding[clips], (embedding - explained[way])[chosen])
            answers[f"{way}{size} clips, draw {number}"] = predict(enrolled.model, rows)
    with write_atomically(path) as part, part.open("wb") as stream:
        np.savez(stream, labels=labels, prior=prior.clips, **kept, **answers)


def train(options: ser.Options, split: ser.Split, labels: list[str]) -> Any:
    """A trainer that is done."""
    ser.seed_everything(options.seed)
    model, strategy = ser.build_model(options, labels), ser.build_strategy(options)
    trainer = ser.Trainer(model, strategy, options.train, seed=options.seed, name=split.name)
    trainer.fit(split.train, split.dev)
    return trainer


def embed(trainer: Any, split: ser.Split) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """The test clips' embeddings by the training speech's statistics, and who they are of."""
    model, test = trainer.model, split.test
    found = collect_clips(
        [model], trainer.features.load_clips(test), lambda batch: embed_batch(model, batch), trainer.training.evaluation
    )
    rows = torch.from_numpy(found.by_utterance(test["id"][:])).float()
    truth = np.array([model.labels.index(emotion) for emotion in test["emotion"][:]])
    return rows, {"ids": np.array(test["id"][:]), "speakers": np.array(test["speaker"][:]), "truth": truth}


def shift(model: EmotionModel, rows: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """A speaker's embeddings (n, E) as the model has them after an enrolment with the chosen ones (k, E)."""
    base = model.standardise_embedding
    if not len(chosen) or base is None:
        return rows
    norm = enrolled_norm(model, chosen.mean(dim=0), len(chosen))
    return model.normalize_embedding(rows * base.deviation + base.mean, norm)


@torch.no_grad()
def predict(model: EmotionModel, embedding: torch.Tensor) -> np.ndarray:
    """The likeliest class of each clip."""
    return model.classify(embedding).logits.argmax(dim=1).numpy()


def summarise(paths: list[Path]) -> None:
    """Prints a line a number of clips: the mean UAR over draws, and its difference to no enrolment over speakers."""
    folds = [np.load(path) for path in paths]
    truth, speakers = (np.concatenate([fold[name] for fold in folds]) for name in ("truth", "speakers"))
    classes = list(range(len(folds[0]["labels"])))

    def count(name: str) -> np.ndarray:
        """Confusions (speakers, C, C)."""
        answers = np.concatenate([fold[name] for fold in folds])
        return confusion_by_group(speakers.tolist(), truth.tolist(), answers.tolist(), classes)[1]

    none = count("none")
    print(f"prior {np.mean([float(fold['prior']) for fold in folds]):.2f} clips")
    print(f"no enrolment: {100 * uar(none):.1f} ({span(speaker_interval(none))})")
    for way, size in product(("", "labelled "), SIZES):
        draws = range(DRAWS if size else 1)
        counts = np.stack([count(f"{way}{size} clips, draw {number}") for number in draws])
        scores = [uar(part) for part in counts]
        difference = paired_interval(counts, np.stack([none for _ in draws]))
        print(
            f"{way}{size:3d} clips: {100 * np.mean(scores):.1f} ({span(speaker_interval(counts))}), draws "
            f"{', '.join(f'{100 * score:.1f}' for score in scores)}; difference to none "
            f"{100 * (np.mean(scores) - uar(none)):+.1f} ({span(difference)})",
            flush=True,
        )


def uar(counts: np.ndarray) -> float:
    """Of confusions (speakers, C, C)."""
    return float(mean_recall(counts.sum(axis=0)))


def span(interval: Any) -> str:
    """An interval in percent."""
    return "-" if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def main() -> None:
    """Runs the folds that aren't done, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--folds", type=Path, default=None, help="published folds; each speaker is left out without")
    parser.add_argument("--encoder", default="moonshine-base+whisper-tiny.en")
    parser.add_argument("--layers", default="[[2, 3, 4], [1, 2, 3]]", help="of each encoder")
    parser.add_argument("--most", type=int, default=100, help="folds that are run at most before the program ends")
    given = parser.parse_args()
    options = ser.Options(
        corpus=given.corpus,
        root=given.root,
        strategy="frozen",
        pooling="stats",
        encoder=given.encoder,
        folds=given.folds,
    ).changed(
        {
            "protocol": "loso" if given.folds is None else "folds",
            "split.dev": 0.1,
            "train.epochs": 0,
            "train.batch_seconds": 100.0,
            "train.calibration": "none",
        }
    )
    given.folder.mkdir(parents=True, exist_ok=True)
    name = "encoder_options.layers" if "+" in given.encoder else "model.layers"
    options = options.changed({name: json.loads(given.layers)})
    splits = ser.load_splits(options)
    paths = [given.folder / f"{split.name}.npz" for split in splits]
    missing = [(split, path) for split, path in zip(splits, paths, strict=True) if not path.is_file()]
    for split, path in missing[: given.most]:
        run_fold(options, split, path)
    if len(missing) <= given.most:
        summarise(paths)


if __name__ == "__main__":
    main()
