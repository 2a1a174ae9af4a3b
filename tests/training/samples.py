"""A corpus of tones that can be learned in seconds, a tiny encoder, and a training as a program of its own.

    python -m tests.training.samples ROOT OUTPUT [--kill-at STEP] [--resume] [--accumulate N]

trains on the corpus under ROOT and writes OUTPUT/result.json. With --kill-at it kills itself, without a chance to clean
up, in the middle of that step.
"""

import argparse
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from datasets import Dataset
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import Clips
from ser_tl.data.schema import build_corpus
from ser_tl.data.splits import Split, SplitConfig, make_splits
from ser_tl.encoders import Whisper
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.training import TrainConfig, Trainer, seed_everything
from ser_tl.transfer import Full, Strategy

TONES = {"anger": 1200.0, "neutral": 500.0, "sadness": 200.0}
BRIEF = {"epochs": 2, "batch_seconds": 2.0}
"""For `train_config`: two epochs of five steps each on `tone_split(root, takes=1)`, which has a clip of each emotion
and speaker."""


def tone_corpus(root: Path, *, speakers: int = 6, takes: int = 3, seed: int = 0) -> Dataset:
    """Each emotion is a tone of its own pitch, in noise; each speaker shifts all of them a little."""
    draw = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for speaker in range(speakers):
        for emotion, pitch in TONES.items():
            for take in range(takes):
                time = np.arange(int(16000 * draw.uniform(0.3, 0.9))) / 16000
                wave = 0.3 * np.sin(2 * np.pi * pitch * (1 + 0.02 * speaker) * time)
                path = root / f"{emotion}_{speaker}_{take}.wav"
                part = root / f"{path.name}.{os.getpid()}"  # of several processes one may read what another writes
                soundfile.write(part, wave + 0.05 * draw.standard_normal(len(time)), 16000, format="WAV")
                part.replace(path)
                who = f"speaker_{speaker}"
                rows.append({"id": path.stem, "audio": path, "emotion": emotion, "speaker": who})
    return build_corpus([row | {"corpus": "tones", "language": "und"} for row in rows], source=str(root))


def rated(corpus: Dataset, *, unknown: int = 0) -> Dataset:
    """The tones with arousal and valence: each pitch has its own, and takes differ a little. The first have no valence.

    Args:
        corpus: of `tone_corpus`
        unknown: how many first rows lack the valence
    """
    means = {"anger": (4.5, 20.0), "neutral": (2.5, 80.0), "sadness": (1.5, 50.0)}  # two scales far apart
    draw = np.random.default_rng(1)
    table = np.array([means[emotion] for emotion in corpus["emotion"]])
    arousal, valence = (table + draw.normal(size=table.shape) * (0.1, 2.0)).T.tolist()
    return corpus.add_column("arousal", arousal).add_column("valence", [None] * unknown + valence[unknown:])


def tone_split(root: Path, **options) -> Split:
    """Four speakers to learn from, one dev, one test; `options` are those of `tone_corpus`."""
    return split_tones(tone_corpus(root, **options))


def split_tones(corpus: Dataset) -> Split:
    """Likewise, of tones that are there."""
    return make_splits(corpus, "holdout", SplitConfig(dev=0.2, test=0.2))[0]


def uneven_split(root: Path) -> Split:
    """The same, with classes of different sizes in the training part alone: 12, 8 and 4 utterances."""
    split = tone_split(root)
    takes = {"anger": 3, "neutral": 2, "sadness": 1}
    rows = [row for row, name in enumerate(split.train["id"]) if int(name[-1]) < takes[name.partition("_")[0]]]
    return replace(split, train=split.train.select(rows))


def write_run(folder: Path) -> Path:
    """A run's folder with a small trained model and its split, beside the audio and a manifest of it."""
    split = tone_split(folder / "tones")
    trainer = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=3))
    trainer.fit(split.train, split.dev)
    trainer.model.save_pretrained(folder / "model")
    (folder / "split.json").write_text(json.dumps(split.ids))
    lines = ["path,emotion,speaker,id"]
    for row in tone_corpus(folder / "tones"):
        lines.append(f"{row['audio']['path']},{row['emotion']},{row['speaker']},{row['id']}")
    (folder / "tones.csv").write_text("\n".join(lines))
    return folder


def tiny_model(
    *,
    dropout: float = 0.1,
    seed: int = 0,
    depth: int = 2,
    layers: list[int] | None = None,
    labels: Sequence[str] = tuple(TONES),
    **options,
) -> EmotionModel:
    """A random Whisper of 16 channels under the usual head; dropout makes its random states matter."""
    seed_everything(seed)
    shape = {"d_model": 16, "encoder_layers": depth, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    encoder = Whisper(WhisperEncoder(WhisperConfig(**shape, num_mel_bins=20, dropout=dropout)))
    config = ModelConfig(layers=layers, hidden=16, dropout=0.1)
    return EmotionModel(encoder, labels, config=config, audio=AudioConfig(), **options)


def train_config(**changes) -> TrainConfig:
    """Three epochs of several small steps, on rates that a tiny model learns with; probabilities stay uncalibrated."""
    usual = {"epochs": 3, "learning_rate": 3e-3, "encoder_learning_rate": 1e-3, "batch_seconds": 4.0, "save_every": 2}
    return TrainConfig(**(usual | {"tracker": "none", "patience": 0, "calibration": "none"} | changes))


def training_clips(trainer: Trainer, split: Split) -> Clips:
    """What a trainer's steps would be fed."""
    trainer.strategy.prepare(trainer.model)
    trainer.training.set_data(split.train, split.dev, None)
    trainer.training.prepare_clips()
    return trainer.training.clips


def interrupted(strategy: Strategy, step: int) -> Strategy:
    """The strategy, which ends the training in that step (from 1), as a kill would."""
    penalty, whole = strategy.penalty, iter(range(1, step))

    def stop(output, batch):
        if next(whole, None) is None:
            raise InterruptedError
        return penalty(output, batch)

    strategy.penalty = stop
    return strategy


def untimed(history) -> list[dict]:
    """A history without what differs from run to run."""
    return [{name: value for name, value in record.items() if "second" not in name} for record in history]


class KilledAt(Full):
    """Full fine-tuning that ends its own process, hard, at a certain step."""

    def __init__(self, step: int | None) -> None:
        super().__init__()
        self.left = step

    def penalty(self, output, batch):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left = None if self.left is None else self.left - 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--kill-at", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--accumulate", type=int, default=1)
    options = parser.parse_args()
    split = tone_split(options.root)
    config = train_config(accumulate=options.accumulate, tracker="tensorboard", calibration="temperature")
    trainer = Trainer(tiny_model(), KilledAt(options.kill_at), config, options.output)
    history = trainer.fit(split.train, split.dev, resume=options.resume)
    report = trainer.evaluate(split.test)
    result = {"history": untimed(history), "report": report.as_json() | {"facts": {}}}
    result["probabilities"] = report.predictions.probabilities.tolist()
    if trainer.accelerator.is_main_process:
        trainer.model.save_pretrained(options.output / "model")
        (options.output / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
