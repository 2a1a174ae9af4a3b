"""Ways that speech takes: telephones, codecs, other sampling rates.

    clip --sent--> what is left of it, as long as before

Codecs are `augment.codec`'s, telephones `augment.telephone`'s. Knows samples alone.
"""

from itertools import pairwise

import numpy as np
import soxr

from ser_tl.augment import BatchRng, build_transform
from ser_tl.augment.codec import transcode
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.robustness.change import Function
from ser_tl.robustness.transforms import transform


def telephone(codec: str) -> Function:
    """A telephone's band, 8 kHz, and a codec of `augment.telephone`."""
    return transform(build_transform("telephone", {"probability": 1.0, "codecs": [codec]}))


def opus(kilobits: float) -> Function:
    """Ogg Opus at so many kbit/s, as voice messages are sent."""
    return _coded("opus", kilobits)


def mp3(kilobits: float) -> Function:
    """MP3 at so many kbit/s."""
    return _coded("mp3", kilobits)


def resample(*rates: int) -> Function:
    """A clip at other sampling rates, one after the other, and back."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        path = [SAMPLE_RATE, *rates, SAMPLE_RATE]
        changed = waveform
        for before, after in pairwise(path):
            changed = soxr.resample(changed, before, after)
        return _as_long(changed, len(waveform))

    return change


def _coded(codec: str, kilobits: float) -> Function:
    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return transcode(waveform, codec, kilobits)

    return change


def _as_long(waveform: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples]
