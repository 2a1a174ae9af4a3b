"""Log-mel spectra and MFCC against librosa's, on noise, tones, clicks and speech."""

import numpy as np
import pytest
import torch

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import load_encoder
from ser_tl.encoders.spectral import MelSpectrum

from .tiny import clip, padded

librosa = pytest.importorskip("librosa")

SPEECH = sorted(asset("emodb_mini").glob("*.opus"))[3]
TONES = 0.3 * np.sin(2 * np.pi * np.cumsum(np.linspace(100, 7000, 12_345)) / 16_000).astype(np.float32)
CLICK = np.eye(1, 3000, 1000, dtype=np.float32)[0]
CLIPS = {"noise": clip(16_001).numpy(), "sweep": TONES, "click": CLICK, "one sample": np.array([0.5], np.float32)}
CLIPS["speech"] = decode(SPEECH)

pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large:UserWarning:librosa")
each_clip = pytest.mark.parametrize("waveform", CLIPS.values(), ids=CLIPS)


def states(name, waveform, **options):
    return load_encoder(name, **options)(*padded([torch.from_numpy(waveform)])).states[0, 0]


def mel(waveform, bands, window, hop):
    """librosa's log-mel spectrum (T, bands) without the frame centred on the clip's very end."""
    size = 1 << (window - 1).bit_length()
    power = librosa.feature.melspectrogram(
        y=waveform, sr=16_000, n_fft=size, hop_length=hop, win_length=window, window="hamming", pad_mode="constant",
        n_mels=bands,
    )  # fmt: skip
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)[:, : -(-len(waveform) // hop)].T


@pytest.mark.slow
@each_clip
@pytest.mark.parametrize(("bands", "window", "hop"), [(40, 0.025, 0.01), (64, 0.025, 0.01), (64, 0.05, 0.025)])
def test_log_mel_is_librosa_s(waveform, bands, window, hop):
    expected = mel(waveform, bands, round(window * 16_000), round(hop * 16_000))
    found = states("logmel-40", waveform, bands=bands, window=window, hop=hop)
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=5e-3, rtol=1e-3)


@pytest.mark.slow
@each_clip
def test_mfcc_and_their_slopes_are_librosa_s(waveform):
    emphasised = librosa.effects.preemphasis(waveform, coef=0.97, zi=[0.0]) if len(waveform) > 1 else waveform
    cepstra = librosa.feature.mfcc(S=mel(emphasised, 40, 400, 160).T, n_mfcc=13, dct_type=2, norm="ortho")
    first = librosa.feature.delta(cepstra, mode="nearest")
    second = librosa.feature.delta(first, mode="nearest")
    expected = torch.from_numpy(np.concatenate([cepstra, first, second]).T)
    torch.testing.assert_close(states("mfcc", waveform), expected.float(), atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize(("coefficients", "deltas"), [(13, 0), (20, 1), (40, 2)])
def test_fewer_and_more_coefficients_and_slopes_begin_alike(coefficients, deltas):
    found = states("mfcc", CLIPS["speech"], coefficients=coefficients, deltas=deltas)
    assert found.shape[1] == coefficients * (1 + deltas)
    torch.testing.assert_close(found[:, :13], states("mfcc", CLIPS["speech"])[:, :13])


@pytest.mark.parametrize(("bands", "window"), [(128, 0.025), (256, 0.05), (80, 0.02), (64, 0.016)])
def test_no_mel_filter_falls_between_two_bins_of_the_fft(bands, window):
    assert (MelSpectrum(bands, window, 160).filters.amax(dim=0) > 0).all()


def test_a_louder_clip_is_higher_by_the_gain():
    quiet, loud = (states("logmel-40", gain * CLIPS["noise"]) for gain in (0.1, 1.0))
    torch.testing.assert_close(loud - quiet, torch.full_like(quiet, 20.0), atol=1e-2, rtol=0)
