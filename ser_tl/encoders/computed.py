"""The grid of frames that computed features share, and how they change along it.

    waveform (B, N), lengths (B,) --Computed.features()--> (B, T, D) --forward()--> EncoderOutput

Frame t sees a window centred at sample t * hop, with silence in front of the clip and behind it: librosa's centred
frames, less the one that would stand at the very end. T = ceil(N / hop), at least one, whatever the window: features of
one hop can be laid side by side, and at 10 ms two frames are one of Whisper's. Computed in float32 under any autocast,
without weights and without gradients. Knows no particular feature.
"""

from abc import abstractmethod
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import Block, Encoder, OnMel, frames_mask, zero_padding
from ser_tl.errors import EncoderError
from ser_tl.modules.graph import is_exporting

HOP = 0.01
"""Seconds between frames, unless another hop is asked for."""

QUIETEST = 1e-10
"""Powers below this (-100 dB of full scale) count as this, so that the logarithm of digital silence is finite."""

_REACH = 4  # frames to either side of a delta, as librosa's width of 9


class Computed(Encoder):
    """Features computed from the waveform: a single state, no blocks, nothing to load.

    Args:
        hop: seconds between frames
        options: of the class' constructor, the hop among them; returned by `config`

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, D), mask (B, T); T = ceil(N / (16000 hop))
    """

    num_states = 1

    def __init__(self, hop: float, options: dict[str, Any]) -> None:
        super().__init__()
        self.hop = count_samples("hop", hop)
        self.frame_rate = SAMPLE_RATE / self.hop
        self._options = options

    @abstractmethod
    def features(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> Tensor:
        """Frames (B, T, D) of clips (B, N), float32, with silence behind each clip's length (B,)."""

    @torch.no_grad()
    def embed_frames(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> tuple[Tensor, Tensor]:
        """Features of padded clips, the only state."""
        if is_exporting():
            self.check_exportable()
        with torch.autocast(waveform.device.type, enabled=False):  # logarithms of small powers need float32
            frames = self.features(zero_padding(waveform.float(), lengths), lengths, on_mel)
        return frames, frames_mask(self.counts(lengths), frames.shape[1])

    def counts(self, lengths: Tensor) -> Tensor:
        """Number of frames (B,) of clips with numbers of samples (B,)."""
        return -(-lengths // self.hop)

    def blocks(self) -> list[Block]:
        """None: there are no weights."""
        return []

    @property
    def config(self) -> dict[str, Any]:
        """The options."""
        return dict(self._options)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same features."""
        return cls(**config)


def count_samples(option: str, seconds: float) -> int:
    """The number of samples in a number of seconds.

    Raises:
        EncoderError: fewer than one
    """
    count = round(seconds * SAMPLE_RATE)
    if count < 1:
        raise EncoderError(f"{option} is {seconds:g} s, not one sample at 16 kHz: windows are about 0.025, hops 0.01")
    return count


def check_deltas(deltas: int) -> int:
    """The order of deltas.

    Raises:
        EncoderError: not 0, 1 or 2
    """
    if deltas not in (0, 1, 2):
        raise EncoderError(f"deltas is {deltas}: 0 for none, 1 for deltas, 2 for double deltas as well")
    return deltas


def decibels(power: Tensor) -> Tensor:
    """Power in dB, nothing below -100."""
    return 10 * power.clamp_min(QUIETEST).log10()


def append_deltas(frames: Tensor, counts: Tensor, orders: int) -> Tensor:
    """Frames with their deltas up to an order, appended as channels.

    Shape:
        frames (B, T, D), counts (B,) frames of each clip -> (B, T, D (1 + orders))
    """
    orders_so_far = [frames]
    for _ in range(orders):
        orders_so_far.append(delta(orders_so_far[-1], counts))
    return torch.cat(orders_so_far, dim=-1)


def delta(frames: Tensor, counts: Tensor) -> Tensor:
    """Slope of the regression line through nine frames ("delta"; HTK book, eq. 5.16), per frame.

    Beyond its two ends a clip's own first and last frames are repeated, as in librosa's mode="nearest".

    Shape:
        frames (B, T, D), counts (B,) frames of each clip -> (B, T, D)
    """
    length = frames.shape[1]
    steps = torch.arange(length, device=frames.device).minimum(counts[:, None] - 1)
    padded = frames.gather(1, steps[..., None].expand(-1, -1, frames.shape[2])).transpose(1, 2)
    padded = functional.pad(padded, (_REACH, _REACH), mode="replicate").transpose(1, 2)
    rise = torch.zeros_like(frames)
    for reach in range(1, _REACH + 1):
        ahead, behind = (padded[:, start : start + length] for start in (_REACH + reach, _REACH - reach))
        rise += reach * (ahead - behind)
    return rise / (2 * sum(reach**2 for reach in range(1, _REACH + 1)))
