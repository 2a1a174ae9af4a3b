"""Augmented clips without a training: to listen to, to look at, to measure.

waveforms (N,) --Augmenter--> waveforms        the chain as it is, at its probabilities
waveform (N,) --preview_transforms()--> Example of each transform, drawn for certain
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ser_tl.augment.augment_config import AugmentConfig, build_transform
from ser_tl.augment.base import TRANSFORMS, Drawn, MelTransform, WaveformTransform
from ser_tl.augment.chain import Chain
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Clip, collate
from ser_tl.dependencies import require_torchaudio

HOP = 160
"""Samples between frames of an example's spectrogram, 10 ms."""

BANDS = 80


class Augmenter:
    """What `Trainer(augment=config)` does to the audio of training clips.

    Args:
        config: which transforms; those on states and embeddings do nothing here
        voices: clips (N,) at 16 kHz that babble is made of
        seed: of all draws
    """

    def __init__(self, config: AugmentConfig, voices: Sequence[np.ndarray] = (), seed: int = 0) -> None:
        self._chain = Chain(config, 1, longest=float("inf"), seed=seed)
        self._chain.prepare_from([torch.from_numpy(voice) for voice in voices])

    def __call__(self, waveforms: Sequence[np.ndarray], *step: int) -> list[np.ndarray]:
        """The clips as in one batch of a training.

        Args:
            waveforms: (N,) each, float32 at 16 kHz
            step: the training's position, such as epoch and step: another one is another draw
        """
        batch, _ = self._chain(collate([Clip(torch.from_numpy(waveform), 0, "") for waveform in waveforms]), *step)
        return [clip[:length].numpy() for clip, length in zip(batch.waveform, batch.lengths, strict=True)]


class Example(NamedTuple):
    """A clip before or after a transform.

    Attributes:
        name: the transform's
        waveform: (N,) at 16 kHz
        mel: (F, bands) its log-mel spectrogram, dB, a frame every 10 ms
        drawn: what was drawn, in words
        audible: whether the waveform was changed, or is the original; else the spectrogram alone was
    """

    name: str
    waveform: np.ndarray
    mel: np.ndarray
    drawn: str
    audible: bool = True


def preview_transforms(
    waveform: np.ndarray, config: AugmentConfig, voices: Sequence[np.ndarray], seed: int = 0
) -> Iterator[Example]:
    """The clip as it is, then after each transform alone.

    Args:
        waveform: (N,) float32 at 16 kHz
        config: which transforms, whose probability is taken for 1; every one, at its defaults, if it has none. Those on
            states and embeddings aren't audible and are left out
        voices: clips (N,) that babble is made of, and the first of which mixup mixes in
        seed: of the draws
    """
    clip, others = torch.from_numpy(waveform), [torch.from_numpy(voice) for voice in voices]
    options: Mapping[str, Mapping[str, object]] = config.transform_options or {name: {} for name in TRANSFORMS}
    yield Example("original", waveform, log_mel(waveform), f"{len(clip) / SAMPLE_RATE:.2f} s")
    for number, (name, transform_options) in enumerate(options.items()):
        transform = build_transform(name, {**transform_options, "probability": 1.0})
        draws = BatchRng(seed, number)
        if isinstance(transform, WaveformTransform):
            transform.prepare(others, seed)
            clips = [clip, *others[:1]] if transform.mixes else [clip]
            batch = collate([Clip(recording, 0, "") for recording in clips])
            new, lengths, drawn, *_ = transform(batch.waveform, batch.lengths, draws)
            changed = new[0, : lengths[0]].numpy()
            yield Example(name, changed, log_mel(changed), _describe_draws(drawn, len(changed)))
        elif isinstance(transform, MelTransform):
            mel = torch.from_numpy(log_mel(waveform))
            blank = transform(mel[None], torch.tensor([len(mel)]), draws)[0]
            yield Example(name, waveform, blank.numpy(), _describe_blank(blank != mel), audible=False)


def log_mel(waveform: np.ndarray, rate: int = SAMPLE_RATE) -> np.ndarray:
    """A clip's log-mel spectrogram, dB.

    Args:
        waveform: (N,)
        rate: samples a second

    Shape:
        waveform (N,) -> (F, bands), a frame every 160 samples, 10 ms at 16 kHz
    """
    require_torchaudio("a log-mel spectrogram")
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    power = MelSpectrogram(rate, n_fft=512, win_length=400, hop_length=HOP, n_mels=BANDS, pad_mode="constant")
    return AmplitudeToDB(top_db=80.0)(power(torch.from_numpy(waveform))).mT.numpy()


def _describe_draws(drawn: Drawn, samples: int) -> str:
    values = [
        f"{name} {f'{value[0]:.3g}' if isinstance(value[0], float) else value[0]}" for name, value in drawn.items()
    ]
    return ", ".join([*values, f"{samples / SAMPLE_RATE:.2f} s"])


def _describe_blank(blank: Tensor) -> str:
    time, bands = (100 * float(blank.all(dim=axis).float().mean()) for axis in (1, 0))
    return f"{time:.0f} % of the frames and {bands:.0f} % of the bands blank"
