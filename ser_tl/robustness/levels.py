"""Level and spectrum: gain, clipping, filters, spectral tilt, a faint tone.

Filters work on the whole clip's spectrum and have no delay. Knows samples alone.
"""

from collections.abc import Callable

import numpy as np

from ser_tl.augment import BatchRng
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.robustness.change import Function

_ORDER = 8  # of the filters: 48 dB an octave


def gain(decibels: float) -> Function:
    """A clip louder or softer; what exceeds full scale is clipped."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return np.clip(10 ** (decibels / 20) * waveform, -1.0, 1.0)

    return change


def clip_samples(low: float, high: float) -> Function:
    """A clip with its loudest samples, a share between two, cut off at the level below them."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        share = float(draws.uniform(1, low, high))
        level = float(np.quantile(np.abs(waveform), 1.0 - share))
        return np.clip(waveform, -level, level)

    return change


def low_pass(low: float, high: float | None = None) -> Function:
    """A clip without what is above a frequency in Hz; with two, above one that is drawn between them."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        edge = float(draws.uniform(1, low, low if high is None else high))
        return _filtered(waveform, lambda hertz: 1.0 / np.sqrt(1.0 + (hertz / edge) ** (2 * _ORDER)))

    return change


def high_pass(low: float, high: float) -> Function:
    """A clip without what is below a frequency that is drawn between two, in Hz."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        edge = float(draws.uniform(1, low, high))
        return _filtered(waveform, lambda hertz: 1.0 / np.sqrt(1.0 + (edge / np.maximum(hertz, 1e-3)) ** 4))

    return change


def tilt(decibels: float) -> Function:
    """A clip whose spectrum rises by so many dB an octave, as loud as before."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        slope = decibels / (20.0 * np.log10(2.0))
        tilted = _filtered(waveform, lambda hertz: (np.maximum(hertz, 50.0) / 1000.0) ** slope)
        return _at_level_of(waveform, tilted)

    return change


def add_tone(low: float, high: float, least: float, most: float) -> Function:
    """A clip with a tone, its frequency between two in Hz, `least` to `most` dB below the clip."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        hertz, snr = float(draws.uniform(1, low, high)), float(draws.uniform(1, least, most))
        level = np.sqrt(2.0 * np.mean(np.square(waveform, dtype=np.float64))) * 10 ** (-snr / 20)
        return waveform + level * np.sin(2.0 * np.pi * hertz * np.arange(len(waveform)) / SAMPLE_RATE)

    return change


def _filtered(waveform: np.ndarray, response: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    size = len(waveform) + SAMPLE_RATE // 4  # what rings beyond an end doesn't come in at the other
    spectrum = np.fft.rfft(waveform, size)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    return np.fft.irfft(spectrum * response(hertz), size)[: len(waveform)]


def _at_level_of(waveform: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The other clip, as loud as the first."""
    scale = np.sqrt(np.mean(np.square(waveform, dtype=np.float64)) / max(np.mean(np.square(other)), 1e-20))
    return scale * other
