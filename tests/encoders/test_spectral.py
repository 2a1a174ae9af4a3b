"""Log-mel spectra and MFCC against their formulas in NumPy and against librosa's, on noise, tones, clicks and speech.

librosa compiles for twenty seconds when it is first used, so that those tests are exhaustive.
"""

import numpy as np
import pytest
import torch
from scipy.fft import dct
from scipy.signal import savgol_filter

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import load_encoder
from ser_tl.encoders.spectral import MelSpectrum

from .tiny import clip, padded

SPEECH = sorted(asset("emodb_mini").glob("*.opus"))[3]
TONES = 0.3 * np.sin(2 * np.pi * np.cumsum(np.linspace(100, 7000, 12_345)) / 16_000).astype(np.float32)
CLICK = np.eye(1, 3000, 1000, dtype=np.float32)[0]
CLIPS = {"noise": clip(16_001).numpy(), "sweep": TONES, "click": CLICK, "one sample": np.array([0.5], np.float32)}
CLIPS["speech"] = decode(SPEECH)

pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large:UserWarning:librosa")
each_clip = pytest.mark.parametrize("waveform", CLIPS.values(), ids=CLIPS)


def states(name, waveform, **options):
    return load_encoder(name, **options)(*padded([torch.from_numpy(waveform)])).states[0, 0]


def from_mel(mel):
    """Hertz on Slaney's scale: linear to 1 kHz, which is 15, and 27 steps to 6.4 kHz from there."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_by_formula(waveform, bands, window, hop):
    """Log-mel spectrum (T, bands) of triangles of area 1 between 0 and 8 kHz, without the frame on the clip's end."""
    size = 1 << (window - 1).bit_length()
    shape = np.zeros(size)
    shape[(size - window) // 2 :][:window] = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(window) / window)
    padded_clip = np.pad(waveform.astype(np.float64), size // 2)
    frames = [padded_clip[start : start + size] * shape for start in range(0, len(waveform), hop)]
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = from_mel(np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), bands + 2))
    bins = np.fft.rfftfreq(size, 1 / 16_000)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])
    return 10 * np.log10(np.maximum(1e-10, power @ triangles))


def mfcc_by_formula(waveform):
    """Thirteen coefficients and their slopes of both orders (T, 39)."""
    emphasised = waveform - 0.97 * np.pad(waveform, (1, 0))[:-1] if len(waveform) > 1 else waveform
    cepstra = dct(mel_by_formula(emphasised, 40, 400, 160), norm="ortho", axis=1)[:, :13]
    first = savgol_filter(cepstra, 9, 1, deriv=1, axis=0, mode="nearest")
    return np.concatenate([cepstra, first, savgol_filter(first, 9, 1, deriv=1, axis=0, mode="nearest")], axis=1)


def mel_by_librosa(waveform, bands, window, hop):
    """The same of librosa."""
    librosa = pytest.importorskip("librosa")
    size = 1 << (window - 1).bit_length()
    power = librosa.feature.melspectrogram(
        y=waveform, sr=16_000, n_fft=size, hop_length=hop, win_length=window, window="hamming", pad_mode="constant",
        n_mels=bands,
    )  # fmt: skip
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)[:, : -(-len(waveform) // hop)].T


def mfcc_by_librosa(waveform):
    """The same of librosa."""
    librosa = pytest.importorskip("librosa")
    emphasised = librosa.effects.preemphasis(waveform, coef=0.97, zi=[0.0]) if len(waveform) > 1 else waveform
    cepstra = librosa.feature.mfcc(S=mel_by_librosa(emphasised, 40, 400, 160).T, n_mfcc=13, dct_type=2, norm="ortho")
    first = librosa.feature.delta(cepstra, mode="nearest")
    second = librosa.feature.delta(first, mode="nearest")
    return np.concatenate([cepstra, first, second]).T


def by(formula, librosa):
    """The expected values by formula, and by librosa where `-m exhaustive` asks for it."""
    marks = [pytest.mark.exhaustive, pytest.mark.slow]
    cases = [pytest.param(formula, id="formula"), pytest.param(librosa, id="librosa", marks=marks)]
    return pytest.mark.parametrize("expected", cases)


@each_clip
@pytest.mark.parametrize(("bands", "window", "hop"), [(40, 0.025, 0.01), (64, 0.025, 0.01), (64, 0.05, 0.025)])
@by(mel_by_formula, mel_by_librosa)
def test_log_mel_is_that_of_its_formula_and_of_librosa(expected, waveform, bands, window, hop):
    wanted = expected(waveform, bands, round(window * 16_000), round(hop * 16_000))
    found = states("logmel-40", waveform, bands=bands, window=window, hop=hop)
    torch.testing.assert_close(found, torch.from_numpy(wanted).float(), atol=5e-3, rtol=1e-3)


@each_clip
@by(mfcc_by_formula, mfcc_by_librosa)
def test_mfcc_and_their_slopes_are_those_of_their_formula_and_of_librosa(expected, waveform):
    wanted = torch.from_numpy(expected(waveform)).float()
    torch.testing.assert_close(states("mfcc", waveform), wanted, atol=5e-3, rtol=1e-3)


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
