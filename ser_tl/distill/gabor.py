"""A first convolution that begins as a bank of band filters, instead of noise.

    mel-spaced bands x four phases --init_gabor_filters--> kernels of a student's first convolution

Each kernel is a Gabor filter (a cosine under a Gaussian; Zeghidour et al. 2021 learn a front end of them). Of four
phases, a quarter of a turn apart, the positive parts add up to the band's envelope, wherever the window stands: what a
log-mel spectrogram shows, made of what convolutions and GELU can do. Every filter is scaled to a unit deviation on
speech, or the strong low bands would hide the others from the layer norm behind the convolution.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.encoders import SpeechSSL
from ser_tl.encoders.speech_ssl import unit_variance
from ser_tl.errors import ConfigError

PHASES = 4
LOWEST, HIGHEST = 60.0, 7800.0  # centres of the outer bands, Hz
SHORTEST = 200  # samples of a kernel below which the low bands would be no bands
_NARROWEST = 40.0  # Hz of a band
_BIAS = 0.1  # deviation: separates silence from speech for the layer norm behind it


def gabor_filters(count: int, samples: int) -> Tensor:
    """Cosines under Gaussians of unit energy.

    Args:
        count: filters; bands are a quarter of them
        samples: of a filter, N

    Shape:
        -> (count, 1, N)
    """
    bands = -(-count // PHASES)
    low, high = (2595.0 * math.log10(1.0 + hertz / 700.0) for hertz in (LOWEST, HIGHEST))
    centres = 700.0 * (10.0 ** (np.linspace(low, high, bands) / 2595.0) - 1.0)
    widths = np.maximum(np.gradient(centres), _NARROWEST) if bands > 1 else np.array([_NARROWEST])
    times = np.arange(samples) - (samples - 1) / 2.0
    deviations = np.minimum(SAMPLE_RATE / (2.0 * math.pi * 0.6 * widths), samples / 5.0)[:, None]
    envelopes = np.exp(-0.5 * (times / deviations) ** 2)
    envelopes /= np.sqrt(np.square(envelopes).sum(axis=1, keepdims=True))
    angles = 2.0 * math.pi * centres[:, None] * times / SAMPLE_RATE
    turns = math.pi / 2.0 * np.arange(PHASES)
    filters = envelopes[:, None] * np.cos(angles[:, None] + turns[:, None])  # (bands, phases, N)
    return torch.from_numpy(filters.reshape(-1, 1, samples)[:count]).float()


@torch.no_grad()
def init_gabor_filters(student: SpeechSSL, waveform: Tensor, lengths: Tensor) -> None:
    """Sets the student's first convolution, in place, and silences its positional one, which has to learn later.

    Args:
        student: its first convolution has long kernels
        waveform: (B, N) of speech, by which the filters are scaled
        lengths: (B,) samples of each clip

    Raises:
        ConfigError: the kernels are too short for band filters
    """
    convolution: nn.Conv1d = student.model.feature_extractor.conv_layers[0].conv
    count, _, samples = convolution.weight.shape
    if samples < SHORTEST:
        raise ConfigError(
            f"distill.front is bands, but the student's first convolution has kernels of {samples} samples: expected "
            f"{SHORTEST} or more, as in conv_kernel [400, ...] with conv_stride [160, ...]; or leave distill.front out"
        )
    filters = gabor_filters(count, samples).to(convolution.weight.device)
    clips = unit_variance(waveform, lengths) if student.normalise else waveform
    responses = nn.functional.conv1d(clips[:, None], filters, stride=convolution.stride)
    convolution.weight.copy_(filters / responses.std(dim=(0, 2)).clamp_min(1e-6)[:, None, None])
    positions = student.model.encoder.pos_conv_embed.conv
    positions.parametrizations.weight.original0.zero_()  # the weight norm's lengths: gradients still reach them
    positions.bias.zero_()
    if convolution.bias is not None:
        nn.init.normal_(convolution.bias, std=_BIAS)
