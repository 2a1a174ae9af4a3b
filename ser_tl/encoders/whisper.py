"""Whisper's encoder at the clip's true length.

    waveform -> log-mel (10 ms) -> two convolutions (20 ms) + positions -> transformer layers
      each layer: attention -> linear -> GELU -> linear;  feed_forward also taps it behind the GELU

transformers pads every clip to 30 s before this encoder; a 3 s clip then costs ten times what it needs. Here the
position embeddings are cut to the clip and attention is masked. Behind each clip Whisper gets the same silence,
whether the clip stands alone or is padded, so both give the same states. The decoder is not loaded.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AutoModel, WhisperConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.whisper.modeling_whisper import WhisperEncoder

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
from ser_tl.encoders.filters import slaney_filters
from ser_tl.encoders.kernels import use_cpu_kernels
from ser_tl.encoders.pretrained import check_front_end, load_pretrained
from ser_tl.encoders.spectrum import PowerSpectrum
from ser_tl.errors import EncoderError

WINDOW = 400  # samples of an STFT window, 25 ms
HOP = 160  # samples between mel frames, 10 ms


def front_end(config: WhisperConfig) -> dict[str, Any]:
    """What a checkpoint's preprocessor_config.json has to say for the log-mel spectrogram here to be its own."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "sampling_rate": SAMPLE_RATE,
        "n_fft": WINDOW,
        "hop_length": HOP,
        "feature_size": config.num_mel_bins,
        "do_normalize": False,
        "dither": 0.0,
    }


