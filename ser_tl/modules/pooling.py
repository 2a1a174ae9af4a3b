"""From frame states to one vector per utterance.

    states (L, B, T, D), standardised --LayerMix--> frames (B, T, W) --pooling--> embedding (B, E)

`mask` is (B, T), True on speech and False on padding. Padding never changes an embedding: tests/modules/test_pooling.py
holds every registered pooling to that by putting noise under a False mask. Independent of encoders and emotions.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ser_tl.registry import Registry


class Pooling(nn.Module):
    """From frames to one vector; built as `POOLINGS[name](dim)` with the channels per frame.

    Attributes:
        out_dim: channels of the embedding, E; those of a frame unless a pooling says otherwise

    Shape:
        frames (B, T, D), mask (B, T) -> (B, E)
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim


POOLINGS: Registry[type[Pooling]] = Registry("pooling", "ser_tl.poolings")


class LayerMix(nn.Module):
    """Layers joined into one sequence of frames, by learned weights (Peters et al. 2018, eq. 1).

    `sum` is their weighted mean; `concat` sets them side by side, each scaled by its weight, so that later layers of
    the model see them apart. A module rather than a bare parameter, so that no adapter library leaves it out of a
    checkpoint.

    Args:
        num_states: layers that come in, L
        dim: channels of each, D
        join: `sum` or `concat`

    Shape:
        states (L, B, T, D) -> (B, T, W); W = D for `sum`, L * D for `concat`
    """

    def __init__(self, num_states: int, dim: int, join: Literal["sum", "concat"] = "sum") -> None:
        super().__init__()
        self.join = join
        self.scores = nn.Parameter(torch.zeros(num_states))
        self.out_dim = dim * (num_states if join == "concat" else 1)

    @property
    def weights(self) -> Tensor:
        """The share of each layer; they add up to 1."""
        return self.scores.softmax(dim=0)

    def forward(self, states: Tensor) -> Tensor:
        """One sequence of frames."""
        weights = self.weights.to(states.dtype)
        if self.join == "sum":
            return torch.einsum("l,lbtd->btd", weights, states)
        scaled = states * (weights * states.shape[0])[:, None, None, None]
        return scaled.permute(1, 2, 0, 3).flatten(2)


def masked_mean(frames: Tensor, mask: Tensor) -> Tensor:
    """Mean over speech frames, (B, T, D) -> (B, D)."""
    weight = mask[..., None].to(frames.dtype)
    return (frames * weight).sum(dim=1) / weight.sum(dim=1)


def masked_deviation(frames: Tensor, weight: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation under frame weights (B, T, 1) that add up to 1, (B, T, D) -> (B, D)."""
    variance = (weight * (frames - mean[:, None]).square()).sum(dim=1)
    return variance.clamp_min(1e-6).sqrt()


class FrameScore(nn.Module):
    """A learned weight for each frame: tanh layer, score, softmax over speech.

    Args:
        dim: channels per frame, D
        hidden: width of the tanh layer

    Shape:
        frames (B, T, D), mask (B, T) -> (B, T, 1), zero on padding, adding up to 1
    """

    def __init__(self, dim: int, hidden: int = 128) -> None:
        super().__init__()
        last = nn.Linear(hidden, 1)
        self.score = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), last)
        nn.init.zeros_(last.weight)  # begins as the plain mean, and attends where that lowers the loss

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The weights."""
        scores = self.score(frames).masked_fill(~mask[..., None], -torch.inf)
        return scores.float().softmax(dim=1).to(frames.dtype)


@POOLINGS.register("mean")
class Mean(Pooling):
    """Mean over speech frames.

    Shape:
        frames (B, T, D), mask (B, T) -> (B, D)
    """

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The embedding."""
        return masked_mean(frames, mask)


@POOLINGS.register("max")
class Max(Pooling):
    """Maximum of each channel over speech frames.

    Shape:
        frames (B, T, D), mask (B, T) -> (B, D)
    """

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The embedding."""
        return frames.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)


@POOLINGS.register("last")
class Last(Pooling):
    """The last speech frame.

    Shape:
        frames (B, T, D), mask (B, T) -> (B, D)
    """

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The embedding."""
        return frames[torch.arange(frames.shape[0], device=frames.device), mask.sum(dim=1) - 1]


@POOLINGS.register("stats")
class Stats(Pooling):
    """Mean and standard deviation over speech frames (Snyder et al. 2018).

    Shape:
        frames (B, T, D), mask (B, T) -> (B, 2D)
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.out_dim = 2 * dim

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The embedding."""
        mean = masked_mean(frames, mask)
        weight = mask[..., None].to(frames.dtype)
        return torch.cat([mean, masked_deviation(frames, weight / weight.sum(dim=1, keepdim=True), mean)], dim=-1)


@POOLINGS.register("attention")
class Attention(Pooling):
    """Mean under learned frame weights (Mirsamadi et al. 2017).

    Shape:
        frames (B, T, D), mask (B, T) -> (B, D)
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.attend = FrameScore(dim)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The embedding."""
        return (self.attend(frames, mask) * frames).sum(dim=1)


@POOLINGS.register("attentive-stats")
class AttentiveStats(Pooling):
    """Mean and standard deviation under learned frame weights (Okabe et al. 2018).

    Shape:
        frames (B, T, D), mask (B, T) -> (B, 2D)
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.attend = FrameScore(dim)
        self.out_dim = 2 * dim

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The embedding."""
        weight = self.attend(frames, mask)
        mean = (weight * frames).sum(dim=1)
        return torch.cat([mean, masked_deviation(frames, weight, mean)], dim=-1)
