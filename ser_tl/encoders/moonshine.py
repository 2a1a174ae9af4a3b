"""Moonshine's encoder: three convolutions on raw samples, then transformer layers with rotary positions.

    waveform -> convolution, tanh (4 ms) -> group norm -> two convolutions (24 ms) -> transformer layers
      each layer: attention -> linear -> GELU -> linear;  feed_forward also taps it behind the GELU

A clip of any length is encoded at its own length. transformers' implementation leaks padding in two ways: its group
norm takes the statistics of all time there is, and its mask counts frames that no whole convolution fits in. Here the
norm has each clip's own frames, and the mask too. The decoder is not loaded.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import MoonshineConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.moonshine.modeling_moonshine import MoonshineEncoder

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import (
    FAMILIES,
    AdapterTargets,
    Block,
    Encoder,
    FeedForward,
    OnMel,
    frames_mask,
    is_frozen,
    zero_padding,
)
from ser_tl.encoders.kernels import use_cpu_kernels
from ser_tl.encoders.pretrained import check_front_end, load_pretrained
from ser_tl.errors import EncoderError
from ser_tl.modules.graph import is_exporting

FRONT_END = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "sampling_rate": SAMPLE_RATE,
    "feature_size": 1,
    "do_normalize": False,
}
"""What a checkpoint's preprocessor_config.json has to say for raw samples to be what it was trained on."""

ENCODER_ALONE = {r"^(model\.)?encoder\.": ""}
"""Names of weights in a whole checkpoint -> in its encoder."""