@FAMILIES.register("whisper")
class Whisper(Encoder):
    """Whisper's encoder (Radford et al. 2022).

    Args:
        model: transformers' encoder; its fixed position embeddings become a buffer, which no strategy can unfreeze
        full_window: encode each clip with silence up to 30 s, and give frames of the silence too: ten times the work,
            and what transformers' classifiers were trained on
        feed_forward: make each layer's state wider by what its feed-forward network holds behind the GELU, four times
            the width of its output. These channels are on or off, each for a pattern of its own (Geva et al. 2021), so
            a mean over time shows how often each pattern came, which the mean of the layer's output has blurred
        final_norm: the last state is after the final layer norm; not of an encoder whose upper layers were taken away

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (L, B, T, D), mask (B, T); T = ceil(N / 320). State 0 is what
        the first layer takes in; with `feed_forward` it is the first layer's, and there is one state less
    """

    family = "whisper"
    has_mel = True
    frame_rate = SAMPLE_RATE / HOP / 2
    adapter_targets = AdapterTargets(("q_proj", "v_proj"), ("k_proj", "v_proj"), ("fc2",))  # Hu et al. 2021, 7.1
    positions: Tensor
    mel_filters: Tensor

    def __init__(
        self,
        model: WhisperEncoder,
        *,
        full_window: bool = False,
        feed_forward: bool = False,
        final_norm: bool = True,
    ) -> None:
        super().__init__()
        self.final_norm = final_norm
        self.full_window = full_window
        self.feed_forward = feed_forward
        self.register_buffer("positions", model.embed_positions.weight.detach().clone())
        del model.embed_positions
        self.model: Any = model
        if not final_norm:
            self.model.layer_norm = nn.Identity()
        self.width = model.config.d_model  # channels of a layer's output, the first in a state
        self.dim = self.width + (model.config.encoder_ffn_dim if feed_forward else 0)
        self.num_states = model.config.encoder_layers + (0 if feed_forward else 1)
        self.longest = model.config.max_source_positions  # frames
        self.max_seconds = self.longest / self.frame_rate
        self.power = PowerSpectrum(torch.hann_window(WINDOW), WINDOW, HOP)
        filters = slaney_filters(WINDOW // 2 + 1, model.config.num_mel_bins)
        self.register_buffer("mel_filters", filters, persistent=False)  # (201, bands)

    @classmethod
    def from_pretrained(cls, source: str, *, full_window: bool = False, feed_forward: bool = False) -> Self:
        """The encoder of a local folder or hub id.

        Args:
            source: the folder or hub id
            full_window: see the class
            feed_forward: see the class
        """
        model = load_pretrained(AutoModel, source).get_encoder()
        check_front_end(source, front_end(model.config))
        return use_cpu_kernels(cls(model, full_window=full_window, feed_forward=feed_forward))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights."""
        model = WhisperEncoder(WhisperConfig(**config["architecture"]))
        switches = {name: config.get(name, False) for name in ("full_window", "feed_forward")}
        return use_cpu_kernels(cls(model, final_norm=config.get("final_norm", True), **switches))

    @property
    def config(self) -> dict[str, Any]:
        """Architecture, and the switches that are on."""
        switches = {"full_window": self.full_window, "feed_forward": self.feed_forward}
        on = {name: value for name, value in switches.items() if value}
        return {"architecture": self.model.config.to_diff_dict(), **on} | (
            {} if self.final_norm else {"final_norm": False}
        )

    @property
    def feed_forwards(self) -> list[FeedForward]:
        """Those of all layers."""
        return [FeedForward(layer.fc1, layer.fc2) for layer in self.model.layers]

    def shrunken_config(self, layers: int, width: int) -> dict[str, Any]:
        """The same with fewer layers and inner channels."""
        config, sizes = self.config, self.model.config
        if self.feed_forward and width != sizes.encoder_ffn_dim:
            raise EncoderError(
                "encoder_options.feed_forward makes the feed-forward networks' inner channels part of each state, so "
                "none can be taken away: leave fewer layers instead (`layers`), or train without feed_forward"
            )
        smaller = {"encoder_layers": layers, "encoder_ffn_dim": width}
        cut = layers < sizes.encoder_layers
        return config | {"architecture": config["architecture"] | smaller} | ({"final_norm": False} if cut else {})

    def blocks(self) -> list[Block]:
        """Front end, then one block a transformer layer; the final layer norm goes with the last."""
        layers: list[list[nn.Module]] = [[layer] for layer in self.model.layers]
        layers[-1].append(self.model.layer_norm)
        return [
            Block("front end", nn.ModuleList([self.model.conv1, self.model.conv2])),
            *(Block(f"layer {number}", nn.ModuleList(layer)) for number, layer in enumerate(layers, 1)),
        ]

    def embed_frames(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> tuple[Tensor, Tensor]:
        """What goes into the first layer, or with `feed_forward` its state.

        Raises:
            EncoderError: a clip is longer than Whisper's positions reach (30 s)
        """
        longest = -(-waveform.shape[1] // (2 * HOP))
        if longest > self.longest:
            raise EncoderError(
                f"a clip of {waveform.shape[1] / SAMPLE_RATE:.1f} s is longer than Whisper's {self.max_seconds:g} s: "
                f"lower audio.max_seconds, which crops clips in training and cuts them into windows in evaluation"
            )
        waveform = zero_padding(waveform, lengths)
        if self.full_window:
            longest, samples = self.longest, 2 * HOP * self.longest
            waveform, lengths = (
                functional.pad(waveform, (0, samples - waveform.shape[1])),
                torch.full_like(lengths, samples),
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.blocks()[0].modules)):
            mel = self.log_mel(waveform)
            mel = mel if on_mel is None else on_mel(mel.mT, -(-lengths // HOP)).mT
            mel = mel[..., : 2 * self.longest] if self.full_window else mel  # silence behind is none of the window's
            frames = functional.gelu(self.model.conv1(mel))
            frames = functional.gelu(self.model.conv2(frames)).transpose(1, 2)
        counts = -(-lengths // (2 * HOP))
        mask = frames_mask(counts, longest)
        frames = frames[:, :longest] + self.positions[:longest]
        return next(self._layers(frames, mask, 0)) if self.feed_forward else frames, mask

    def iter_layers(self, state: Tensor, mask: Tensor, layer: int) -> Iterator[Tensor]:
        """What comes out of each layer above; of the last, after the final norm."""
        return self._layers(state[..., : self.width], mask, layer + self.feed_forward)

    def _layers(self, frames: Tensor, mask: Tensor, first: int) -> Iterator[Tensor]:
        """The states of all layers from `first` (0 is the lowest) on, from what that layer takes in."""
        attend = create_bidirectional_mask(config=self.model.config, inputs_embeds=frames, attention_mask=mask)
        for number, block in enumerate(self.model.layers[first:], first + 1):
            frames, inside = run_layer(block, frames, attend) if self.feed_forward else (block(frames, attend), None)
            state = self.model.layer_norm(frames) if number == len(self.model.layers) else frames
            yield state if inside is None else torch.cat([state, inside], dim=-1)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Whisper's log-mel spectrogram of clips followed by silence.

        Shape:
            waveform (B, N) -> (B, bands, F); F is the clip's frames, two or three of silence, and even
        """
        with torch.autocast(waveform.device.type, enabled=False):  # logarithms of small powers need float32
            frames = 2 * (-(-waveform.shape[1] // (2 * HOP)) + 1)
            silence = (frames - 1) * HOP + WINDOW // 2 - waveform.shape[1]
            followed = functional.pad(waveform.float(), (0, silence))
            # Windows are centred; the clip is mirrored before its start, as Whisper was trained.
            power = self.power(functional.pad(followed, (WINDOW // 2, 0), mode="reflect"))
            power = (power @ self.mel_filters).mT.clamp_min(1e-10).log10()
            power = power.maximum(power.amax(dim=(1, 2), keepdim=True) - 8.0)
            return (power + 4.0) / 4.0


def run_layer(block: Any, frames: Tensor, attend: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """A layer's output for frames, and the activations of its feed-forward network after the GELU.

    The layer's own parts in its own order: it gives no such thing away itself.
    """
    if block.gradient_checkpointing and block.training:
        return checkpoint(_run_layer, block, frames, attend, use_reentrant=False)
    return _run_layer(block, frames, attend)


def _run_layer(block: Any, frames: Tensor, attend: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    def drop(values: Tensor, share: float) -> Tensor:
        return functional.dropout(values, share, training=block.training)

    attended, _ = block.self_attn(hidden_states=block.self_attn_layer_norm(frames), attention_mask=attend)
    frames = frames + drop(attended, block.dropout)
    inside = drop(block.activation_fn(block.fc1(block.final_layer_norm(frames))), block.activation_dropout)
    return frames + drop(block.fc2(inside), block.dropout), inside
