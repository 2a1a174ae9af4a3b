"""Speech through a codec, as voice messages and downloads are: Opus and MP3, encoded and decoded again in memory.

clip (N,) --libsndfile--> bytes --libsndfile--> what is left of it (N,)
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError

_OPTIONS: dict[str, dict[str, Any]] = {
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"},
}
_KILOBITS = {"opus": (6.0, 256.0), "mp3": (8.0, 160.0)}  # a second, at libsndfile's compression levels 1 and 0


@TRANSFORMS.register("codec")
@dataclass
class Codec(ClipTransform):
    """Sends speech through a codec, on the CPU.

    Args:
        probability: of each clip
        codecs: which there are, of opus and mp3; each clip goes through one of them
        kilobits: a second
    """

    probability: float = 0.2
    codecs: Sequence[str] = ("opus", "mp3")
    kilobits: Range = (8.0, 32.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.codecs
        if not isinstance(given, list | tuple) or not given or not all(codec in _OPTIONS for codec in given):
            raise ConfigError(f"{self._at('codecs')} is {given!r}: expected a list of some of {', '.join(_OPTIONS)}")
        self._range("kilobits", 8.0, 160.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Sends all of the clips through codecs."""
        chosen = [self.codecs[index] for index in draws.choice(len(waveform), len(self.codecs))]
        kilobits = draws.uniform(len(waveform), *self.kilobits).tolist()
        decoded = torch.zeros_like(waveform)
        for row, (codec, rate, length) in enumerate(zip(chosen, kilobits, lengths.tolist(), strict=True)):
            decoded[row, :length] = torch.from_numpy(transcode(waveform[row, :length].cpu().numpy(), codec, rate))
        return decoded, lengths, {"codec": chosen, "kbit/s": kilobits}


def transcode(waveform: np.ndarray, codec: str, kilobits: float) -> np.ndarray:
    """What a codec leaves of a clip (N,) at 16 kHz, as long as before.

    Args:
        waveform: samples
        codec: opus or mp3
        kilobits: a second
    """
    most, least = _KILOBITS[codec][1], _KILOBITS[codec][0]
    scale = max(1.0, float(np.abs(waveform).max(initial=0.0)))  # codecs end at full scale
    content = io.BytesIO()
    level = (most - kilobits) / (most - least)
    soundfile.write(content, waveform / scale, SAMPLE_RATE, compression_level=level, **_OPTIONS[codec])
    content.seek(0)
    decoded, rate = soundfile.read(content, dtype="float32")
    resampled = decoded if rate == SAMPLE_RATE else soxr.resample(decoded, rate, SAMPLE_RATE)
    return scale * np.pad(resampled, (0, max(0, len(waveform) - len(resampled))))[: len(waveform)]
