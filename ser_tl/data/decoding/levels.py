"""Whether samples are sound: finite, scaled to [-1, 1], not silent; and the mean of their channels.

    blocks of channels (N, C) --Downmix.mix()--> mono (N,) ... --Downmix.check_silence()--> or an AudioError

Files, file objects and arrays go through the same checks, block by block. Independent of rates and formats.
"""

import numpy as np

from ser_tl.data.audio_config import SILENCE as SILENCE
from ser_tl.errors import AudioError, SilentAudioError

_LOUDEST = 4.0  # floats above are no overdriven recording, but unscaled integers


class Downmix:
    """The mean of the channels of a recording that comes in blocks, and what its samples are.

    Args:
        name: what messages call the recording
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.channels = 1
        self.peak = 0.0  # of the mean
        self.channel_peak = 0.0  # of the loudest channel

    def mix(self, block: np.ndarray) -> np.ndarray:
        """The mean of the channels.

        Args:
            block: samples (N, C), any float type

        Returns:
            (N,), float32, not clipped.

        Raises:
            AudioError: samples are NaN or infinite, or not scaled
        """
        if not len(block):
            return np.zeros(0, np.float32)
        high, low = float(block.max()), float(block.min())
        if not np.isfinite(high) or not np.isfinite(low):  # both are NaN if one sample is
            raise AudioError(f"{self.name}: has samples that are NaN or infinite: export it again or leave it out")
        peak = max(high, -low)
        if peak > _LOUDEST:
            raise AudioError(
                f"{self.name}: samples up to {peak:g}, expected are floats in [-1, 1]: divide them by the full scale "
                f"(32768 for 16 bits) and write the file again"
            )
        mono = block.astype(np.float32, copy=False).mean(axis=1)
        self.channels = block.shape[1]
        self.channel_peak = max(self.channel_peak, peak)
        self.peak = max(self.peak, float(np.abs(mono).max()))
        return mono

    def check_silence(self) -> None:
        """Refuses a recording that has been silent so far.

        Raises:
            SilentAudioError: no channel has a sample above `SILENCE`
            AudioError: the channels have, and their mean has none
        """
        if self.peak > SILENCE:
            return
        if self.channel_peak > SILENCE:
            raise AudioError(
                f"{self.name}: its {self.channels} channels cancel, their mean stays below {SILENCE:g}, a single one "
                f"reaches {self.channel_peak:.3g}: one is inverted; export a single channel"
            )
        raise SilentAudioError(
            f"{self.name}: silent, no sample above {SILENCE:g} (-80 dBFS): export it again or leave it out"
        )
