"""Self-attention over speech frames.

    frames --Subsample + sinusoidal positions--> [LayerNorm--attention--add--LayerNorm--feed-forward--add]--LayerNorm-->

Positions are computed, not stored: there is no longest clip.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.modules.graph import join_heads
from ser_tl.modules.networks.base import NETWORKS, Network, Subsample, zero_padding


def sinusoids(count: int, width: int, device: torch.device) -> Tensor:
    """Positions (T, W): sines, then cosines, of wavelengths from 2 pi to 10 000 times that (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(width // 2, device=device) * (-math.log(10_000.0) / (width // 2)))
    angles = torch.arange(count, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class TransformerBlock(nn.Module):
    """Attention and feed-forward layer, each behind a LayerNorm and added to what it takes in (Xiong et al. 2020).

    The feed-forward layer is twice as wide as a frame, not four times: speech with emotion labels is scarce.

    Args:
        width: channels per frame, W
        heads: of attention; they divide the width
        dropout: share of channels dropped from what each part adds, and of attention weights

    Shape:
        frames (B, T, W), mask (B, T) -> (B, T, W)
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.share = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames with the context of all speech frames."""
        frames = frames + self.dropout(self.attend(self.attention_norm(frames), mask))
        return frames + self.dropout(self.feed_forward(frames))

    def attend(self, frames: Tensor, mask: Tensor) -> Tensor:
        """What each frame gathers from the speech frames; every clip has one, so no softmax is empty."""
        queries, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.project(frames).chunk(3, dim=2)
        )
        speech = mask[:, None, None, :]  # True takes part
        share = self.share if self.training else 0.0
        gathered = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=speech, dropout_p=share)
        return self.join(join_heads(gathered))


@NETWORKS.register("transformer")
class Transformer(Network):
    """Pre-norm Transformer encoder with sinusoidal positions (Vaswani et al. 2017).

    Args:
        dim: channels per frame, D
        width: channels per frame that comes out, even
        layers: how many blocks
        heads: of attention; they divide the width
        stride: frames that are joined into one at the input
        dropout: share of channels dropped at the input and in each block, and of attention weights

    Shape:
        frames (B, T, D), mask (B, T) -> frames (B, T', W), mask (B, T'); T' = ceil(T / stride)

    Raises:
        ConfigError: the width is odd or no multiple of the heads, or there is no layer
    """

    def __init__(
        self, dim: int, *, width: int = 64, layers: int = 2, heads: int = 4, stride: int = 4, dropout: float = 0.2
    ) -> None:
        super().__init__(dim)
        if width % 2 or heads < 1 or width % heads or layers < 1:
            raise ConfigError(
                f"a transformer needs an even width that its heads divide, and at least one layer, got {width}, "
                f"{heads} and {layers}"
            )
        self.subsample = Subsample(dim, width, stride)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, dropout) for _ in range(layers))
        self.last = nn.LayerNorm(width)
        self.out_dim, self.stride = width, stride

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames in the context of their clip."""
        frames, mask = self.subsample(frames, mask)
        frames = self.dropout(frames + sinusoids(frames.shape[1], self.out_dim, frames.device).to(frames.dtype))
        for block in self.blocks:
            frames = block(frames, mask)
        return zero_padding(self.last(frames), mask), mask
