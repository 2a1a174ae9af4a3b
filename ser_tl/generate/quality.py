"""The quality of synthetic clips before a training: likeness to speech, and whether the emotion can be recognised.

    Split, manifest, encoder --measure_synthetic_quality--> Quality --save--> quality.json, quality.md

Four sets of as many windows, each set against one of the training speakers' windows: more windows of the same speakers,
windows of the dev speakers, synthetic clips, and the first again with random phases, which keeps a window's spectrum
and no more of speech. Distances are read from these: what is as near as other speakers is speech, what is as far as
random phases is noise. A classifier of the frozen encoder's states, fitted to the windows that all are set against,
is asked for the class of each other one; the test part isn't looked at.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from datasets import Dataset

from ser_tl.augment.preview import log_mel
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.schema import emotions, real_rows
from ser_tl.data.splits import Split
from ser_tl.encoders import Encoder
from ser_tl.errors import ConfigError
from ser_tl.evaluation import confusion_matrix, mean_recall
from ser_tl.evaluation.frechet import PrincipalAxes, frechet_distance
from ser_tl.files import write_text
from ser_tl.generate.clips import load_synthetic
from ser_tl.generate.windows import cut_window, waveforms
from ser_tl.reporting.text import percent, table
from ser_tl.runtime.processes import processes

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_BATCH = 16  # windows encoded at once
_FEWEST = 8  # windows of a kind


@dataclass(frozen=True)
class QualityRow:
    """One set of windows.

    Args:
        windows: what they are of
        count: how many the distances are between; all are asked for their class
        encoder: Fréchet distance to the training speakers' windows, in the frozen encoder's states
        log_mel: likewise, in means and deviations of log-mel bands
        spread: deviation along the encoder's axes, the training speakers' own being 1; near 0 where all clips are alike
        uar: how often the classifier recognises the intended class, mean over the classes, a fraction
    """

    windows: str
    count: int
    encoder: float
    log_mel: float
    spread: float
    uar: float


@dataclass(frozen=True)
class Quality:
    """Synthetic clips beside real ones.

    Args:
        rows: the four sets
        classes: number of classes, C; chance is 1 / C
        seconds: a window's length
        encoder: whose states
    """

    rows: list[QualityRow]
    classes: int
    seconds: float
    encoder: str

    def __str__(self) -> str:
        head = ["windows", "number", "distance, encoder", "distance, log-mel", "spread", "class heard, UAR %"]
        lines = [
            [
                row.windows,
                str(row.count),
                f"{row.encoder:.2f}",
                f"{row.log_mel:.2f}",
                f"{row.spread:.2f}",
                percent(row.uar),
            ]
            for row in self.rows
        ]
        summary = (
            f"Windows of {self.seconds:.2f} s; Fréchet distances to windows of the training speakers, smaller is "
            f"nearer; the encoder is {self.encoder}, frozen, its classifier fitted to these windows. Chance is "
            f"{percent(1 / self.classes)} %."
        )
        return f"{summary}\n\n{table(head, lines)}"

    def save(self, folder: Path) -> None:
        """Writes quality.json and quality.md."""
        write_text(folder / "quality.json", json.dumps(asdict(self), indent=1) + "\n")
        write_text(folder / "quality.md", f"# Synthetic clips beside real ones\n\n{self}\n")


def measure_synthetic_quality(
    split: Split,
    manifest: Path,
    encoder: Encoder,
    name: str,
    *,
    seed: int = 0,
) -> Quality:
    """Compares synthetic clips with real speech.

    Args:
        split: whose training part the generator was trained on
        manifest: of the synthetic clips
        encoder: the judge
        name: what the report calls it
        seed: chooses windows

    Raises:
        ConfigError: too few clips
        CorpusError: no such manifest
    """
    draw = np.random.default_rng(seed)
    clips = load_synthetic(manifest)
    synthetic = waveforms(clips, SAMPLE_RATE)
    samples = len(synthetic[0])
    train = real_rows(split.train)
    halves = draw.permutation(len(train))
    fitted, held_out = (train.select(np.sort(half).tolist()) for half in (halves[::2], halves[1::2]))
    sets = {
        "training speakers": _windows(fitted, samples, 2, draw),
        "training speakers, other clips": _windows(held_out, samples, 2, draw),
        "other speakers (dev)": _windows(split.dev, samples, 2, draw),
        "synthetic": (np.stack(synthetic), clips["emotion"][:]),
    }
    audio, intended = sets["training speakers, other clips"]
    sets["the same clips, random phases"] = (_random_phases(audio, draw), intended)
    fewest = min(sets, key=lambda name: len(sets[name][1]))
    size = len(sets[fewest][1])
    if size < _FEWEST:
        raise ConfigError(
            f"{size} windows of {fewest} are too few to compare, {_FEWEST} are needed: raise wavegan.clips or, where "
            f"it is the dev speakers', split.dev"
        )
    network = encoder.to(processes().device).eval()
    labels = emotions(train)
    measured = {name: (_states(network, audio), _bands(audio), intended) for name, (audio, intended) in sets.items()}
    base = measured.pop("training speakers")
    classifier = _classifier(base[0], base[2])
    rows = []
    axes = [PrincipalAxes.fit(base[kind]) for kind in (0, 1)]
    for windows, (states, bands, intended) in measured.items():
        few = draw.permutation(len(intended))[:size]  # distances depend on how many there are
        sample = draw.permutation(len(base[2]))[:size]
        along = axes[0](states[few])
        rows.append(
            QualityRow(
                windows=windows,
                count=size,
                encoder=frechet_distance(axes[0](base[0][sample]), along),
                log_mel=frechet_distance(axes[1](base[1][sample]), axes[1](bands[few])),
                spread=float(along.std(axis=0).mean()),
                uar=_uar(intended, classifier.predict(states), labels),
            )
        )
    return Quality(rows, len(labels), samples / SAMPLE_RATE, name)


def _windows(corpus: Dataset, samples: int, each: int, draw: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """So many windows (n, N) from anywhere in each clip, and their emotions."""
    clips = [clip for clip in waveforms(corpus, SAMPLE_RATE) for _ in range(each)]
    emotions = [emotion for emotion in corpus["emotion"][:] for _ in range(each)]
    return np.stack([cut_window(clip, samples, draw.uniform()) for clip in clips]), emotions


def _random_phases(audio: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Windows (n, N) with the magnitude of each frequency and phases of noise."""
    spectrum = np.abs(np.fft.rfft(audio, axis=1))
    turned = spectrum * np.exp(2j * np.pi * draw.uniform(size=spectrum.shape))
    return np.fft.irfft(turned, audio.shape[1], axis=1).astype(np.float32)


