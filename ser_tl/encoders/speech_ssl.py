"""wav2vec 2.0, HuBERT, WavLM, UniSpeech-SAT and data2vec-audio, through transformers.

    waveform -> zero mean, unit variance of each clip -> convolutions -> projection -> transformer layers

One class serves the families that share their parts' names. Each clip is normalised over its own samples, and whatever
mixes frames is masked (ser_tl.encoders.masked), so that a clip has the same states alone and padded, whichever norm its
checkpoint's convolutions use.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

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
from ser_tl.encoders.masked import MaskedAttention, WavLMAttention, convolve, positions
from ser_tl.encoders.parametrised import make_portable
from ser_tl.encoders.pretrained import check_front_end, load_pretrained
from ser_tl.encoders.raw_samples import FRONT_END, measure_frame, pad_to_frame

# Layer drop and time masking break exact resuming and DDP, and train-time masks crash on short clips: both off.
PLAIN = {"layerdrop": 0.0, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}  # known to all families


@FAMILIES.register("wav2vec2")
@FAMILIES.register("hubert")
@FAMILIES.register("wavlm")
@FAMILIES.register("unispeech-sat")
@FAMILIES.register("data2vec-audio")
class SpeechSSL(Encoder):
    """A self-supervised speech encoder (Baevski et al. 2020, 2022; Hsu et al. 2021; Chen et al. 2022a, b).

    Args:
        model: the transformers model
        normalise: scale each clip to zero mean and unit variance, as the checkpoint's feature extractor says
        final_norm: the last state is after the final layer norm of a stable (pre-norm) checkpoint; transformers'
            weighted sums of layers, and what was trained on them, take it before

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (L, B, T, D), mask (B, T); T about 50 a second
    """

    # In attention, queries and values are the best use of LoRA's few parameters (Hu et al. 2021, section 7.1). WavLM's
    # own attention takes bare weights out of its projections; the masked one here calls them.
    adapter_targets = AdapterTargets(
        ("q_proj", "v_proj"), ("k_proj", "v_proj"), ("output_dense",), closed=(WavLMAttention,)
    )

    def __init__(self, model: PreTrainedModel, *, normalise: bool, final_norm: bool = True) -> None:
        super().__init__()
        self.model: Any = model  # the families share names of parts, but no type that has them
        make_portable(model)
        self.normalise = normalise
        self.final_norm = final_norm
        if self.stable and not final_norm:
            self.model.encoder.layer_norm = nn.Identity()  # never used here: DDP would wait for its gradients
        self.model.masked_spec_embed = self.model.adapter = None  # never used here: DDP would wait for their gradients
        for layer in self.model.encoder.layers:
            if isinstance(layer.attention, WavLMAttention):
                layer.attention = MaskedAttention(layer.attention)
        config = model.config
        self.family = config.model_type
        self.dim = config.hidden_size
        self.num_states = config.num_hidden_layers + 1
        self.min_samples, step = measure_frame(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.frame_rate = SAMPLE_RATE / step

    @classmethod
    def from_pretrained(cls, source: str, *, final_norm: bool = True) -> Self:
        """The encoder of a local folder or hub id.

        Args:
            source: the folder or hub id
            final_norm: see the class
        """
        model = load_pretrained(AutoModel, source, **PLAIN)
        extractor = load_pretrained(AutoFeatureExtractor, source)
        check_front_end(source, FRONT_END)
        return use_cpu_kernels(cls(model, normalise=extractor.do_normalize, final_norm=final_norm))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights."""
        architecture = AutoConfig.for_model(**(config["architecture"] | PLAIN))
        model = AutoModel.from_config(architecture, dtype=torch.float32)
        encoder = cls(model, normalise=config["normalise"], final_norm=config.get("final_norm", True))
        return use_cpu_kernels(encoder)

    @property
    def config(self) -> dict[str, Any]:
        """Architecture and normalisation."""
        settings = {"architecture": self.model.config.to_diff_dict(), "normalise": self.normalise}
        return settings if self.final_norm else settings | {"final_norm": False}

    @property
    def feed_forwards(self) -> list[FeedForward]:
        """Those of all layers."""
        networks = [layer.feed_forward for layer in self.model.encoder.layers]
        return [FeedForward(network.intermediate_dense, network.output_dense) for network in networks]

    def shrunken_config(self, layers: int, width: int) -> dict[str, Any]:
        """The same with fewer layers and inner channels."""
        config = self.config
        sizes = {"num_hidden_layers": layers, "intermediate_size": width}
        cut = self.stable and layers < len(self.model.encoder.layers)
        return config | {"architecture": config["architecture"] | sizes} | ({"final_norm": False} if cut else {})

    def blocks(self) -> list[Block]:
        """Front end, positional convolution, then one block a transformer layer."""
        layers: list[list[nn.Module]] = [[layer] for layer in self.model.encoder.layers]
        positions: list[nn.Module] = [self.model.encoder.pos_conv_embed, self.model.encoder.dropout]
        # The encoder's layer norm comes first in the post-norm layout and last in the stable (pre-norm) one.
        (layers[-1] if self.stable else positions).append(self.model.encoder.layer_norm)
        return [
            Block("front end", nn.ModuleList([self.model.feature_extractor, self.model.feature_projection])),
            Block("positions", nn.ModuleList(positions)),
            *(Block(f"layer {number}", nn.ModuleList(layer)) for number, layer in enumerate(layers, 1)),
        ]

    @property
    def stable(self) -> bool:
        """Whether each layer norms what it takes in, so that the last state needs a norm of its own."""
        return getattr(self.model.config, "do_stable_layer_norm", False)

    def embed_frames(
        self,
        waveform: Tensor,
        lengths: Tensor,
        on_mel: OnMel | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """What goes into the first layer; clips shorter than one frame (25 ms) are read as if silence followed."""
        waveform = unit_variance(waveform, lengths) if self.normalise else zero_padding(waveform, lengths)
        waveform = pad_to_frame(waveform, self.min_samples)
        frozen = is_frozen(self.model.feature_extractor) and is_frozen(self.model.feature_projection)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            features, counts = convolve(
                self.model.feature_extractor.conv_layers, waveform, lengths.clamp_min(self.min_samples)
            )
            projected = self.model.feature_projection(features.transpose(1, 2))
        frames = projected[0] if isinstance(projected, tuple) else projected  # HuBERT returns the frames alone
        mask = frames_mask(counts, frames.shape[1])
        encoder = self.model.encoder
        frames = frames + positions(encoder.pos_conv_embed, frames, mask)
        return encoder.dropout(frames if self.stable else encoder.layer_norm(frames)), mask

    def iter_layers(self, state: Tensor, mask: Tensor, layer: int) -> Iterator[Tensor]:
        """What comes out of each layer above; of the last, after the final norm."""
        encoder, frames = self.model.encoder, state
        if self.family == "wavlm":
            # The first layer's, shared by all: made here so that it is there without the first layer's turn, too.
            extra = {"attention_mask": mask, "position_bias": encoder.layers[0].attention.position_bias(frames)}
        else:
            attend = create_bidirectional_mask(config=encoder.config, inputs_embeds=frames, attention_mask=mask)
            extra = {"attention_mask": attend}
        for number, block in enumerate(encoder.layers[layer:], layer + 1):
            output = block(frames, **extra)
            frames = output[0] if isinstance(output, tuple) else output  # WavLM's return their position bias, too
            yield encoder.layer_norm(frames) if self.stable and number == len(encoder.layers) else frames


def unit_variance(waveform: Tensor, lengths: Tensor) -> Tensor:
    """Each clip of (B, N) with zero mean and unit variance over its own samples, zeros behind its length.

    Equals `Wav2Vec2FeatureExtractor`'s normalisation of the clip alone.
    """
    mask = frames_mask(lengths, waveform.shape[1])
    count = lengths[:, None]
    mean = (waveform * mask).sum(dim=1, keepdim=True) / count
    centred = (waveform - mean) * mask
    variance = centred.square().sum(dim=1, keepdim=True) / count
    return centred / (variance + 1e-7).sqrt()
