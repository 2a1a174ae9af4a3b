"""Moonshine's encoder: three convolutions on raw samples, then transformer layers with rotary positions.

    waveform -> convolution, tanh (4 ms) -> group norm -> two convolutions (24 ms) -> transformer layers
      each layer: attention -> linear -> GELU -> linear;  feed_forward also taps it behind the GELU

A clip of any length is encoded at its own length. transformers' implementation leaks padding in two ways: its group
norm takes the statistics of all time there is, and its mask counts frames that no whole convolution fits in. Here the
norm has each clip's own frames, and the mask too. The decoder is not loaded.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MoonshineConfig
from transformers.models.moonshine.modeling_moonshine import MoonshineEncoder

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import FAMILIES, FeedForward, OnMel, frames_mask, is_frozen, zero_padding
from ser_tl.encoders.kernels import use_cpu_kernels
from ser_tl.encoders.prenorm import PreNormEncoder, Sizes
from ser_tl.encoders.pretrained import check_front_end, load_pretrained
from ser_tl.encoders.raw_samples import FRONT_END, count_frames, measure_frame, pad_to_frame

ENCODER_ALONE = {r"^(model\.)?encoder\.": ""}
"""Names of weights in a whole checkpoint -> in its encoder."""


@FAMILIES.register("moonshine")
class Moonshine(PreNormEncoder):
    """Moonshine's encoder (Jeffries et al. 2024), of the first generation: tiny and base.

    Args:
        model: transformers' encoder
        feed_forward: make each layer's state wider by what its feed-forward network holds behind the GELU, four times
            the width of its output (as Whisper's `feed_forward`)
        final_norm: the last state is after the final layer norm; not of an encoder whose upper layers were taken away

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (L, B, T, D), mask (B, T); T about 41.7 a second. State 0 is
        what the first layer takes in; with `feed_forward` it is the first layer's, and there is one state less
    """

    family = "moonshine"
    sizes = Sizes(width="hidden_size", layers="encoder_num_hidden_layers", inner="intermediate_size")

    def __init__(self, model: MoonshineEncoder, *, feed_forward: bool = False, final_norm: bool = True) -> None:
        super().__init__(model, feed_forward=feed_forward, final_norm=final_norm)
        convolutions: list[Any] = [model.conv1, model.conv2, model.conv3]
        self.min_samples, step = measure_frame((layer.kernel_size[0], layer.stride[0]) for layer in convolutions)  # 895
        self.frame_rate = SAMPLE_RATE / step

    @classmethod
    def from_pretrained(cls, source: str, *, feed_forward: bool = False) -> Self:
        """The encoder of a local folder or hub id: a whole Moonshine, or its encoder alone.

        Args:
            source: the folder or hub id
            feed_forward: see the class
        """
        model = load_pretrained(MoonshineEncoder, source, key_mapping=ENCODER_ALONE)
        check_front_end(source, FRONT_END | {"do_normalize": False})
        return use_cpu_kernels(cls(model, feed_forward=feed_forward))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights."""
        model = MoonshineEncoder(MoonshineConfig(**config["architecture"]))
        switches = {"feed_forward": config.get("feed_forward", False), "final_norm": config.get("final_norm", True)}
        return use_cpu_kernels(cls(model, **switches))

    @property
    def feed_forwards(self) -> list[FeedForward]:
        """Those of all layers."""
        return [FeedForward(layer.mlp.fc1, layer.mlp.fc2) for layer in self.model.layers]

    @property
    def front(self) -> list[nn.Module]:
        """Three convolutions, and the norm behind the first."""
        return [self.model.conv1, self.model.groupnorm, self.model.conv2, self.model.conv3]

    def embed_frames(
        self,
        waveform: Tensor,
        lengths: Tensor,
        on_mel: OnMel | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """What goes into the first layer, or with `feed_forward` its state.

        Clips shorter than one frame (56 ms) are read as if silence followed.
        """
        waveform = pad_to_frame(zero_padding(waveform, lengths), self.min_samples)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.blocks()[0].modules)):
            frames, counts = self._convolve(waveform, lengths.clamp_min(self.min_samples))
        mask = frames_mask(counts, frames.shape[1])
        return self.first_state(frames, mask), mask

    def _convolve(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D) of samples (B, N), and how many lie within each clip (B,)."""
        model = self.model
        counts = count_frames(model.conv1, lengths)
        frames = model.conv1(waveform[:, None]).tanh()
        frames = norm_clips(frames, frames_mask(counts, frames.shape[2]), model.groupnorm)
        for convolution in (model.conv2, model.conv3):
            counts = count_frames(convolution, counts)
            frames = functional.gelu(convolution(frames))
        return frames.transpose(1, 2), counts

    def layer_options(self, frames: Tensor) -> dict[str, Any]:
        """Rotary positions."""
        positions = torch.arange(frames.shape[1], device=frames.device)[None]
        return {"position_embeddings": self.model.rotary_emb(frames, positions)}

    @staticmethod
    def run_layer(block: Any, frames: Tensor, attend: Tensor | None, **options: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """A layer's output, and its activations after the GELU."""
        attended, _ = block.self_attn(hidden_states=block.input_layernorm(frames), attention_mask=attend, **options)
        frames = frames + attended
        network = block.mlp
        inside = network.activation_fn(network.fc1(block.post_attention_layernorm(frames)))
        return frames + network.fc2(inside), inside


def norm_clips(frames: Tensor, mask: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm of one group, with the statistics of each clip's frames under the mask, taken in float32.

    Shape:
        frames (B, C, T), mask (B, T) -> (B, C, T), zeros before weight and bias where the mask is False
    """
    with torch.autocast(frames.device.type, enabled=False):
        inside = mask[:, None].float()
        count = frames.shape[1] * mask.sum(dim=1)[:, None, None]
        values = frames.float() * inside
        mean = values.sum(dim=(1, 2), keepdim=True) / count
        centred = (values - mean) * inside
        variance = centred.square().sum(dim=(1, 2), keepdim=True) / count
        normed = centred * (variance + norm.eps).rsqrt() * norm.weight[:, None] + norm.bias[:, None]
        return normed.to(frames.dtype)
