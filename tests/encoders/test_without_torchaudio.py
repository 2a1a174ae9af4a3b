"""Encoders and networks where torchaudio can't be loaded, and the matrices that were taken from it."""

import subprocess

import pytest
import torch
from torchaudio.functional import create_dct, melscale_fbanks, resample

from ser_tl.encoders.filters import dct_matrix, slaney_filters
from ser_tl.encoders.resampling import Resampler
from tests.forked import forked_python

from .tiny import clip

PROGRAM = """
import sys
for name in ["torchaudio", *sys.modules]:  # others may have imported it already
    if name.partition(".")[0] == "torchaudio":
        sys.modules[name] = None
import torch
from ser_tl.encoders import FAMILIES, VGGish, load_encoder
from ser_tl.modules.networks import NETWORKS
waveform, lengths = torch.zeros(1, 4000), torch.tensor([4000])
for name in ("wav2vec2-mini", "soundnet", "mfcc", "logmel-40", "prosody", "soundnet+mfcc"):
    load_encoder(name)(waveform, lengths)
VGGish(channels=[1, 1, 1, 1], hidden=1, size=1)(waveform, lengths)
for name in ("bilstm", "crnn", "transformer"):
    NETWORKS[name](3)
print("whisper" in FAMILIES)
"""


@pytest.mark.slow
def test_every_encoder_works_where_torchaudio_cannot_be_loaded():
    done = subprocess.run([forked_python(), "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


@pytest.mark.parametrize(("bins", "bands"), [(201, 80), (201, 128), (257, 40), (257, 64), (1025, 128)])
def test_mel_filters_are_torchaudios(bins, bands):
    expected = melscale_fbanks(bins, 0.0, 8000.0, bands, 16_000, norm="slaney", mel_scale="slaney")
    torch.testing.assert_close(slaney_filters(bins, bands), expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("coefficients", [1, 13, 40])
def test_the_dct_is_torchaudios(coefficients):
    torch.testing.assert_close(dct_matrix(coefficients, 40), create_dct(coefficients, 40, "ortho"), atol=1e-7, rtol=0)


@pytest.mark.parametrize("rates", [(16_000, 22_050), (8000, 16_000), (44_100, 16_000)], ids=str)
@pytest.mark.parametrize("samples", [1, 321, 20_000])
def test_resampling_is_torchaudios(rates, samples):
    waveform = torch.stack([clip(samples), clip(samples, seed=1)])
    expected = resample(waveform, *rates, lowpass_filter_width=16)
    torch.testing.assert_close(Resampler(*rates)(waveform), expected, atol=1e-6, rtol=0)
