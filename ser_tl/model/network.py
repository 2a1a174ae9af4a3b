"""The network: encoder, normalised and mixed layers, a context network, pooling, head.

    waveform (B, N), lengths (B,) -> [SpeechGate] -> Loudness -> Encoder -> states (L, B, T, D), mask (B, T)
      -> FeatureNorm -> LayerMix -> [SourceAttention] -> [network] -> pooling -> FeatureNorm -> embedding (B, E)
      -> Head -> logits (B, C)
      -> DimensionHead -> arousal, valence, dominance (B, K), where asked for

Tensors in, tensors out: a call changes nothing in the model, so threads can share one, and torch.export can trace it.
States that were computed before (the feature cache) enter by `forward_states`; each stage is a method, so that training
can change what goes from one to the next. Independent of batches, files, corpora and training.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ser_tl.data.audio_config import AudioConfig
from ser_tl.data.dimension_names import check_names
from ser_tl.encoders import Block, Encoder, EncoderOutput, OnMel, select_layers
from ser_tl.errors import ConfigError
from ser_tl.model.model_config import ModelConfig
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.discriminant import Discriminant
from ser_tl.modules.feature_norm import FeatureNorm, SpeakerNorm, SpeakerPrior
from ser_tl.modules.fusion import SourceAttention
from ser_tl.modules.heads import DimensionHead, Head, LinearHead
from ser_tl.modules.networks import NETWORKS, Network
from ser_tl.modules.pooling import POOLINGS, LayerMix
from ser_tl.modules.speech_front import SpeechFront

if TYPE_CHECKING:
    from ser_tl.modules.outliers import OutlierScore
    from ser_tl.modules.stitching import Stitching


class Output(NamedTuple):
    """What the model computes for a batch.

    Attributes:
        embedding: (B, E), the head's input
        hidden: (B, H), the input of the head's last layer
        logits: (B, C); C is 0 for a model of dimensions alone
        dimensions: (B, K) on the scale of the training annotations; None where the model has none
        speech: (B,) seconds of speech, 0 where there is none; None from a model without a gate, and from states
    """

    embedding: Tensor
    hidden: Tensor
    logits: Tensor
    dimensions: Tensor | None = None
    speech: Tensor | None = None


class EmotionNetwork(nn.Module):
    """An encoder with a head for emotions, one for dimensions, or both.

    Args:
        encoder: from `load_encoder`
        labels: the emotions, in the order of the logits; none for a model of dimensions alone
        pooling: a name of `POOLINGS`
        config: what stands between encoder and logits
        audio: what happens to a clip before the encoder
        dimensions: which of arousal, valence and dominance it tells, in the order of its output

    Attributes:
        calibration: what makes probabilities match frequencies; None for a model that was never calibrated
        activation_ranges: of layers' inputs, by the layers' names, where the training was quantisation-aware
        outliers: how unlike the training data an embedding is; None likewise
        enrolment: how far the mean of a speaker's few clips is believed; None of a model that wasn't trained for that
        stitching: the pieces in which clips are encoded, of a model that was fitted on such; None of all others

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) samples
        -> Output(embedding (B, E), hidden (B, H), logits (B, C), dimensions (B, K))
    """

    def __init__(
        self,
        encoder: Encoder,
        labels: Sequence[str],
        *,
        pooling: str = "attentive-stats",
        config: ModelConfig | None = None,
        audio: AudioConfig | None = None,
        dimensions: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if len(set(labels)) < max(len(labels), 0 if dimensions else 2) or len(labels) == 1:
            raise ConfigError(
                f"a classifier needs at least two different labels, got {list(labels)}; none at all are for a model of "
                f"dimensions alone"
            )
        self.labels = list(labels)
        self.calibration: Calibration | None = None
        self.activation_ranges: dict[str, tuple[float, float]] = {}
        self.enrolment: SpeakerPrior | None = None
        self.outliers: OutlierScore | None = None
        self.stitching: Stitching | None = None
        self.dimensions = check_names(dimensions)
        self.config = config or ModelConfig()
        self.audio = audio or AudioConfig()
        self.pooling_name = pooling
        if encoder.max_seconds is not None and self.audio.max_seconds > encoder.max_seconds:
            raise ConfigError(
                f"audio.max_seconds is {self.audio.max_seconds:g}, the encoder takes at most {encoder.max_seconds:g} s"
            )
        self._may_be_unfitted = True
        self.front = SpeechFront.from_config(self.audio)
        self.encoder = encoder
        self.layers = select_layers(encoder.num_states, self.config.layers)
        states = (len(self.layers), 1, 1, encoder.dim)
        self.standardise_states = FeatureNorm(*states) if self.config.standardise else None
        self.mix = LayerMix(len(self.layers), encoder.dim, self.config.join)
        width = self.mix.out_dim
        self.fuse: nn.Module = nn.Identity()
        if self.config.fusion == "attention":
            if len(encoder.sources) < 2:
                raise ConfigError(
                    "model.fusion is attention, but there is one encoder: name several, as in whisper-tiny.en+mfcc"
                )
            self.fuse = SourceAttention(encoder.sources)
            width = self.fuse.out_dim
        self.project: nn.Module = nn.Identity()
        if self.config.projection:
            self.project = nn.Linear(width, self.config.projection)
            width = self.config.projection
        self.network: Network | None = None if self.config.network == "none" else NETWORKS[self.config.network](width)
        self.pooling = POOLINGS[pooling](width if self.network is None else self.network.out_dim)
        self.embedding_dim = embedding = self.pooling.out_dim
        self.standardise_embedding = FeatureNorm(embedding) if self.config.standardise else None
        classes, hidden, dropout = len(self.labels), self.config.hidden, self.config.dropout
        self.head: Head | LinearHead | None = None
        if self.labels:
            self.head = (
                Head(embedding, classes, hidden, dropout)
                if self.config.head == "network"
                else {"linear": LinearHead, "discriminant": Discriminant}[self.config.head](embedding, classes)
            )
        # A network whatever the emotions' head is: that one is replaced by a refit, this one never.
        count = len(self.dimensions)
        self.dimension_head = DimensionHead(embedding, count, hidden, dropout) if count else None

    def forward(self, waveform: Tensor, lengths: Tensor, norm: SpeakerNorm | None = None) -> Output:
        """Embedding, hidden layer, logits and dimensions of padded clips.

        Args:
            waveform: (B, N) at 16 kHz as it was recorded; what stands behind a clip's length changes nothing
            lengths: (B,) samples of each clip
            norm: statistics of each clip's own speaker or corpus, in the place of the training speech's
        """
        if self.training and not torch.compiler.is_compiling() and torch.is_grad_enabled():
            self._warn_unfitted()
        clips = self.front(waveform, lengths)
        output = self.forward_states(*self.encode(clips.waveform, clips.lengths), norm)
        return output if self.audio.gate == "none" else output._replace(speech=clips.seconds)

    def _warn_unfitted(self) -> None:
        """Warns once of a training on features that nothing was measured of."""
        norm = self.standardise_embedding
        if self._may_be_unfitted and norm is not None and not norm.is_fitted:
            warnings.warn(
                "this model is trained before its feature statistics were measured, and will learn little: call "
                "model.fit_statistics(training_corpus) first (ser_tl.Trainer does so itself)",
                stacklevel=3,
            )
        self._may_be_unfitted = False

    def forward_states(self, states: Tensor, mask: Tensor, norm: SpeakerNorm | None = None) -> Output:
        """The same, from states that the encoder computed before.

        Args:
            states: (L, B, T, D) of the layers that the model uses, in its order
            mask: (B, T) True on speech
            norm: as for `forward`
        """
        frames, mask = self.frames(self.normalize_states(states, norm), mask)
        return self.classify(self.normalize_embedding(self.pooling(frames, mask), norm))

    def encode(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> EncoderOutput:
        """The encoder's states of the layers that the model uses.

        Args:
            waveform: (B, N), as `front` leaves it
            lengths: (B,) samples
            on_mel: augmentation of the log-mel spectrogram, in training; unused by encoders that have none
        """
        encode = partial(self.encoder, layers=self.layers, on_mel=on_mel if self.encoder.has_mel else None)
        if self.stitching is None:
            return encode(waveform, lengths)
        from ser_tl.model.stitched import encode_stitched  # few models are

        return encode_stitched(encode, waveform, lengths, self.stitching, self.encoder.frame_rate)

    def read_stitching(self, content: Mapping[str, float] | None) -> None:
        """Takes the pieces of a saved model, from JSON; None of a model that encodes clips whole."""
        if content is not None:
            from ser_tl.modules.stitching import Stitching

            self.stitching = Stitching(**content)

    def complete_states(self, states: Mapping[int, Tensor], mask: Tensor) -> EncoderOutput:
        """The states of the layers that the model uses, computed from those that are there.

        Args:
            states: (B, T, D) each, by layer index; the layers above the highest are computed from it
            mask: (B, T) True on speech
        """
        highest = max(states)
        above = [layer for layer in self.layers if layer > highest]
        states_by_layer = dict(states)
        if above:
            states_by_layer |= zip(above, self.encoder.resume(states[highest], mask, highest, above), strict=True)
        return EncoderOutput(torch.stack([states_by_layer[layer] for layer in self.layers]), mask)

    def normalize_states(self, states: Tensor, norm: SpeakerNorm | None = None) -> Tensor:
        """States (L, B, T, D) at zero mean and unit variance, where the model normalises."""
        if self.standardise_states is None:
            return states
        return self.standardise_states(states, None if norm is None else norm.states)

    def frames(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The pooling's input: frames (B, T, W) and mask (B, T), from normalised states (L, B, T, D)."""
        frames = self.project(self.fuse(self.mix(states)))
        return (frames, mask) if self.network is None else self.network(frames, mask)

    def normalize_embedding(self, pooled: Tensor, norm: SpeakerNorm | None = None) -> Tensor:
        """Pooled frames (B, E) at zero mean and unit variance, where the model normalises: the head's input."""
        if self.standardise_embedding is None:
            return pooled
        return self.standardise_embedding(pooled, None if norm is None else norm.embedding)

    def classify(self, embedding: Tensor) -> Output:
        """The heads' output for an embedding (B, E). Without emotions, the hidden layer is that of the dimensions."""
        first, *rest = [head for head in (self.head, self.dimension_head) if head is not None]
        hidden = first.forward_features(embedding)
        logits = embedding.new_zeros(embedding.shape[0], 0) if self.head is None else self.head.classify(hidden)
        dimensions = None
        if self.dimension_head is not None:
            dimensions = self.dimension_head(embedding) if rest else self.dimension_head.regress(hidden)
        return Output(embedding, hidden, logits, dimensions)

    def probabilities(self, output: Output) -> Tensor:
        """The emotions' probabilities (B, C) float32 of an output: calibrated, if the model is."""
        logits, calibration = output.logits.float(), self.calibration
        if calibration is None:
            return logits.softmax(dim=-1)
        logits = logits * (
            calibration.scale[0] if len(calibration.scale) == 1 else logits.new_tensor(calibration.scale)
        )
        if calibration.bias:
            logits = logits + logits.new_tensor(calibration.bias)
        if calibration.distance and calibration.outlier_threshold is not None and self.outliers is not None:
            ratio = self.outliers.measure_remoteness(output.embedding, calibration.outlier_threshold).clamp_min(1.0)
            logits = logits / (1.0 + calibration.distance * ratio.log())[:, None]
        return logits.softmax(dim=-1)

    def layer_channels(self) -> list[Tensor]:
        """The places of each layer's channels in the embedding, one tensor a layer.

        Raises:
            ConfigError: the layers are mixed before the pooling, and no channel is one layer's alone
        """
        apart = {"join": "concat", "projection": 0, "network": "none", "fusion": "concat"}
        options = asdict(self.config)
        mixed = [f"model.{name} is {options[name]}" for name, plain in apart.items() if options[name] != plain]
        if mixed:
            raise ConfigError(
                f"{' and '.join(mixed)}, which mixes the encoder's layers before they are pooled, and "
                f"train.refit layer-discriminants needs them side by side: leave it out, or take train.refit "
                f"discriminant"
            )
        widths = self.encoder.layer_widths * len(self.layers)  # a state may hold several layers (fused encoders, taps)
        if len(widths) == 1:
            raise ConfigError(
                "train.refit layer-discriminants gives each of several layers a discriminant, and this model has one "
                "alone: take train.refit discriminant"
            )
        indices = torch.arange(self.pooling.out_dim).reshape(-1, sum(widths))
        return [layer.flatten() for layer in indices.split(widths, dim=1)]

    def trainable_blocks(self) -> list[Block]:
        """The encoder's blocks that can reach the logits, input side first: none above the highest layer in the mix."""
        return self.encoder.blocks_below(max(self.layers))

    @property
    def frame_rate(self) -> float:
        """Frames a second that the pooling sees."""
        return self.encoder.frame_rate / (1 if self.network is None else self.network.stride)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device
