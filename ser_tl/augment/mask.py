"""Masks over time and over bands or channels: on log-mel spectrograms, and on an encoder's states.

    share of frames, share of channels --random_spans, none on another--> blank (B, T, D)

As SpecAugment (Park et al. 2019) does it, but what is drawn is the share that is blank in all, and that is what comes
out: spans never overlap. Frames of padding are never counted.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, MelTransform, Range, StateTransform, Transform, length_mask
from ser_tl.augment.rng import BatchRng


def random_spans(counts: Tensor, share: Tensor, number: int, width: int, draws: BatchRng) -> Tensor:
    """The positions that are blank.

    Args:
        counts: (B,) numbers of positions, on the CPU
        share: (B,) of them that are blank in all
        number: of spans that these make, of equal size to within one
        width: positions of the longest
        draws: the batch's

    Returns:
        (B, width) True where blank, on the CPU.
    """
    blank = (share * counts).round().long()
    sizes = blank[:, None] // number + (torch.arange(number) < blank[:, None] % number)  # (B, number)
    gaps = draws.randint_below((counts - blank + 1)[:, None].expand(-1, number)).sort(dim=1).values
    begins = gaps + sizes.cumsum(dim=1) - sizes
    positions = torch.arange(width)
    inside = (positions >= begins[..., None]) & (positions < (begins + sizes)[..., None])  # (B, number, width)
    return inside.any(dim=1)


@dataclass
class _Masks(Transform):
    probability: float = 1.0
    time: Range = (0.0, 0.2)
    time_stretches: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("time", 0.0, 0.9)
        self._count("time_stretches", 1, 100)

    @property
    @abstractmethod
    def across(self) -> tuple[Range, int]:
        """Share of bands or channels that are blank, and in how many stretches."""

    def blank(self, counts: Tensor, width: int, channels: int, draws: BatchRng) -> Tensor:
        """What is blank in some clips, True there, on the CPU.

        Args:
            counts: (B,) frames of each clip
            width: frames of the longest
            channels: bands or channels
            draws: the batch's

        Returns:
            (B, width, channels)
        """
        counts = counts.cpu()
        happens = draws.bernoulli(len(counts), self.probability)
        range_, number = self.across
        time = random_spans(counts, draws.uniform(len(counts), *self.time), self.time_stretches, width, draws)
        counts_of_bands = torch.full_like(counts, channels)
        band = random_spans(counts_of_bands, draws.uniform(len(counts), *range_), number, channels, draws)
        return (time[:, :, None] | band[:, None]) & happens[:, None, None]


@TRANSFORMS.register("mask-mel")
@dataclass
class MelMask(_Masks, MelTransform):
    """Blanks parts of an encoder's log-mel spectrogram (SpecAugment). Blank is the clip's mean.

    Args:
        probability: of each clip
        time: share of the frames
        time_stretches: how many stretches these make
        bands: share of the mel bands
        band_stretches: how many stretches these make
    """

    bands: Range = (0.2, 0.2)
    band_stretches: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("bands", 0.0, 0.9)
        self._count("band_stretches", 1, 100)

    @property
    def across(self) -> tuple[Range, int]:
        """Share and stretches of bands."""
        return self.bands, self.band_stretches

    def __call__(self, mel: Tensor, counts: Tensor, draws: BatchRng) -> Tensor:
        """Blanks parts of the spectrograms."""
        counts = counts.clamp(1, mel.shape[1])
        blank = self.blank(counts, mel.shape[1], mel.shape[2], draws).to(mel.device)
        valid = length_mask(counts, mel.shape[1])[..., None]
        mean = (mel * valid).sum(dim=(1, 2), keepdim=True) / (counts[:, None, None] * mel.shape[2])
        return torch.where(blank & valid, mean.to(mel.dtype), mel)


@TRANSFORMS.register("mask")
@dataclass
class StateMask(_Masks, StateTransform):
    """Blanks parts of the encoder's states, all layers alike (as wav2vec 2.0 is fine-tuned, Baevski et al. 2020).

    Blank is the mean of the training speech, which is zero behind the model's standardisation. Works on cached states.

    Args:
        probability: of each clip
        time: share of the frames
        time_stretches: how many stretches these make
        channels: share of the channels
        channel_stretches: how many stretches these make
    """

    channels: Range = (0.0, 0.2)
    channel_stretches: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("channels", 0.0, 0.9)
        self._count("channel_stretches", 1, 100)

    @property
    def across(self) -> tuple[Range, int]:
        """Share and stretches of channels."""
        return self.channels, self.channel_stretches

    def __call__(self, states: Tensor, mask: Tensor, draws: BatchRng, *, centred: bool = True) -> Tensor:
        """Blanks parts of the states; where they aren't centred, each channel's mean over the batch is blank."""
        blank = self.blank(mask.sum(dim=1), mask.shape[1], states.shape[-1], draws).to(states.device)
        if centred:
            return states.masked_fill(blank, 0.0)
        valid = mask[..., None]
        mean = (states * valid).sum(dim=(1, 2), keepdim=True) / mask.sum()
        return torch.where(blank & valid, mean.to(states.dtype), states)
