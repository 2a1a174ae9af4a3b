"""Babble: several voices at once, from the training corpus.

    training clips --a seeded sample, each at one loudness--> NoiseBank --3 to 7 segments, added--> babble
      --at the SNR--> added to the clip

The voices are training clips and nothing else: dev and test speakers are never in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, add_at_snr
from ser_tl.augment.noise_bank import NoiseBank
from ser_tl.augment.rng import BatchRng
from ser_tl.errors import ConfigError


@TRANSFORMS.register("babble")
@dataclass
class Babble(ClipTransform):
    """Adds babble (as Snyder et al. 2018 make it, of 3 to 7 voices).

    Args:
        probability: of each clip
        snr: speech to babble, dB
        voices: how many speak at once
    """

    needs_voices = True
    probability: float = 0.3
    snr: Range = (13.0, 20.0)
    voices: Range = (3.0, 7.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("snr", -20.0, 80.0)
        self._range("voices", 1.0, 20.0)
        if any(end != int(end) for end in self.voices):
            raise ConfigError(f"{self._at('voices')} is {list(self.voices)}: expected whole numbers")
        self._bank: NoiseBank | None = None

    def prepare(self, voices: Sequence[Tensor], seed: int) -> None:  # noqa: ARG002
        """Takes over the voices."""
        self._bank = NoiseBank([voice / voice.square().mean().sqrt().clamp_min(1e-6) for voice in voices])

    @property
    def fetched(self) -> list[Tensor]:
        """The recordings."""
        return [] if self._bank is None else self._bank.content

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Adds babble to all of the clips."""
        if self._bank is None:
            raise ConfigError("babble is made of training clips, and there are none yet: prepare() brings them")
        count, samples = waveform.shape
        fewest, most = map(int, self.voices)
        snr = draws.uniform(count, *self.snr)
        number = fewest + draws.choice(count, most - fewest + 1)
        babble = torch.zeros_like(waveform)
        for voice in range(int(number.max())):  # one after the other: all at once is the batch seven times over
            speaks = (number > voice).nonzero()[:, 0]
            stretches, _ = self._bank.random_segments(len(speaks), samples, draws)
            babble.index_add_(0, speaks.to(waveform.device), stretches)
        return (
            add_at_snr(waveform, lengths, babble, snr),
            lengths,
            {"SNR in dB": snr.tolist(), "voices": number.tolist()},
        )
