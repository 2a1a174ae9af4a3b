"""Two clips at once, and the labels of both: on waveforms, and on embeddings.

    share ~ Beta(alpha, alpha), a partner from the same batch
      waveform * share + the partner's * (1 - share)       labels likewise: targets (B, C)

The clip itself always has the larger share, so that its own label stays the likeliest. The partner is first brought to
the clip's loudness: else the share would say nothing about the mixture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import (
    TRANSFORMS,
    EmbeddingTransform,
    Mixing,
    Transform,
    TransformResult,
    WaveformTransform,
    power,
    zero_padding,
)
from ser_tl.augment.rng import BatchRng
from ser_tl.errors import ConfigError


@dataclass
class _MixupShares(Transform):
    probability: float = 0.5
    alpha: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.alpha, int | float) or not 0.01 <= self.alpha <= 100:
            raise ConfigError(f"{self._at('alpha')} is {self.alpha!r}: expected a number from 0.01 to 100")

    def draw(self, count: int, draws: BatchRng) -> Mixing:
        """Partners and shares of a number of clips."""
        happens = draws.bernoulli(count, self.probability)
        share = draws.beta(count, self.alpha)
        share = torch.where(happens, share.maximum(1.0 - share), 1.0)
        order = draws.permutation(count)
        partners = torch.empty_like(order)
        partners[order] = order.roll(-1)  # nobody's own, but where a clip is alone
        return Mixing(torch.where(happens, partners, torch.arange(count)), share)


@TRANSFORMS.register("mixup")
@dataclass
class Mixup(_MixupShares, WaveformTransform):
    """Mixes waveforms (Zhang et al. 2018).

    Args:
        probability: of each clip
        alpha: of the beta distribution: small ones leave most mixtures near one of the clips, 1 makes all shares alike
    """

    mixes = True

    def __call__(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> TransformResult:
        """Mixes some of the clips, each with another; a partner is cut to the clip's length, or ends before it."""
        mixing = self.draw(len(waveform), draws)
        rows = (mixing.share < 1.0).nonzero()[:, 0]
        partners, share = mixing.partners.to(waveform.device), mixing.share.to(waveform)
        other = zero_padding(waveform[partners], lengths)
        level = power(waveform, lengths) / power(other, lengths.minimum(lengths[partners])).clamp_min(1e-20)
        new = share[:, None] * waveform + (1.0 - share)[:, None] * other * level.sqrt()[:, None]
        peaks = waveform.abs().amax(dim=1).clamp_min(1.0)
        new = new * (peaks / new.abs().amax(dim=1).clamp_min(1e-12)).clamp_max(1.0)[:, None]
        drawn = {"own share": mixing.share[rows].tolist()}
        return TransformResult(torch.where((share < 1.0)[:, None], new, waveform), lengths, drawn, rows, mixing)


@TRANSFORMS.register("mixup-embedding")
@dataclass
class EmbeddingMixup(_MixupShares, EmbeddingTransform):
    """Mixes embeddings, in front of the head (manifold mixup, Verma et al. 2019). Works on cached states.

    Args:
        probability: of each clip
        alpha: as of mixup; the paper takes 2
    """

    alpha: float = 2.0
