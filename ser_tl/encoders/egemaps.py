"""eGeMAPS: the paralinguist's 88 numbers of a clip, through openSMILE.

    clip (N,) --opensmile.Smile--> 88 functionals of the clip (T = 1), or 25 low-level descriptors every 10 ms

openSMILE computes on the CPU, a clip at a time; the features go back to the waveform's device. It is no part of ser_tl
(`pip install "ser_tl[opensmile]"`), and its licence, audEERING's, is for non-commercial use: that holds for the
features, and for models that were trained on them.
"""

from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import FAMILIES, OnMel
from ser_tl.encoders.computed import HOP, Computed
from ser_tl.errors import EncoderError

Level = Literal["functionals", "lld"]

SHORTEST = 960
"""Samples of openSMILE's longest window, 60 ms; of shorter clips it computes nothing."""


@FAMILIES.register("egemaps")
class EGeMAPS(Computed):
    """The extended Geneva minimalistic acoustic parameter set, eGeMAPSv02 (Eyben et al. 2016).

    Functionals are exactly openSMILE's of the clip. `frame_rate` is 1 in name only: a clip has one frame, however long.
    Descriptors have the other computed features' number of frames; their windows (20 and 60 ms) begin at t * 10 ms
    instead of being centred there. Clips too short for a window, and the last windows of descriptors, are read as if
    silence followed.

    Args:
        level: `functionals` of the clip, or `lld`, low-level descriptors

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, 1, 88) or (1, B, T, 25), mask (B, 1) or (B, T);
        T = ceil(N / 160)
    """

    family = "egemaps"
    why_not_exportable = "openSMILE computes it, a program outside of torch"

    def __init__(self, *, level: Level) -> None:
        super().__init__(HOP, {"level": level})
        if level not in get_args(Level):
            raise EncoderError(f"egemaps has no level {level!r}: levels are {', '.join(get_args(Level))}")
        self.level = level
        self._smile = _smile(level)
        self.dim: int = self._smile.num_features
        self.names: list[str] = self._smile.feature_names
        if level == "functionals":
            self.frame_rate = 1.0

    @classmethod
    def from_pretrained(cls, source: str = "", *, level: Level = "functionals") -> Self:  # noqa: ARG003
        """The features; nothing is loaded, whatever the source.

        Raises:
            EncoderError: no such level, or opensmile isn't installed
        """
        return cls(level=level)

    def counts(self, lengths: Tensor) -> Tensor:
        """Number of frames (B,): one a clip for functionals."""
        return torch.ones_like(lengths) if self.level == "functionals" else super().counts(lengths)

    def features(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> Tensor:  # noqa: ARG002
        """Functionals (B, 1, 88) or descriptors (B, T, 25)."""
        clips = zip(waveform.cpu().numpy(), lengths.tolist(), self.counts(lengths).tolist(), strict=True)
        rows = [self._clip(clip[:length], frames) for clip, length, frames in clips]
        longest = 1 if self.level == "functionals" else -(-waveform.shape[1] // self.hop)
        rows = [functional.pad(row, (0, 0, 0, longest - len(row))) for row in rows]
        return torch.stack(rows).to(waveform.device)

    def _clip(self, clip: np.ndarray, frames: int) -> Tensor:
        """The features (frames, D) of one clip (N,)."""
        # Of descriptors openSMILE computes two in the first 60 ms and one more every 10 ms. The last three change when
        # the audio goes on (their formants do), so three more are computed than are kept.
        needed = SHORTEST if self.level == "functionals" else SHORTEST + (frames + 1) * self.hop
        table = self._smile.process_signal(np.pad(clip, (0, max(0, needed - len(clip)))), SAMPLE_RATE)
        return torch.tensor(table.to_numpy()[:frames], dtype=torch.float32)


def _smile(level: Level) -> Any:  # noqa: ANN401 - of a package that need not be there
    try:
        import opensmile
    except ImportError as error:
        raise EncoderError(
            f"encoder egemaps: needs the package opensmile, which can't be imported ({error}). Run "
            f'`pip install "ser_tl[opensmile]"`; its licence is for non-commercial use'
        ) from error
    levels = {
        "functionals": opensmile.FeatureLevel.Functionals,
        "lld": opensmile.FeatureLevel.LowLevelDescriptors,
    }
    return opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=levels[level])
