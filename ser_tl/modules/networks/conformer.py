"""torchaudio's Conformer, its convolution made blind to padding.

    frames --Subsample--> [half feed-forward--attention--convolution--half feed-forward--LayerNorm]--> frames

torchaudio.models.Conformer masks its attention only. Its depthwise convolution reads what a pointwise convolution with
bias made of the padding, and its BatchNorm (or GroupNorm) takes statistics over padding: a clip that was padded from 9
frames to 20 comes out up to 0.4 away from itself alone. No mask from outside reaches between those layers. Here the
feed-forward and attention parts of its layer are kept, and the convolution is replaced by one that silences padding
before its kernel sees it, with a LayerNorm.
"""

from torch import Tensor, nn
from torch.nn import functional

from ser_tl.dependencies import require_torchaudio
from ser_tl.errors import ConfigError
from ser_tl.modules.graph import join_heads
from ser_tl.modules.networks.base import NETWORKS, Network, Subsample, zero_padding


class ConformerConvolution(nn.Module):
    """Gated depthwise convolution over speech (Gulati et al. 2020, figure 2, with LayerNorm for its BatchNorm).

    Args:
        width: channels per frame, W
        kernel: frames under the kernel, odd
        dropout: share of channels dropped

    Shape:
        frames (B, T, W), mask (B, T) -> (B, T, W)
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.rest = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width), nn.Dropout(dropout))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """What a frame gathers from its neighbours."""
        gated = zero_padding(functional.glu(self.gate(self.norm(frames))), mask)
        return self.rest(self.depthwise(gated.transpose(1, 2)).transpose(1, 2))


class ConformerBlock(nn.Module):
    """torchaudio's layer with the convolution above in place of its own, and feed-forward layers of twice the width.

    Args:
        width: channels per frame, W
        heads: of attention; they divide the width
        kernel: frames under the convolution's kernel, odd
        dropout: share of channels dropped

    Shape:
        frames (B, T, W), mask (B, T) -> (B, T, W)
    """

    def __init__(self, width: int, heads: int, kernel: int, dropout: float) -> None:
        require_torchaudio("the conformer")
        from torchaudio.models.conformer import ConformerLayer

        super().__init__()
        self.layer = ConformerLayer(width, 2 * width, heads, kernel, dropout=dropout)
        del self.layer.conv_module
        self.convolution = ConformerConvolution(width, kernel, dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames with the context of all speech frames."""
        layer = self.layer
        frames = frames + 0.5 * layer.ffn1(frames)
        gathered = attend(layer.self_attn, layer.self_attn_layer_norm(frames), mask)
        frames = frames + layer.self_attn_dropout(gathered)
        frames = frames + self.convolution(frames, mask)
        return layer.final_layer_norm(frames + 0.5 * layer.ffn2(frames))


def attend(attention: nn.MultiheadAttention, frames: Tensor, mask: Tensor) -> Tensor:
    """The output of torch's attention for frames, clips first.

    Its own way puts time first, which depends on the batch in a recorded graph.

    Shape:
        frames (B, T, W), mask (B, T) -> (B, T, W)
    """
    projected = functional.linear(frames, attention.in_proj_weight, attention.in_proj_bias)
    queries, keys, values = (
        part.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for part in projected.chunk(3, dim=2)
    )
    dropout = attention.dropout if attention.training else 0.0
    speech = mask[:, None, None]  # True takes part
    gathered = functional.scaled_dot_product_attention(queries, keys, values, speech, dropout)
    return attention.out_proj(join_heads(gathered))


@NETWORKS.register("conformer")
class Conformer(Network):
    """Convolution-augmented Transformer (Gulati et al. 2020); the convolutions encode the order of frames.

    Args:
        dim: channels per frame, D
        width: channels per frame that comes out
        layers: how many blocks
        heads: of attention; they divide the width
        kernel: frames under a convolution's kernel, odd
        stride: frames that are joined into one at the input
        dropout: share of channels dropped at the input and in each block, and of attention weights

    Shape:
        frames (B, T, D), mask (B, T) -> frames (B, T', W), mask (B, T'); T' = ceil(T / stride)

    Raises:
        ConfigError: the width is no multiple of the heads, the kernel is even, or there is no layer
    """

    def __init__(
        self,
        dim: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        kernel: int = 7,
        stride: int = 8,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(dim)
        if heads < 1 or width % heads or kernel % 2 == 0 or layers < 1:
            raise ConfigError(
                f"a conformer needs a width that its heads divide, an odd kernel and at least one layer, got {width}, "
                f"{heads}, {kernel} and {layers}"
            )
        self.subsample = Subsample(dim, width, stride)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(ConformerBlock(width, heads, kernel, dropout) for _ in range(layers))
        self.out_dim, self.stride = width, stride

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames in the context of their clip."""
        frames, mask = self.subsample(frames, mask)
        frames = self.dropout(frames)
        for block in self.blocks:
            frames = block(frames, mask)
        return zero_padding(frames, mask), mask
