"""Long short-term memory in both directions, over padded frames.

    frames --Subsample--> (B, T', W) --[LayerNorm--LSTM forth and back--dropout--add]--LayerNorm--> frames

The direction back runs over clips that are turned round within their own length, so that in both directions padding
comes last and reaches no speech frame. Packed sequences promise the same; on a CPU they are several times
slower in training, and they wait for the lengths on a GPU.
"""

import torch
from torch import Tensor, nn

from ser_tl.errors import ConfigError
from ser_tl.modules.graph import run_lstm
from ser_tl.modules.networks.base import NETWORKS, Network, Subsample, zero_padding


def reverse_frames(frames: Tensor, mask: Tensor) -> Tensor:
    """Each clip's speech frames in reverse order, (B, T, D) -> (B, T, D); padding stays behind them."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    source = torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - positions, positions)
    return frames.gather(1, source[..., None].expand(-1, -1, frames.shape[2]))


class ResidualLSTM(nn.Module):
    """LSTM layers in both directions, each added to what it takes in (pre-norm).

    Args:
        width: channels per frame, half of them a direction
        layers: how many
        dropout: share of channels dropped from what each layer adds

    Shape:
        frames (B, T, W), mask (B, T) -> (B, T, W), zero on padding

    Raises:
        ConfigError: the width is odd, or there is no layer
    """

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        if width < 2 or width % 2 or layers < 1:
            raise ConfigError(f"a BiLSTM needs an even width and at least one layer, got {width} and {layers}")
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.forth = nn.ModuleList(nn.LSTM(width, width // 2, batch_first=True) for _ in range(layers))
        self.back = nn.ModuleList(nn.LSTM(width, width // 2, batch_first=True) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.last = nn.LayerNorm(width)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames with the context of the whole clip."""
        for norm, forth, back in zip(self.norms, self.forth, self.back, strict=True):
            normed = norm(frames)
            context = torch.cat(
                [run_lstm(forth, normed), reverse_frames(run_lstm(back, reverse_frames(normed, mask)), mask)], dim=2
            )
            frames = frames + self.dropout(context)
        return zero_padding(self.last(frames), mask)


@NETWORKS.register("bilstm")
class BiLSTM(Network):
    """Residual bidirectional LSTM (Hochreiter and Schmidhuber 1997; Graves and Schmidhuber 2005).

    Args:
        dim: channels per frame, D
        width: channels per frame that comes out, half of them a direction
        layers: LSTMs in each direction
        stride: frames that are joined into one at the input
        dropout: share of channels dropped at the input and after each layer

    Shape:
        frames (B, T, D), mask (B, T) -> frames (B, T', W), mask (B, T'); T' = ceil(T / stride)
    """

    def __init__(self, dim: int, *, width: int = 64, layers: int = 2, stride: int = 4, dropout: float = 0.3) -> None:
        super().__init__(dim)
        self.subsample = Subsample(dim, width, stride)
        self.dropout = nn.Dropout(dropout)
        self.lstm = ResidualLSTM(width, layers, dropout)
        self.out_dim, self.stride = width, stride

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames in the context of their clip."""
        frames, mask = self.subsample(frames, mask)
        return self.lstm(self.dropout(frames), mask), mask
