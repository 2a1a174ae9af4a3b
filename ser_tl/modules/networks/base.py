"""What a network is, and what all of them share: silence behind the mask, and fewer frames in front.

    frames (B, T, D) --Subsample--> (B, T', W) --the network's layers--> frames (B, T', W), mask (B, T')

Padding can reach speech in four ways: through a convolution's kernel, through attention, through recurrence that begins
in it, and through statistics over frames or clips. So convolutions get frames with `zero_padding`, attention is
masked, LSTMs begin at speech in both directions, and every norm is a LayerNorm of one frame.
"""

from torch import Tensor, nn
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.modules.graph import is_exporting, whole_groups
from ser_tl.registry import Registry


class Network(nn.Module):
    """From frames to frames that know their neighbours; built as `NETWORKS[name](dim)` with the channels per frame.

    Attributes:
        out_dim: channels of a frame that comes out, W
        stride: frames that go in for each that comes out

    Shape:
        frames (B, T, D), mask (B, T), True on the first frames of a clip, one at least -> frames (B, T', W), zero on
        padding, and mask (B, T'); T' = ceil(T / stride)
    """

    out_dim: int
    stride: int

    def __init__(self, dim: int) -> None:  # noqa: ARG002 - what every network is built from
        super().__init__()


NETWORKS: Registry[type[Network]] = Registry("network", "ser_tl.networks")


def zero_padding(frames: Tensor, mask: Tensor) -> Tensor:
    """Frames (B, T, D) with zeros on padding; NaN and infinity go too, as they wouldn't in a product."""
    return frames.masked_fill(~mask[..., None], 0.0)


def subsample(frames: Tensor, mask: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Frames and mask as they are; while a graph is recorded followed by padding, so that two frames at least come out.

    Shape:
        frames (B, T, D), mask (B, T) -> the same, T or T + stride
    """
    if not is_exporting():
        return frames, mask
    return functional.pad(frames, (0, 0, 0, stride)), functional.pad(mask, (0, stride))


class Subsample(nn.Module):
    """Neighbouring frames side by side, and a linear layer to the network's width.

    The last group of a clip is filled up with zeros, whatever its padding holds. Speech changes little within 10 ms,
    and a network over a quarter of the frames is four times faster, its attention sixteen times.

    Args:
        dim: channels per frame, D
        width: channels that come out, W
        stride: frames that become one

    Shape:
        frames (B, T, D), mask (B, T) -> frames (B, T', W), mask (B, T'); T' = ceil(T / stride)
    """

    def __init__(self, dim: int, width: int, stride: int) -> None:
        super().__init__()
        if width < 1 or stride < 1:
            raise ConfigError(f"a network needs a width and a stride of at least 1, got {width} and {stride}")
        self.stride = stride
        self.linear = nn.Linear(dim * stride, width)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fewer, wider frames and their mask."""
        frames = zero_padding(frames, mask)
        if is_exporting():
            frames, mask = subsample(*subsample(frames, mask, self.stride), self.stride)
            groups, speech = (whole_groups(values, self.stride, dim=1) for values in (frames, mask))
            return self.linear(groups.flatten(2)), speech[:, :, 0]
        missing = -frames.shape[1] % self.stride
        groups = functional.pad(frames, (0, 0, 0, missing)).unflatten(1, (-1, self.stride)).flatten(2)
        return self.linear(groups), mask[:, :: self.stride]
