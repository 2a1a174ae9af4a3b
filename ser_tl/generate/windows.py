"""Windows of real clips: what a critic sees of the training speech.

    training rows --Windows--> batches of waveform (B, N) and classes (B,), every class as often

Clips are decoded once and kept. A window begins anywhere in its clip; a clip that is shorter has silence around it.
All clips are scaled by one number, so that they fill the generator's range and stay as loud, one beside the other, as
they are.
"""

import numpy as np
import soxr
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.augment import BatchRng
from ser_tl.data.audio import SAMPLE_RATE, decode
from ser_tl.data.checks import audio_source
from ser_tl.data.schema import real_rows
from ser_tl.errors import SplitError
from ser_tl.generate.wavegan_config import WaveGanConfig

_LOUD = 0.95  # share of the clips whose peaks fit into the generator's range; the few louder ones are clipped


def waveforms(corpus: Dataset, rate: int) -> list[np.ndarray]:
    """The corpus' clips (N,), decoded, at some rate."""
    clips = [decode(audio_source(row), row["start"], row["end"]) for row in corpus]
    return [clip if rate == SAMPLE_RATE else soxr.resample(clip, SAMPLE_RATE, rate) for clip in clips]


def cut_window(clip: np.ndarray, samples: int, position: float) -> np.ndarray:
    """So many samples of a clip.

    Args:
        clip: (N,)
        samples: the window's
        position: from 0, its earliest place, to 1, its last; of a shorter clip, how much of the silence comes before it
    """
    spare = len(clip) - samples
    begin = round(position * abs(spare))
    return clip[begin : begin + samples] if spare >= 0 else np.pad(clip, (begin, -spare - begin))


class TrainingWindows:
    """The training speech of a WaveGAN.

    Args:
        train: the training part of a split
        labels: the C classes
        config: length and rate

    Raises:
        SplitError: there are synthetic clips among it, or none of a class
    """

    def __init__(self, train: Dataset, labels: list[str], config: WaveGanConfig) -> None:
        synthetic = len(train) - len(real_rows(train))
        if synthetic:
            raise SplitError(
                f"{synthetic} of {len(train)} training clips are synthetic, and a generator needs real ones: leave "
                f"`synthetic` out"
            )
        self.samples = config.samples
        clips = waveforms(train, config.rate)
        peaks = [float(np.abs(clip).max()) for clip in clips]
        self.level = float(np.quantile(peaks, _LOUD))
        clips = [(clip / self.level).clip(-1.0, 1.0).astype(np.float32) for clip in clips]
        emotions = train["emotion"][:]
        self.by_class = [
            [clip for clip, emotion in zip(clips, emotions, strict=True) if emotion == label] for label in labels
        ]
        absent = [label for label, members in zip(labels, self.by_class, strict=True) if not members]
        if absent:
            raise SplitError(f"no training clip is labelled {', '.join(absent)}: drop it (emotions.drop) or merge it")

    def crop(self, clip: np.ndarray, position: float) -> np.ndarray:
        """A window (N,) of a clip, at a position as of `cut_window`."""
        return cut_window(clip, self.samples, position)

    def draw(self, count: int, draws: BatchRng) -> tuple[Tensor, Tensor]:
        """A batch, on the CPU.

        Args:
            count: windows in it, B
            draws: choose class, clip and place of each

        Returns:
            Waveform (B, N) in [-1, 1], and classes (B,).
        """
        classes = draws.choice(count, len(self.by_class))
        clips = draws.randint_below(torch.tensor([len(self.by_class[index]) for index in classes.tolist()]))
        positions = draws.uniform(count, 0.0, 1.0).tolist()
        chosen = [
            self.crop(self.by_class[number][clip], index)
            for number, clip, index in zip(classes.tolist(), clips.tolist(), positions, strict=True)
        ]
        return torch.from_numpy(np.stack(chosen)), classes
