"""Quality flags of a recording's sound, measured on the model's input: 16 kHz, mono.

    windows --QualityMeter.add--> ... --flags()--> ["quiet", "clipped"]

Flags warn about the answer beside them; they change nothing about it.
"""

import numpy as np

from ser_tl.data.audio_config import SAMPLE_RATE, SILENCE

FLAGS = {
    "silent": "no sample above -80 dBFS: there is no answer",
    "short": "less than half a second",
    "quiet": "below -50 dBFS (RMS of its active frames)",
    "clipped": "one sample in a thousand at full scale",
    "pauses": "less than a fifth of it is active",
    "too short": "less speech than the model was seen to judge well",
    "unlike training": "far from the training speech, as the model itself measures it",
    "narrowband": "next to nothing above 4 kHz: a telephone, or a codec of few bits",
}
"""What each flag means."""

_SHORT = 0.5  # seconds
_QUIET = 10 ** (-50 / 20)
_FULL_SCALE, _CLIPPED = 0.99, 1e-3
_FRAME = SAMPLE_RATE // 50
_ACTIVE = 10 ** (-40 / 10)  # of the loudest frame's energy: frames below don't count as active
_FEW_ACTIVE = 0.2
_SPECTRA, _BINS = 16, 512  # spectra of a window, of so many samples each
_WINDOW = np.hanning(_BINS)
_NARROW = 1e-6  # share of the energy above 4 kHz


class QualityMeter:
    """Measures a recording window by window."""

    def __init__(self) -> None:
        self.samples = 0
        self._clipped = 0
        self._peak = 0.0
        self._energies: list[np.ndarray] = []
        self._spectrum = np.zeros(_BINS // 2 + 1)

    def add(self, samples: np.ndarray) -> None:
        """Measures a window (N,)."""
        magnitude = np.abs(samples)
        self.samples += len(samples)
        self._peak = max(self._peak, float(magnitude.max(initial=0.0)))
        if self._peak >= _FULL_SCALE:
            self._clipped += int(np.count_nonzero(magnitude >= _FULL_SCALE))
        whole = len(samples) // _FRAME * _FRAME
        if whole:
            frames = samples[:whole].reshape(-1, _FRAME)
            self._energies.append(np.einsum("ij,ij->i", frames, frames) / _FRAME)
        if len(samples) >= _BINS:
            starts = np.linspace(0, len(samples) - _BINS, _SPECTRA).astype(int)
            spectra = np.fft.rfft(samples[starts[:, None] + np.arange(_BINS)] * _WINDOW)
            self._spectrum += np.square(np.abs(spectra)).sum(axis=0)

    def flags(self) -> list[str]:
        """The flags that hold, in the order of `FLAGS`."""
        if self._peak <= SILENCE:
            return ["silent"]
        energies = np.concatenate(self._energies) if self._energies else np.zeros(0)
        active = energies[energies > _ACTIVE * energies.max(initial=0.0)]
        whole = self._spectrum.sum()
        holds = {
            "short": self.samples < _SHORT * SAMPLE_RATE,
            "quiet": len(active) > 0 and np.sqrt(active.mean()) < _QUIET,
            "clipped": self._clipped > _CLIPPED * self.samples,
            "pauses": len(active) < _FEW_ACTIVE * len(energies),
            "narrowband": whole > 0 and self._spectrum[_BINS // 4 + 8 :].sum() < _NARROW * whole,
        }
        return [name for name in FLAGS if holds.get(name)]
