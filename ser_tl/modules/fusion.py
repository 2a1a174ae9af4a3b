"""Several encoders' channels in one sequence of frames, joined by weights that differ from frame to frame.

    frames (B, T, D1 + D2 + ...) --SourceAttention--> frames (B, T, W)

Knows how many channels each source has, not what the sources are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SourceAttention(nn.Module):
    """Each source projected to one width, and their mean under learned weights, for each frame anew.

    A gate over modalities (Arevalo et al. 2017, eq. 3, with a softmax over any number of sources): where pitch shows
    more than words' sounds do, the frame listens to pitch.

    Args:
        sources: channels of each source, in the order in which they stand in a frame
        width: channels that come out, W

    Shape:
        frames (B, T, sum of sources) -> (B, T, W)
    """

    def __init__(self, sources: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.widths = list(sources)
        self.out_dim = width
        self.project = nn.ModuleList(nn.Sequential(nn.Linear(dim, width), nn.LayerNorm(width)) for dim in sources)
        self.score = nn.Linear(sum(sources), len(self.widths))
        nn.init.zeros_(self.score.weight)  # begins as the plain mean, and prefers where that lowers the loss
        nn.init.zeros_(self.score.bias)

    def weights(self, frames: Tensor) -> Tensor:
        """The share of each source in each frame, (B, T, sources), adding up to 1."""
        return self.score(frames).float().softmax(dim=-1).to(frames.dtype)

    def forward(self, frames: Tensor) -> Tensor:
        """The joined frames."""
        sources = frames.split(self.widths, dim=-1)
        projected = torch.stack(
            [project(source) for project, source in zip(self.project, sources, strict=True)], dim=-1
        )
        return (projected * self.weights(frames)[..., None, :]).sum(dim=-1)
