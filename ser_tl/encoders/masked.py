"""The parts of wav2vec 2.0 and its kin that mix a clip's frames, each kept inside the clip.

    waveform --convolve--> frames --positions--> + position embeddings --layers, WavLM's with MaskedAttention--> states

transformers masks attention, and leaves three leaks from the padding into a clip: the group norm after the first
convolution (wav2vec2-base, HuBERT-base, WavLM-base) takes its statistics over the padding, data2vec's convolutions of
positions are stacked, and a batch norm before that convolution (some HuBERT) turns masked zeros into numbers. What
stands here runs transformers' own modules on the frames of each clip alone; for a single clip it computes what they
compute, and parameters keep their names. It holds no state: masks are arguments.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from ser_tl.encoders.base import frames_mask
from ser_tl.encoders.fast_conv import clips_per_chunk, is_plain, strided_layer, wide_convolution
from ser_tl.encoders.raw_samples import count_frames
from ser_tl.modules.graph import is_recording, join_heads


def convolve(layers: Iterable[Any], waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The convolutions' frames of each clip, and how many of them lie within it.

    No convolution pads, so that a frame whose receptive field lies within the clip never sees what stands behind.
    On a CPU a few clips go through all layers before the next do.

    Shape:
        waveform (B, N), lengths (B,) -> frames (B, C, T), counts (B,)
    """
    layers = list(layers)
    if is_recording():  # how many parts there are would depend on the batch
        return _convolve(layers, waveform, lengths)
    clips = clips_per_chunk(layers[0].conv, waveform)
    chunks = zip(waveform.split(clips), lengths.split(clips), strict=True)
    outputs = [_convolve(layers, *chunk) for chunk in chunks]
    return (
        outputs[0]
        if len(outputs) == 1
        else (torch.cat([output[0] for output in outputs]), torch.cat([output[1] for output in outputs]))
    )


def _convolve(layers: list[Any], waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    frames, counts = waveform[:, None], lengths
    for layer in layers:
        counts = count_frames(layer.conv, counts)
        norm = getattr(layer, "layer_norm", None)
        if isinstance(norm, nn.GroupNorm):
            frames = layer.conv(frames)
            frames = layer.activation(group_norm_(frames, frames_mask(counts, frames.shape[2]), norm))
        elif norm is not None and is_plain(layer.conv, frames):
            frames = strided_layer(layer, frames)
        else:
            frames = layer(frames)
    return frames, counts


def group_norm_(frames: Tensor, mask: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm of one channel a group, with the statistics of the frames under the mask, taken in float32.

    Overwrites `frames`, zeros where the mask is False: at 3200 frames a second of 512 channels, every copy is dear.

    Shape:
        frames (B, C, T), mask (B, T) -> (B, C, T)
    """
    with torch.autocast(frames.device.type, enabled=False):
        inside, count = mask[:, None].float(), mask.sum(dim=1)[:, None, None]
        centred = frames.float().mul_(inside)
        mean = centred.sum(dim=2, keepdim=True) / count
        centred.addcmul_(mean, inside, value=-1.0)
        # The norm squared is the sum of squares without a tensor of squares.
        variance = torch.linalg.vector_norm(centred, dim=2, keepdim=True).square() / count
        scale = norm.weight[:, None] * (variance + norm.eps).rsqrt()
        return torch.addcmul(norm.bias[:, None], centred, scale).to(frames.dtype)


def positions(embed: Any, frames: Tensor, mask: Tensor) -> Tensor:  # noqa: ANN401 - each family has a class of its own
    """Position embeddings by convolution; frames outside the mask are the zeros that convolutions put behind a clip.

    A batch norm before the convolution keeps its pretrained statistics in training too: those of a batch would make a
    clip's states depend on the clips beside it.

    Shape:
        frames (B, T, D), mask (B, T) -> (B, T, D)
    """
    inside, embedded = mask[:, None], frames.transpose(1, 2)
    if hasattr(embed, "layers"):
        for layer in embed.layers:
            embedded = layer(embedded * inside)
        return embedded.transpose(1, 2)
    norm = getattr(embed, "batch_norm", None)
    if norm is not None:
        embedded = functional.batch_norm(
            embedded, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
    convolve_widely = wide_convolution if is_plain(embed.conv, embedded) else nn.Module.__call__
    return embed.activation(embed.padding(convolve_widely(embed.conv, embedded * inside))).transpose(1, 2)


class MaskedAttention(WavLMAttention):
    """WavLM's attention (Chen et al. 2022) by scaled dot products of what its projections return.

    transformers hands the projections' bare weights to torch's multi-head attention: hooks and adapters on them would
    do nothing, and a boolean mask beside the float position bias is deprecated there.

    Args:
        attention: transformers' own, whose layers and weights it takes over, under the same names

    Shape:
        frames (B, T, D), mask (B, T) or None, position_bias (B * heads, T, T) -> (B, T, D), no weights
    """

    def __init__(self, attention: WavLMAttention) -> None:
        with torch.device("meta"):  # nothing is made that would be thrown away
            super().__init__(
                attention.embed_dim,
                attention.num_heads,
                attention.dropout,
                attention.num_buckets,
                attention.max_distance,
                has_relative_position_bias=hasattr(attention, "rel_attn_embed"),
            )
        for name, layer in attention.named_children():
            setattr(self, name, layer)
        self.gru_rel_pos_const = attention.gru_rel_pos_const
        self.train(attention.training)

    def position_bias(self, frames: Tensor) -> Tensor:
        """What each head adds to its scores for how far two frames are apart; only the first layer has the weights.

        Shape:
            frames (B, T, D) -> (B * heads, T, T)
        """
        return self.compute_bias(frames.shape[1], frames.shape[1]).repeat(frames.shape[0], 1, 1)

    def torch_multi_head_self_attention(  # the name that WavLMAttention.forward calls
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None,
        gated_position_bias: Tensor,
    ) -> tuple[Tensor, Any]:
        """Attends to the frames under the mask."""
        query, key, value = (
            project(hidden_states).unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        bias = gated_position_bias.unflatten(0, (-1, self.num_heads))
        if attention_mask is not None:
            bias = bias.masked_fill(attention_mask[:, None, None] == 0, -torch.inf)
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), dropout)
        return self.out_proj(join_heads(attended)), None
