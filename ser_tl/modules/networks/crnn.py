"""Convolutions over time that halve the frames, then a BiLSTM (CNN-LSTM).

    frames --[convolution--LayerNorm--GELU--max of two--dropout]--> (B, T', W) --ResidualLSTM--> frames

Convolutions run over time with all channels of a frame as input, not over a frame's channels: those have an order in a
log-mel spectrogram only, and the frames of most encoders have none.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.modules.graph import max_pool
from ser_tl.modules.networks.base import NETWORKS, Network, subsample, zero_padding
from ser_tl.modules.networks.recurrent import ResidualLSTM


class ConvolutionBlock(nn.Module):
    """Convolution over speech, then the larger of each two neighbouring frames.

    Args:
        dim: channels per frame, D
        width: channels that come out, W
        kernel: frames under the kernel, odd
        dropout: share of channels dropped

    Shape:
        frames (B, T, D), mask (B, T) -> frames (B, T', W), mask (B, T'); T' = ceil(T / 2)
    """

    def __init__(self, dim: int, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"a convolution needs an odd kernel, so that frames keep their place, got {kernel}")
        self.convolve = nn.Conv1d(dim, width, kernel, padding=kernel // 2)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Half the frames and their mask."""
        convolved = self.convolve(zero_padding(frames, mask).transpose(1, 2)).transpose(1, 2)
        activated = functional.gelu(self.norm(convolved)).masked_fill(~mask[..., None], -torch.inf)
        halved = max_pool(activated.transpose(1, 2), 2, ceil_mode=True).transpose(1, 2)
        mask = mask[:, ::2]
        return self.dropout(zero_padding(halved, mask)), mask


@NETWORKS.register("crnn")
class CRNN(Network):
    """Convolutions, pooling in time, and a residual BiLSTM (after Trigeorgis et al. 2016).

    Args:
        dim: channels per frame, D
        width: channels per frame throughout, half of them a direction
        convolutions: how many; each halves the frames
        kernel: frames under a kernel, odd
        layers: LSTMs in each direction
        dropout: share of channels dropped after each convolution and each LSTM

    Shape:
        frames (B, T, D), mask (B, T) -> frames (B, T', W), mask (B, T'); T' = ceil(T / 2 ** convolutions)

    Raises:
        ConfigError: an odd width, an even kernel, or no layer
    """

    def __init__(
        self,
        dim: int,
        *,
        width: int = 64,
        convolutions: int = 3,
        kernel: int = 5,
        layers: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(dim)
        if convolutions < 1:
            raise ConfigError(f"a CRNN needs at least one convolution, got {convolutions}; without them it is a bilstm")
        self.convolutions = nn.ModuleList(
            ConvolutionBlock(width if number else dim, width, kernel, dropout) for number in range(convolutions)
        )
        self.lstm = ResidualLSTM(width, layers, dropout)
        self.out_dim, self.stride = width, 2**convolutions

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fewer frames, in the context of their clip."""
        frames, mask = subsample(frames, mask, self.stride)
        for convolution in self.convolutions:
            frames, mask = convolution(frames, mask)
        return self.lstm(frames, mask), mask
