"""Signals that stand for speech and pauses, and sessions that cost nothing."""

import numpy as np

from ser_tl.data.audio import AudioConfig
from ser_tl.inference.session import SessionOutput

RATE = 16_000


def voiced(seconds, rate=RATE, seed=0, level=0.2):
    """Noise under a tremor, loud enough for any gate; of another colour for another seed."""
    generator = np.random.default_rng(seed)
    count = round(seconds * rate)
    tone = np.sin(2 * np.pi * (150 + 40 * seed) * np.arange(count) / rate)
    return (level * (0.5 * tone + 0.3 * generator.standard_normal(count).clip(-2, 2))).astype(np.float32)


def pause(seconds, rate=RATE):
    return np.zeros(round(seconds * rate), np.float32)


def conversation(*parts, rate=RATE):
    """Speech and pauses in turn: seconds of each, speech first; no pause if its seconds are 0."""
    pieces = [
        pause(seconds, rate) if number % 2 else voiced(seconds, rate, seed=number)
        for number, seconds in enumerate(parts)
    ]
    return np.concatenate(pieces)


def chunks(samples, sizes):
    """The samples in blocks of these sizes, over and over."""
    first, number = 0, 0
    while first < len(samples):
        size = sizes[number % len(sizes)]
        yield samples[first : first + size]
        first, number = first + size, number + 1


class LevelSession:
    """Tells the loudness: no network, no torch. What it was asked is kept in `lengths`."""

    audio = AudioConfig(max_seconds=12.0)
    frame_rate = 50.0

    def __init__(self):
        self.labels, self.dimensions, self.lengths = ["loud", "quiet"], [], []

    def run(self, waveform, lengths, wanted, norm=None):
        self.lengths += lengths.tolist()
        level = np.array([np.sqrt(np.mean(row[:count] ** 2)) for row, count in zip(waveform, lengths, strict=True)])
        loud = np.clip(level * 4, 0, 1)
        return SessionOutput(
            np.stack([loud, 1 - loud], axis=1).astype(np.float32), np.zeros((len(level), 0), np.float32)
        )

    def measure_norm(self, batches):
        raise NotImplementedError

    def check_attention(self):
        raise NotImplementedError