@torch.no_grad()
def _states(encoder: Encoder, audio: np.ndarray) -> np.ndarray:
    """The mean of each layer's states over a window, side by side: (n, L * D)."""
    device = processes().device
    rows = []
    for batch in torch.from_numpy(audio).split(_BATCH):
        lengths = torch.full((len(batch),), batch.shape[1])
        hidden = encoder(batch.to(device), lengths.to(device))
        share = hidden.mask / hidden.mask.sum(dim=1, keepdim=True)  # (B, T)
        means = (hidden.states * share[None, :, :, None]).sum(dim=2)  # (L, B, D)
        rows.append(means.transpose(0, 1).flatten(1).float().cpu().numpy())
    return np.concatenate(rows)


def _bands(audio: np.ndarray) -> np.ndarray:
    """Mean and deviation of each log-mel band over a window, (n, 2 * bands)."""
    mels = [log_mel(clip) for clip in audio]
    return np.stack([np.concatenate([mel.mean(axis=0), mel.std(axis=0)]) for mel in mels])


def _classifier(states: np.ndarray, emotions: Sequence[str]) -> "Pipeline":
    """A logistic regression, whose classes weigh alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), regression).fit(states, emotions)


def _uar(references: Sequence[str], predictions: Sequence[str], labels: list[str]) -> float:
    return float(mean_recall(confusion_matrix(references, list(map(str, predictions)), labels)))
