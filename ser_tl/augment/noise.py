"""Noise made here: white, pink or brown, at a drawn ratio to the speech.

    white noise --FFT, each frequency f times f^(-slope)--> coloured noise --at the SNR--> added to the clip

Pink noise falls by 3 dB an octave (rain, many rooms), brown by 6 (wind, traffic). Nothing below 20 Hz is made: brown
noise would have most of its power there, where it is inaudible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, add_at_snr, fast_size
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError

SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""A noise's amplitude falls as frequency to this power."""

_LOWEST = 20.0  # Hz


@TRANSFORMS.register("noise")
@dataclass
class Noise(ClipTransform):
    """Adds noise.

    Args:
        probability: of each clip
        snr: speech to noise, dB
        colours: which noises there are, of white, pink and brown; each clip gets one of them
    """

    probability: float = 0.5
    snr: Range = (15.0, 25.0)
    colours: Sequence[str] = ("white",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("snr", -20.0, 80.0)
        check_colours(self._at("colours"), self.colours)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Adds noise to all of the clips."""
        snr = draws.uniform(len(waveform), *self.snr)
        chosen = [self.colours[index] for index in draws.choice(len(waveform), len(self.colours))]
        noise = coloured_noise(chosen, waveform.shape[1], draws)
        return add_at_snr(waveform, lengths, noise, snr), lengths, {"SNR in dB": snr.tolist(), "colour": chosen}


def check_colours(option: str, colours: object) -> None:
    """Refuses noises that there aren't.

    Args:
        option: what they were given for
        colours: what was given

    Raises:
        ConfigError: it is no list of colours
    """
    if not isinstance(colours, list | tuple) or not colours or not all(colour in SLOPES for colour in colours):
        raise ConfigError(f"{option} is {colours!r}: expected a list of some of {', '.join(SLOPES)}")


def coloured_noise(colours: Sequence[str], samples: int, draws: BatchRng) -> Tensor:
    """Noise of each colour, (B, samples), on the device of the draws; its level means nothing.

    Args:
        colours: B names of `SLOPES`
        samples: of each
        draws: the batch's
    """
    white = draws.normal(len(colours), fast_size(samples))
    if all(colour == "white" for colour in colours):
        return white[:, :samples]
    slopes = torch.tensor([SLOPES[colour] for colour in colours], device=white.device)
    hertz = torch.fft.rfftfreq(white.shape[1], 1 / SAMPLE_RATE, device=white.device)
    shape = (hertz >= _LOWEST) * hertz.clamp_min(_LOWEST) ** -slopes[:, None]
    return torch.fft.irfft(torch.fft.rfft(white) * shape, white.shape[1])[:, :samples]
