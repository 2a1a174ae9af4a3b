"""The interface of transforms: options, a probability, and how clips, states or embeddings are changed.

    waveform (B, N), lengths (B,) --WaveformTransform--> TransformResult(waveform, lengths, drawn)
    log-mel (B, F, bands)         --MelTransform------> the same, parts of it blank
    states (L, B, T, D)           --StateTransform----> the same, parts of it blank
    embeddings (B, E), targets    --EmbeddingTransform--> Mixing, which both go through

Each clip of a batch is drawn for by itself: whether it is changed (`probability`), and how.

Padding is zero and stays so, and counts in no measure. A transform never clips: where its result would exceed full
scale, the whole clip is turned down until its peak is at full scale (or at its own former peak, if that was higher), so
that ratios within it stay as drawn.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ser_tl.augment.rng import BatchRng
from ser_tl.errors import ConfigError
from ser_tl.registry import Registry

TRANSFORMS: Registry[type["Transform"]] = Registry("transform", "ser_tl.augmentations")
"""Transforms by name, each a dataclass of its options."""

Drawn = Mapping[str, Sequence[float | str]]
"""What was drawn for the clips that were changed: a value each, by the quantity's name."""

Range = tuple[float, float]
"""Lowest and highest of what is drawn, evenly, for each clip. On the command line a single number means itself."""


class TransformResult(NamedTuple):
    """Clips after a transform.

    Attributes:
        waveform: (B, N), zeros behind each clip's end
        lengths: (B,) samples
        drawn: for the clips that were changed
        rows: (R,) indices of these clips
        mixing: how the labels have to be mixed; None where they don't change
    """

    waveform: Tensor
    lengths: Tensor
    drawn: Drawn
    rows: Tensor
    mixing: "Mixing | None" = None


