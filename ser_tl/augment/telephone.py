"""Speech over a telephone: 300 to 3400 Hz, 8 kHz, and a telephone's codec.

    16 kHz --resample--> 8 kHz --band-pass--> --codec: mu-law, A-law, GSM--> 8 kHz --resample--> 16 kHz

mu-law and A-law are ITU-T G.711's curves with 8 bits a sample, on the device. GSM is the full-rate codec itself (13
kbit/s, through libsndfile), on the CPU.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, zero_padding
from ser_tl.augment.resampling import resample_by_ratio
from ser_tl.augment.reverb import convolve
from ser_tl.augment.rng import BatchRng
from ser_tl.dependencies import require_torchaudio
from ser_tl.errors import ConfigError

BAND = (300.0, 3400.0)
"""Hz, the edges at -6 dB."""

_RATE = 8000
_TAPS = 255  # of the band-pass: edges 50 Hz wide
_A = 87.6  # A-law's parameter


@TRANSFORMS.register("telephone")
@dataclass
class Telephone(ClipTransform):
    """Sends speech over a telephone.

    Args:
        probability: of each clip
        codecs: which there are, of mu-law, a-law, gsm and none (the band alone); each clip goes through one of them
    """

    probability: float = 0.2
    codecs: Sequence[str] = ("mu-law", "a-law", "gsm")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_torchaudio("the transform telephone")
        given = self.codecs
        if not isinstance(given, list | tuple) or not given or not all(codec in CODECS for codec in given):
            raise ConfigError(f"{self._at('codecs')} is {given!r}: expected a list of some of {', '.join(CODECS)}")

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Sends all of the clips over a telephone."""
        chosen = [self.codecs[index] for index in draws.choice(len(waveform), len(self.codecs))]
        twice = torch.full((len(waveform),), 2)
        narrow, ends = resample_by_ratio(waveform, lengths, twice, 1)
        narrow = convolve(functional.pad(narrow, (0, _TAPS // 2)), _band_pass(waveform.device))[:, _TAPS // 2 :]
        narrow = zero_padding(narrow, ends)  # of the filter's ringing
        level = narrow.abs().amax(dim=1, keepdim=True).clamp_min(1.0)  # codecs end at full scale
        narrow = narrow / level
        for codec in set(chosen):
            rows = torch.tensor([index for index, name in enumerate(chosen) if name == codec], device=waveform.device)
            narrow[rows] = CODECS[codec](narrow[rows])
        wide, _ = resample_by_ratio(narrow * level, ends, torch.ones_like(twice), 2)
        width = waveform.shape[1]
        wide = functional.pad(wide, (0, max(0, width - wide.shape[1])))[:, :width]
        return wide, lengths, {"codec": chosen}


@lru_cache(maxsize=4)
def _band_pass(device: torch.device) -> Tensor:
    """A windowed sinc (1, taps) of linear phase: a delay of half its taps, and nothing else, in all frequencies."""
    time = torch.arange(_TAPS, dtype=torch.float64) - _TAPS // 2
    low, high = (2 * edge / _RATE * torch.sinc(2 * edge / _RATE * time) for edge in BAND)
    taps = (high - low) * torch.hamming_window(_TAPS, periodic=False, dtype=torch.float64)
    return taps.float().to(device)[None]


def mu_law(waveform: Tensor) -> Tensor:
    """What mu-law leaves of samples in [-1, 1]."""
    require_torchaudio("mu-law of the telephone")
    from torchaudio.functional import mu_law_decoding, mu_law_encoding

    return mu_law_decoding(mu_law_encoding(waveform, 256), 256)


def a_law(waveform: Tensor) -> Tensor:
    """What A-law leaves of samples in [-1, 1] (ITU-T G.711): 8 bits of the companded value."""
    size, scale = waveform.abs(), 1 + log(_A)
    linear = size < 1 / _A
    companded = torch.where(linear, _A * size, 1 + (_A * size).clamp_min(1e-12).log()) / scale
    companded = ((companded * 127.5).floor().clamp_max(127.0) + 0.5) / 127.5
    expanded = torch.where(companded < 1 / scale, companded * scale, (companded * scale - 1).exp()) / _A
    return expanded * waveform.sign()


def gsm(waveform: Tensor) -> Tensor:
    """Samples (B, N) in [-1, 1] at 8 kHz, coded and decoded by GSM full rate."""
    clips_decoded = []
    for clip in waveform.cpu().numpy():
        coded = io.BytesIO()
        soundfile.write(coded, clip, _RATE, subtype="GSM610", format="WAV")
        coded.seek(0)
        decoded, _ = soundfile.read(coded, dtype="float32")
        clips_decoded.append(np.pad(decoded, (0, max(0, len(clip) - len(decoded))))[: len(clip)])
    return torch.from_numpy(np.stack(clips_decoded)).to(waveform.device)


CODECS: dict[str, Callable[[Tensor], Tensor]] = {
    "mu-law": mu_law,
    "a-law": a_law,
    "gsm": gsm,
    "none": lambda samples: samples,
}
"""Codecs: samples (B, N) in [-1, 1] at 8 kHz, coded and decoded."""
