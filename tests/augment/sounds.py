"""Clips whose content is known, and measures of them."""

import numpy as np
import torch

RATE = 16_000


def tone(seconds: float, hertz: float = 220.0, level: float = 0.3) -> torch.Tensor:
    """A pure tone (N,)."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    return (level * torch.sin(2 * np.pi * hertz * time)).float()


def speech(seconds: float, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    """Noise whose loudness goes up and down as a voice's does, (N,)."""
    samples = round(seconds * RATE)
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(seed))
    time = torch.arange(samples) / RATE
    return level * noise * (0.6 + 0.4 * torch.sin(2 * np.pi * 4 * time))


def batch(*clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Padded clips (B, N) and lengths (B,)."""
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])


def frequency(clip: torch.Tensor) -> float:
    """Hz of the strongest tone, by a parabola through the peak of a windowed spectrum."""
    size = 1 << 17
    power = torch.fft.rfft(clip.double() * torch.hann_window(len(clip), dtype=torch.float64), size).abs().log()
    peak = int(power[1:-1].argmax()) + 1
    before, at, after = power[peak - 1 : peak + 2].tolist()
    return RATE / size * (peak + 0.5 * (before - after) / (before - 2 * at + after))


def decibels(ratio: float | torch.Tensor) -> float:
    """A ratio of powers in dB."""
    return 10 * float(np.log10(float(ratio)))


def band_power(clip: torch.Tensor, low: float, high: float) -> float:
    """Power between two frequencies, per Hz."""
    spectrum = torch.fft.rfft(clip.double()).abs().square()
    hertz = torch.fft.rfftfreq(len(clip), 1 / RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].sum()) / (high - low)
