"""Mel filters and cosines: the two fixed matrices between a power spectrum and a cepstrum.

Slaney's mel scale is linear up to 1 kHz and logarithmic above (his Auditory Toolbox, 1998); his filters have equal
areas. Both matrices equal torchaudio's and librosa's.
"""

import math

import torch
from torch import Tensor

from ser_tl.data.audio_config import SAMPLE_RATE

_LINEAR = 200.0 / 3  # Hz a mel below the knee
_KNEE = 1000.0  # Hz
_OCTAVES = math.log(6.4) / 27.0  # logarithm of a mel's ratio above the knee


def slaney_filters(bins: int, bands: int) -> Tensor:
    """Triangular filters from 0 to 8 kHz, evenly spaced on Slaney's mel scale, each of the same area.

    Args:
        bins: of the power spectrum
        bands: number of filters

    Shape:
        (bins, bands)
    """
    nyquist = SAMPLE_RATE / 2
    knee = _KNEE / _LINEAR  # in mel
    mels = torch.linspace(0.0, knee + math.log(nyquist / _KNEE) / _OCTAVES, bands + 2)
    edges = torch.where(mels < knee, _LINEAR * mels, _KNEE * torch.exp(_OCTAVES * (mels - knee)))
    distances = edges - torch.linspace(0.0, nyquist, bins)[:, None]  # (bins, bands + 2)
    widths = edges.diff()
    rising, falling = -distances[:, :-2] / widths[:-1], distances[:, 2:] / widths[1:]
    return rising.minimum(falling).clamp_min(0.0) * (2.0 / (edges[2:] - edges[:-2]))


def dct_matrix(coefficients: int, bands: int) -> Tensor:
    """The orthonormal DCT-II of log-mel bands.

    Shape:
        (bands, coefficients)
    """
    middles = torch.arange(float(bands)) + 0.5
    cosines = torch.cos(math.pi / bands * middles * torch.arange(float(coefficients))[:, None])
    cosines[0] *= 1.0 / math.sqrt(2.0)
    return (cosines * math.sqrt(2.0 / bands)).T
