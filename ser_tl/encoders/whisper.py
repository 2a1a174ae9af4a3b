"""Whisper's encoder at the clip's true length.

    waveform -> log-mel (10 ms) -> two convolutions (20 ms) + positions -> transformer layers
      each layer: attention -> linear -> GELU -> linear;  feed_forward also taps it behind the GELU

transformers pads every clip to 30 s before this encoder; a 3 s clip then costs ten times what it needs. Here the
position embeddings are cut to the clip and attention is masked. Behind each clip Whisper gets the same silence,
whether the clip stands alone or is padded, so both give the same states. The decoder is not loaded.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import FAMILIES, FeedForward, OnMel, frames_mask, is_frozen, zero_padding
from ser_tl.encoders.filters import slaney_filters
from ser_tl.encoders.kernels import use_cpu_kernels
from ser_tl.encoders.prenorm import PreNormEncoder, Sizes
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
class Whisper(PreNormEncoder):
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
    sizes = Sizes(width="d_model", layers="encoder_layers", inner="encoder_ffn_dim")
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
        super().__init__(model, feed_forward=feed_forward, final_norm=final_norm)
        self.full_window = full_window
        self.register_buffer("positions", model.embed_positions.weight.detach().clone())
        del model.embed_positions
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
    def switches(self) -> dict[str, bool]:
        """Those that are on."""
        return ({"full_window": True} if self.full_window else {}) | super().switches

    @property
    def feed_forwards(self) -> list[FeedForward]:
        """Those of all layers."""
        return [FeedForward(layer.fc1, layer.fc2) for layer in self.model.layers]

    @property
    def front(self) -> list[nn.Module]:
        """Two convolutions."""
        return [self.model.conv1, self.model.conv2]

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
        return self.first_state(frames, mask), mask

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

    @staticmethod
    def run_layer(block: Any, frames: Tensor, attend: Tensor | None, **options: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """A layer's output, and its activations after the GELU."""

        def drop(values: Tensor, share: float) -> Tensor:
            return functional.dropout(values, share, training=block.training)

        attended, _ = block.self_attn(
            hidden_states=block.self_attn_layer_norm(frames), attention_mask=attend, **options
        )
        frames = frames + drop(attended, block.dropout)
        inside = drop(block.activation_fn(block.fc1(block.final_layer_norm(frames))), block.activation_dropout)
        return frames + drop(block.fc2(inside), block.dropout), inside
