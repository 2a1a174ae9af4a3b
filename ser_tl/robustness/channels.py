"""Ways that speech takes: telephones, codecs, other sampling rates.

    clip --encoded and decoded again, in memory--> what is left of it, as long as before

Codecs are libsndfile's, telephones `augment.telephone`'s. Knows samples alone.
"""

import io
from typing import Any

import numpy as np
import soundfile
import soxr

from ser_tl.augment import Draws, build_transform
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.robustness.change import Function
from ser_tl.robustness.transforms import transform

_OPUS = (6_000.0, 256_000.0)  # bits a second at libsndfile's compression levels 1 and 0
_MP3 = (8_000.0, 160_000.0)  # likewise, below 32 kHz


def telephone(codec: str) -> Function:
    """A telephone's band, 8 kHz, and a codec of `augment.telephone`."""
    return transform(build_transform("telephone", {"probability": 1.0, "codecs": [codec]}))


def opus(bits: float) -> Function:
    """Ogg Opus at so many bits a second, as voice messages are sent."""
    level = (_OPUS[1] - bits) / (_OPUS[1] - _OPUS[0])
    return _coded(format="OGG", subtype="OPUS", compression_level=level)


def mp3(bits: float) -> Function:
    """MP3 at so many bits a second."""
    level = (_MP3[1] - bits) / (_MP3[1] - _MP3[0])
    return _coded(format="MP3", subtype="MPEG_LAYER_III", compression_level=level, bitrate_mode="CONSTANT")


def resample(*rates: int) -> Function:
    """A clip at other sampling rates, one after the other, and back."""

    def change(waveform: np.ndarray, draws: Draws) -> np.ndarray:  # noqa: ARG001
        path = [SAMPLE_RATE, *rates, SAMPLE_RATE]
        changed = waveform
        for before, after in zip(path, path[1:], strict=False):
            changed = soxr.resample(changed, before, after)
        return _as_long(changed, len(waveform))

    return change


def _coded(**options: Any) -> Function:  # noqa: ANN401 - soundfile's
    def change(waveform: np.ndarray, draws: Draws) -> np.ndarray:  # noqa: ARG001
        content = io.BytesIO()
        soundfile.write(content, np.clip(waveform, -1.0, 1.0), SAMPLE_RATE, **options)
        content.seek(0)
        decoded, rate = soundfile.read(content, dtype="float32")
        return _as_long(decoded if rate == SAMPLE_RATE else soxr.resample(decoded, rate, SAMPLE_RATE), len(waveform))

    return change


def _as_long(waveform: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples]
