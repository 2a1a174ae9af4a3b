"""Recordings of a folder behind the speech: rooms, streets, music.

    folder --NoiseBank--> a random segment of a random recording --at the SNR--> added to the clip

Without a folder the noise colours stand in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, add_at_snr
from ser_tl.augment.noise import check_colours, coloured_noise
from ser_tl.augment.noise_bank import NoiseBank, check_folder, read_folder
from ser_tl.augment.rng import BatchRng
from ser_tl.errors import ConfigError

MINUTES = 10.0
"""How much of a folder is held in memory: 38 MB."""


@TRANSFORMS.register("background")
@dataclass
class Background(ClipTransform):
    """Mixes recordings in.

    Args:
        probability: of each clip
        snr: speech to background, dB
        folder: of recordings; those in its folders count too
        minutes: how much of them is held in memory, a seeded sample where there are more
        colours: without a folder: which noises stand in, of white, pink and brown
    """

    probability: float = 0.5
    snr: Range = (5.0, 15.0)
    folder: str | None = None
    minutes: float = MINUTES
    colours: Sequence[str] = ("white", "pink", "brown")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("snr", -20.0, 80.0)
        check_folder(self._at("folder"), self.folder)
        check_colours(self._at("colours"), self.colours)
        if not isinstance(self.minutes, int | float) or not self.minutes > 0:
            raise ConfigError(f"{self._at('minutes')} is {self.minutes!r}: expected a number above 0")
        self._bank: NoiseBank | None = None

    def prepare(self, voices: Sequence[Tensor], seed: int) -> None:  # noqa: ARG002
        """Reads the folder."""
        if self.folder is not None:
            self._bank = NoiseBank(read_folder(self._at("folder"), self.folder, 60.0 * self.minutes, seed))

    @property
    def fetched(self) -> list[Tensor]:
        """The recordings."""
        return [] if self._bank is None else self._bank.content

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Mixes a segment of a recording into all of the clips."""
        count, samples = waveform.shape
        snr = draws.uniform(count, *self.snr)
        if self._bank is None:
            chosen = [self.colours[index] for index in draws.choice(count, len(self.colours))]
            noise = coloured_noise(chosen, samples, draws)
            return add_at_snr(waveform, lengths, noise, snr), lengths, {"SNR in dB": snr.tolist(), "colour": chosen}
        noise, recordings = self._bank.random_segments(count, samples, draws)
        drawn = {"SNR in dB": snr.tolist(), "recording": recordings.tolist()}
        return add_at_snr(waveform, lengths, noise, snr), lengths, drawn