@FAMILIES.register("moonshine")
class Moonshine(Encoder):
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
    adapter_targets = AdapterTargets(("q_proj", "v_proj"), ("k_proj", "v_proj"), ("fc2",))  # Hu et al. 2021, 7.1

    def __init__(self, model: MoonshineEncoder, *, feed_forward: bool = False, final_norm: bool = True) -> None:
        super().__init__()
        self.feed_forward = feed_forward
        self.final_norm = final_norm
        self.model: Any = model
        if not final_norm:
            self.model.layer_norm = nn.Identity()
        self.width = model.config.hidden_size  # channels of a layer's output, the first in a state
        self.dim = self.width + (model.config.intermediate_size if feed_forward else 0)
        self.num_states = model.config.encoder_num_hidden_layers + (0 if feed_forward else 1)
        stride, self.min_samples = 1, 1
        convolutions: list[Any] = [model.conv1, model.conv2, model.conv3]
        for convolution in convolutions:
            self.min_samples += (convolution.kernel_size[0] - 1) * stride  # the receptive field of one frame: 895
            stride *= convolution.stride[0]
        self.frame_rate = SAMPLE_RATE / stride

    @classmethod
    def from_pretrained(cls, source: str, *, feed_forward: bool = False) -> Self:
        """The encoder of a local folder or hub id: a whole Moonshine, or its encoder alone.

        Args:
            source: the folder or hub id
            feed_forward: see the class
        """
        model = load_pretrained(MoonshineEncoder, source, key_mapping=ENCODER_ALONE)
        check_front_end(source, FRONT_END)
        return use_cpu_kernels(cls(model, feed_forward=feed_forward))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights."""
        model = MoonshineEncoder(MoonshineConfig(**config["architecture"]))
        switches = {"feed_forward": config.get("feed_forward", False), "final_norm": config.get("final_norm", True)}
        return use_cpu_kernels(cls(model, **switches))

    @property
    def config(self) -> dict[str, Any]:
        """Architecture, and the switches that differ from what is usual."""
        config: dict[str, Any] = {"architecture": self.model.config.to_diff_dict()}
        config |= {"feed_forward": True} if self.feed_forward else {}
        return config if self.final_norm else config | {"final_norm": False}

    @property
    def feed_forwards(self) -> list[FeedForward]:
        """Those of all layers."""
        return [FeedForward(layer.mlp.fc1, layer.mlp.fc2) for layer in self.model.layers]

    def shrunken_config(self, layers: int, width: int) -> dict[str, Any]:
        """The same with fewer layers and inner channels."""
        config, sizes = self.config, self.model.config
        if self.feed_forward and width != sizes.intermediate_size:
            raise EncoderError(
                "encoder_options.feed_forward makes the feed-forward networks' inner channels part of each state, so "
                "none can be taken away: leave fewer layers instead (`layers`), or train without feed_forward"
            )
        smaller = {"encoder_num_hidden_layers": layers, "intermediate_size": width}
        cut = layers < sizes.encoder_num_hidden_layers
        return config | {"architecture": config["architecture"] | smaller} | ({"final_norm": False} if cut else {})

    def blocks(self) -> list[Block]:
        """Front end, then one block a transformer layer; the final layer norm goes with the last."""
        layers: list[list[nn.Module]] = [[layer] for layer in self.model.layers]
        layers[-1].append(self.model.layer_norm)
        front = [self.model.conv1, self.model.groupnorm, self.model.conv2, self.model.conv3]
        return [
            Block("front end", nn.ModuleList(front)),
            *(Block(f"layer {number}", nn.ModuleList(layer)) for number, layer in enumerate(layers, 1)),
        ]

    def embed_frames(
        self,
        waveform: Tensor,
        lengths: Tensor,
        on_mel: OnMel | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """What goes into the first layer, or with `feed_forward` its state.

        Clips shorter than one frame (56 ms) are read as if silence followed.
        """
        waveform = zero_padding(waveform, lengths)
        if not is_exporting():  # a recorded graph is given more
            waveform = functional.pad(waveform, (0, max(0, self.min_samples - waveform.shape[1])))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.blocks()[0].modules)):
            frames, counts = self._convolve(waveform, lengths.clamp_min(self.min_samples))
        mask = frames_mask(counts, frames.shape[1])
        return next(self._layers(frames, mask, 0)) if self.feed_forward else frames, mask

    def _convolve(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D) of samples (B, N), and how many lie within each clip (B,)."""
        model = self.model
        counts = _count_frames(model.conv1, lengths)
        frames = model.conv1(waveform[:, None]).tanh()
        frames = norm_clips(frames, frames_mask(counts, frames.shape[2]), model.groupnorm)
        for convolution in (model.conv2, model.conv3):
            counts = _count_frames(convolution, counts)
            frames = functional.gelu(convolution(frames))
        return frames.transpose(1, 2), counts

    def iter_layers(self, state: Tensor, mask: Tensor, layer: int) -> Iterator[Tensor]:
        """What comes out of each layer above; of the last, after the final norm."""
        return self._layers(state[..., : self.width], mask, layer + self.feed_forward)

    def _layers(self, frames: Tensor, mask: Tensor, first: int) -> Iterator[Tensor]:
        """The states of all layers from `first` (0 is the lowest) on, from what that layer takes in."""
        attend = create_bidirectional_mask(config=self.model.config, inputs_embeds=frames, attention_mask=mask)
        rotations = self.model.rotary_emb(frames, torch.arange(frames.shape[1], device=frames.device)[None])
        for number, block in enumerate(self.model.layers[first:], first + 1):
            inside = None
            if self.feed_forward:
                frames, inside = run_layer(block, frames, attend, rotations)
            else:
                frames = block(frames, attention_mask=attend, position_embeddings=rotations)
            state = self.model.layer_norm(frames) if number == len(self.model.layers) else frames
            yield state if inside is None else torch.cat([state, inside], dim=-1)


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


def run_layer(block: Any, frames: Tensor, attend: Tensor | None, rotations: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """A layer's output for frames, and the activations of its feed-forward network after the GELU.

    The layer's own parts in its own order: it gives no such thing away itself.
    """
    if block.gradient_checkpointing and block.training:
        return checkpoint(_run_layer, block, frames, attend, rotations, use_reentrant=False)
    return _run_layer(block, frames, attend, rotations)


def _run_layer(block: Any, frames: Tensor, attend: Tensor | None, rotations: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    attended, _ = block.self_attn(
        hidden_states=block.input_layernorm(frames), attention_mask=attend, position_embeddings=rotations
    )
    frames = frames + attended
    network = block.mlp
    inside = network.activation_fn(network.fc1(block.post_attention_layernorm(frames)))
    return frames + network.fc2(inside), inside


def _count_frames(convolution: nn.Conv1d, counts: Tensor) -> Tensor:
    """How many outputs of a convolution lie wholly within the first `counts` (B,) of its inputs."""
    return (counts - convolution.kernel_size[0]) // convolution.stride[0] + 1
