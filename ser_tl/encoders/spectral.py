"""Log-mel spectrum and MFCC: the spectral envelope, frame by frame.

    waveform --STFT--> power --mel filters--> decibels            LogMel, D = bands
    waveform --pre-emphasis, then the same--> --DCT--> cepstrum   MFCC, D = coefficients (1 + deltas)

The numbers are librosa's (Slaney's mel scale and area norm, orthonormal DCT-II, 10 log10 of the power), with Hamming
windows and without its cut at 80 dB below the clip's loudest, by which one click would change every quiet frame.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.encoders.base import FAMILIES, OnMel, zero_padding
from ser_tl.encoders.computed import HOP, Computed, append_deltas, check_deltas, count_samples, decibels
from ser_tl.encoders.filters import dct_matrix, slaney_filters
from ser_tl.encoders.spectrum import PowerSpectrum
from ser_tl.errors import EncoderError

WINDOW = 0.025
"""Seconds of an STFT window, unless another is asked for."""

MFCC_BANDS = 40
"""Mel bands below the cepstrum."""

EMPHASIS = 0.97


class MelSpectrum(nn.Module):
    """Power in mel bands from 0 to 8 kHz, in dB.

    Args:
        bands: number of mel filters
        window: seconds of an STFT window; its FFT has the next power of two
        hop: samples between frames

    Shape:
        waveform (B, N) -> (B, T, bands); T = ceil(N / hop)
    """

    filters: Tensor

    def __init__(self, bands: int, window: float, hop: int) -> None:
        super().__init__()
        width = count_samples("window", window)
        self.hop, self.size = hop, 1 << (width - 1).bit_length()
        bins = self.size // 2 + 1
        if not 1 <= bands <= bins // 2:  # more, and filters begin to fall between two bins of the FFT
            raise EncoderError(
                f"{bands} mel bands on windows of {window:g} s: such windows resolve 1 to {bins // 2}; ask for fewer "
                f"bands, or a longer window"
            )
        self.power = PowerSpectrum(torch.hamming_window(width), self.size, hop)
        self.register_buffer("filters", slaney_filters(bins, bands), persistent=False)  # (bins, bands)

    def forward(self, waveform: Tensor) -> Tensor:
        """Mel spectrum of clips followed by silence."""
        around = functional.pad(waveform, (self.size // 2, self.size // 2))
        power = self.power(around)[:, : -(-waveform.shape[1] // self.hop)]
        return decibels(power @ self.filters)


@FAMILIES.register("logmel")
class LogMel(Computed):
    """Log-mel spectrum.

    Args:
        bands: mel bands, D
        window: seconds of a window
        hop: seconds between frames

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, bands) in dB, mask (B, T)
    """

    family = "logmel"
    has_mel = True

    def __init__(self, *, bands: int, window: float, hop: float) -> None:
        super().__init__(hop, {"bands": bands, "window": window, "hop": hop})
        self.spectrum = MelSpectrum(bands, window, self.hop)
        self.dim = bands

    @classmethod
    def from_pretrained(cls, source: str = "", *, bands: int = 40, window: float = WINDOW, hop: float = HOP) -> Self:  # noqa: ARG003
        """The features; nothing is loaded, whatever the source."""
        return cls(bands=bands, window=window, hop=hop)

    def features(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> Tensor:
        """Mel spectrum (B, T, bands), dB."""
        mel = self.spectrum(waveform)
        return mel if on_mel is None else on_mel(mel, self.counts(lengths))


@FAMILIES.register("mfcc")
class MFCC(Computed):
    """Mel-frequency cepstral coefficients and their deltas (Davis and Mermelstein 1980; Furui 1986).

    Args:
        coefficients: cepstral coefficients, the zeroth (loudness) among them
        deltas: 1 adds their deltas, 2 the deltas of these as well
        window: seconds of a window
        hop: seconds between frames

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, coefficients (1 + deltas)), mask (B, T)
    """

    family = "mfcc"
    has_mel = True
    cosines: Tensor

    def __init__(self, *, coefficients: int, deltas: int, window: float, hop: float) -> None:
        super().__init__(hop, {"coefficients": coefficients, "deltas": deltas, "window": window, "hop": hop})
        if not 1 <= coefficients <= MFCC_BANDS:
            raise EncoderError(f"{coefficients} cepstral coefficients: {MFCC_BANDS} mel bands give 1 to {MFCC_BANDS}")
        self.spectrum = MelSpectrum(MFCC_BANDS, window, self.hop)
        self.register_buffer("cosines", dct_matrix(coefficients, MFCC_BANDS), persistent=False)
        self.deltas = check_deltas(deltas)
        self.dim = coefficients * (1 + deltas)

    @classmethod
    def from_pretrained(
        cls,
        source: str = "",  # noqa: ARG003
        *,
        coefficients: int = 13,
        deltas: int = 2,
        window: float = WINDOW,
        hop: float = HOP,
    ) -> Self:
        """The features; nothing is loaded, whatever the source."""
        return cls(coefficients=coefficients, deltas=deltas, window=window, hop=hop)

    def features(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> Tensor:
        """Cepstra and their deltas."""
        emphasised = waveform - EMPHASIS * functional.pad(waveform, (1, -1))
        counts = self.counts(lengths)
        mel = self.spectrum(zero_padding(emphasised, lengths))
        mel = mel if on_mel is None else on_mel(mel, counts)
        return append_deltas(mel @ self.cosines, counts, self.deltas)