class Mixing(NamedTuple):
    """How the clips of a batch are mixed with each other.

    Attributes:
        partners: (B,) index of the clip that is added; the clip's own where none is
        share: (B,) of the clip itself, from 0.5 to 1
    """

    partners: Tensor
    share: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Values (B, ...), mixed."""
        share = self.share.to(values).reshape(-1, *[1] * (values.ndim - 1))
        return share * values + (1.0 - share) * values[self.partners.to(values.device)]


@dataclass
class Transform(ABC):
    """What all transforms share.

    Args:
        probability: of each clip to be changed
    """

    probability: float

    def __post_init__(self) -> None:
        if isinstance(self.probability, bool) or not isinstance(self.probability, int | float):
            raise ConfigError(f"{self._at('probability')} is {self.probability!r}: expected a number from 0 to 1")
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"{self._at('probability')} is {self.probability:g}: expected 0 to 1")

    @property
    def name(self) -> str:
        """Its name in `TRANSFORMS`."""
        return next((name for name, kind in TRANSFORMS.items() if kind is type(self)), type(self).__name__)

    def _at(self, option: str) -> str:
        return f"augment.transforms, {self.name}: {option}"

    def _range(self, option: str, least: float, most: float) -> None:
        """Makes a range of what was given for an option.

        Raises:
            ConfigError: it isn't one, or reaches beyond `least` and `most`
        """
        given = getattr(self, option)
        ends = [given, given] if isinstance(given, int | float) else given
        fine = isinstance(ends, list | tuple) and len(ends) == 2 and all(type(end) in (int, float) for end in ends)
        if not fine or not least <= ends[0] <= ends[1] <= most:
            raise ConfigError(
                f"{self._at(option)} is {given!r}: expected a number, or [lowest, highest], from {least:g} to {most:g}"
            )
        setattr(self, option, (float(ends[0]), float(ends[1])))

    def _count(self, option: str, least: int, most: int) -> None:
        given = getattr(self, option)
        if type(given) is not int or not least <= given <= most:
            raise ConfigError(f"{self._at(option)} is {given!r}: expected a whole number from {least} to {most}")


class WaveformTransform(Transform):
    """Changes an encoder's input."""

    needs_voices = False
    mixes = False  # the clips of a batch with each other

    @property
    def fetched(self) -> list[Tensor]:
        """What `prepare` fetched to mix in; what else a change follows from are options and draws."""
        return []

    def prepare(self, voices: Sequence[Tensor], seed: int) -> None:  # noqa: ARG002 - most need nothing
        """Fetches what the transform mixes in, once, before the first batch.

        Args:
            voices: training clips (N,), if `needs_voices`
            seed: chooses among what there is
        """
        return

    @abstractmethod
    def __call__(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> TransformResult:
        """Changes some of the clips.

        Args:
            waveform: (B, N) at 16 kHz, zeros behind each clip's end
            lengths: (B,) samples
            draws: the batch's
        """


class ClipTransform(WaveformTransform):
    """Changes clips, each without regard to the others."""

    def __call__(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> TransformResult:
        """Changes some of the clips."""
        rows = draws.bernoulli(len(waveform), self.probability).nonzero()[:, 0]
        if not len(rows):
            return TransformResult(waveform, lengths, {}, rows)
        clips, ends = waveform[rows.to(waveform.device)], lengths[rows.to(lengths.device)]
        peaks = clips.abs().amax(dim=1).clamp_min(1.0)
        new, new_ends, drawn = self.change(clips, ends, draws)
        new = new * (peaks / new.abs().amax(dim=1).clamp_min(1e-12)).clamp_max(1.0)[:, None]
        return TransformResult(*replace_rows(waveform, lengths, rows, new, new_ends), drawn, rows)

    @abstractmethod
    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Changes all of the clips: their waveforms and lengths, and what was drawn for each."""


class MelTransform(Transform):
    """Changes the log-mel spectrogram of encoders that have one."""

    @abstractmethod
    def __call__(self, mel: Tensor, counts: Tensor, draws: BatchRng) -> Tensor:
        """Changes some of the clips' spectrograms.

        Args:
            mel: (B, F, bands)
            counts: (B,) frames of each clip, silence behind it not counted
            draws: the batch's
        """


class StateTransform(Transform):
    """Changes the encoder's states, cached ones too."""

    @abstractmethod
    def __call__(self, states: Tensor, mask: Tensor, draws: BatchRng, *, centred: bool = True) -> Tensor:
        """Changes some of the clips' states.

        Args:
            states: (L, B, T, D)
            mask: (B, T) True on speech
            draws: the batch's
            centred: the training speech's mean is zero in each channel
        """


class EmbeddingTransform(Transform):
    """Mixes embeddings, those of cached states too."""

    @abstractmethod
    def draw(self, count: int, draws: BatchRng) -> Mixing:
        """Draws how a number of clips are mixed."""


def replace_rows(
    waveform: Tensor, lengths: Tensor, rows: Tensor, new: Tensor, new_lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Clips with some of them replaced, as wide as the longest and zero behind each end.

    Args:
        waveform: (B, N)
        lengths: (B,)
        rows: (R,) indices of those that are replaced
        new: (R, N') their replacements
        new_lengths: (R,)
    """
    rows = rows.to(waveform.device)
    lengths = lengths.index_copy(0, rows, new_lengths.to(lengths))
    width = int(lengths.max())
    padded = waveform.new_zeros(len(waveform), width)
    shared = min(width, waveform.shape[1])
    padded[:, :shared] = waveform[:, :shared]
    shared = min(width, new.shape[1])
    padded[rows] = 0.0
    padded[rows, :shared] = new[:, :shared]
    return zero_padding(padded, lengths), lengths


def length_mask(lengths: Tensor, width: int) -> Tensor:
    """Mask (B, width), True on each clip's samples or frames."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def zero_padding(waveform: Tensor, lengths: Tensor) -> Tensor:
    """The waveform (B, N) with zeros behind each clip's end."""
    return waveform * length_mask(lengths, waveform.shape[1])


def power(waveform: Tensor, lengths: Tensor) -> Tensor:
    """Mean square (B,) of each clip, padding not counted (it is zero)."""
    return waveform.square().sum(dim=1) / lengths.clamp_min(1)


def add_at_snr(waveform: Tensor, lengths: Tensor, noise: Tensor, snr: Tensor) -> Tensor:
    """Clips with noise added at a signal-to-noise ratio; a silent clip stays silent.

    Shape:
        waveform (B, N), lengths (B,), noise (B, N), snr (B,) dB -> (B, N)
    """
    noise = zero_padding(noise, lengths)
    wanted = power(waveform, lengths) * 10 ** (-snr.to(waveform) / 10)
    return waveform + noise * (wanted / power(noise, lengths).clamp_min(1e-20)).sqrt()[:, None]


def fast_size(samples: int) -> int:
    """The smallest of 2^k, 3 * 2^k and 5 * 2^k that is as large: FFTs of these sizes are fast."""
    sizes = (odd << max(0, (-(-samples // odd) - 1).bit_length()) for odd in (1, 3, 5))
    return min(sizes)
