"""A product with cosines and sines is the Fourier transform."""

import pytest
import torch

from ser_tl.encoders.spectrum import PowerSpectrum

from .tiny import clip


@pytest.mark.parametrize(("width", "size", "hop"), [(400, 400, 160), (400, 512, 160), (401, 512, 200), (7, 8, 3)])
@pytest.mark.parametrize("window", [torch.hann_window, torch.hamming_window])
def test_the_product_is_the_transform(width, size, hop, window):
    spectrum = PowerSpectrum(window(width), size, hop)
    waveform = torch.stack([clip(8000), clip(8000, seed=3)])
    power = spectrum(waveform)
    assert power.shape == (2, (8000 - size) // hop + 1, size // 2 + 1)
    torch.testing.assert_close(spectrum.multiply(waveform), power, atol=1e-5 * power.max().item(), rtol=1e-5)
    frame = torch.zeros(size)
    before = (size - width) // 2
    frame[before : before + width] = waveform[1, 2 * hop : 2 * hop + size][before : before + width] * window(width)
    torch.testing.assert_close(power[1, 2], torch.fft.rfft(frame).abs().square(), atol=1e-4, rtol=1e-4)
