"""What is fixed about audio, and what a model chooses: its rate, what counts as silence, how long clips are cut.

Numbers alone: nothing here decodes.
"""

import math
from dataclasses import dataclass
from typing import Literal

from ser_tl.errors import ConfigError

SAMPLE_RATE = 16_000
"""Samples per second of every decoded waveform."""

SILENCE = 1e-4
"""Peaks up to this (-80 dBFS, three steps of 16 bits) are silence."""


@dataclass(frozen=True)
class AudioConfig:
    """Preprocessing of clips before the encoder.

    Args:
        normalise: scale each clip to a peak of 1, or to an RMS of 0.1 (about -20 dBFS), or not at all. Encoders that
            need zero mean and unit variance standardise their input in any case
        max_seconds: clips are at most this long. Longer ones are cropped at a random place in training
        evaluation: longer clips in evaluation: `windows` covers the whole clip and averages the probabilities, `centre`
            takes the middle
        gate: how speech is separated from silence and room tone: by `energy` relative to the clip, which is then cut
            at both ends before its loudness is normalised and it is encoded (`modules.speech`); `none` keeps everything
    """

    normalise: Literal["none", "peak", "rms"] = "none"
    max_seconds: float = 12.0
    evaluation: Literal["windows", "centre"] = "windows"
    gate: Literal["none", "energy"] = "none"

    def __post_init__(self) -> None:
        if not self.max_seconds >= 0.1:
            raise ConfigError(f"audio.max_seconds is {self.max_seconds}: clips need at least 0.1 s")

    def segments(self, seconds: float) -> list[tuple[float, float]]:
        """The segments of a clip that evaluation uses: start and end of each in seconds, in order."""
        longest = self.max_seconds
        if self.evaluation == "centre" and seconds > longest:
            return [((seconds - longest) / 2, (seconds + longest) / 2)]
        return windows(seconds, longest)


NEW_MODELS = AudioConfig(gate="energy")
"""The default of new models. `AudioConfig()` is that of older models, whose config names no gate."""


def windows(seconds: float, longest: float) -> list[tuple[float, float]]:
    """Equal windows that cover a clip: as few as it takes, overlapping where the lengths don't divide.

    Args:
        seconds: the clip's length
        longest: the longest window, seconds

    Returns:
        (start, end) of each window in seconds, in order. One window, the whole clip, if it is short enough.
    """
    if seconds <= longest:
        return [(0.0, seconds)]
    count = math.ceil(seconds / longest)
    step = (seconds - longest) / (count - 1)
    return [(number * step, number * step + longest) for number in range(count)]
