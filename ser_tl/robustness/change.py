"""What a change of the audio is: the same words of the same speaker, recorded or sent in another way.

    clip (N,) at 16 kHz, key --Change.apply--> clip (N',)

Nothing but the audio differs, so that a model's answer should stay. What is drawn follows from the key (the clip's) and
the change's name alone: every model gets the same. Independent of models.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ser_tl.augment import BatchRng

Function = Callable[[np.ndarray, BatchRng], np.ndarray]
"""From a clip (N,), float32, to another (N',)."""

THEMES = {
    "ends": "what stands before and behind the speech",
    "small changes": "inaudible changes",
    "noise": "background noise",
    "phone": "telephones and codecs",
    "recording": "rooms and distances",
    "tilt": "spectral tilt",
    "length": "parts of the clip alone",
}
"""Themes of changes, and what they are about."""


@dataclass(frozen=True)
class Limits:
    """What a model has to stand to pass.

    Args:
        fall: the most that the UAR may fall, a fraction; None for any
        unchanged: the smallest share of answers that stay; None for any
    """

    fall: float | None = None
    unchanged: float | None = None


@dataclass(frozen=True)
class Change:
    """A change of the audio.

    Args:
        name: for tables
        theme: a key of `THEMES`
        function: what it does to a clip
        limits: what a model has to stand; None where a change is shown and not judged
        voices: takes clips of other people to mix in, where there is babble
    """

    name: str
    theme: str
    function: Function
    limits: Limits | None = None
    voices: Callable[[Sequence[np.ndarray]], None] | None = None

    def apply(self, waveform: np.ndarray, key: str, seed: int = 0) -> np.ndarray:
        """A clip after the change, float32; turned down as a whole where it would exceed full scale.

        Args:
            waveform: (N,) at 16 kHz
            key: the clip's id
            seed: of all draws
        """
        draws = BatchRng(seed, zlib.crc32(key.encode()), zlib.crc32(self.name.encode()))
        changed = np.ascontiguousarray(self.function(waveform, draws), dtype=np.float32)
        return changed / max(1.0, float(np.abs(changed).max(initial=0.0)))
