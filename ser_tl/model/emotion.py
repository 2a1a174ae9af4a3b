"""The network: encoder, standardised and mixed layers, a context network, pooling, head.

    Batch -> Encoder -> Hidden -> Standardise -> LayerMix -> [SourceAttention] -> [network] -> pooling -> Standardise
    -> embedding (B, E) -> Head -> logits (B, C)
                        -> DimensionHead -> arousal, valence, dominance (B, K), where asked for

A batch that brings states of the encoder's lower layers (`training.cache`) skips these layers, or all of it. Knows
nothing of corpora or training.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, Self, overload

import numpy as np
import torch
from torch import Tensor, nn

from ser_tl.augment import Disturbance
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import Batch
from ser_tl.data.dimensions import check_names
from ser_tl.discriminant import Discriminant
from ser_tl.encoders import FAMILIES, Block, Encoder, Hidden, chosen_layers, load_encoder
from ser_tl.encoders.mel import tapped
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.fusion import SourceAttention
from ser_tl.heads import Head, LinearHead
from ser_tl.model.config import ModelConfig
from ser_tl.model.dimensions import DimensionHead
from ser_tl.model.interchange import read_classifier
from ser_tl.model.prediction import Prediction, Recording, frame_score, measure_together, predict_recording
from ser_tl.model.sharing import Shared
from ser_tl.networks import NETWORKS, Network
from ser_tl.pooling import POOLINGS, LayerMix
from ser_tl.standardise import Standardise

_TOGETHER = "the recordings at hand"  # as a domain's name


class Output(NamedTuple):
    """What the model makes of a batch.

    Attributes:
        embedding: (B, E), what the head sees
        hidden: (B, H), what its last layer sees
        logits: (B, C); C is 0 for a model of dimensions alone
        dimensions: (B, K) on the scale of the training annotations; None where the model has none
    """

    embedding: Tensor
    hidden: Tensor
    logits: Tensor
    dimensions: Tensor | None = None


class EmotionModel(Shared):
    """An encoder with a head for emotions, one for dimensions, or both.

    Args:
        encoder: from `load_encoder`
        labels: the emotions, in the order of the logits; none for a model of dimensions alone
        pooling: a name of `POOLINGS`
        config: what stands between encoder and logits
        audio: what happens to a clip before the encoder
        encoder_name: what the encoder was loaded as, kept for the record
        dimensions: which of arousal, valence and dominance it tells, in the order of its output

    Shape:
        Batch of (B, N) -> Output(embedding (B, E), hidden (B, H), logits (B, C), dimensions (B, K))
    """

    def __init__(
        self,
        encoder: Encoder,
        labels: Sequence[str],
        *,
        pooling: str = "attentive-stats",
        config: ModelConfig | None = None,
        audio: AudioConfig | None = None,
        encoder_name: str = "",
        dimensions: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if len(set(labels)) < max(len(labels), 0 if dimensions else 2) or len(labels) == 1:
            raise ConfigError(
                f"a classifier needs at least two different labels, got {list(labels)}; none at all are for a model of "
                f"dimensions alone"
            )
        self.labels = list(labels)
        self.dimensions = check_names(dimensions)
        self.config = config or ModelConfig()
        self.audio = audio or AudioConfig()
        self.encoder_name = encoder_name
        self.pooling_name = pooling
        self.known_speakers: list[str] = []  # of training and dev; an evaluation on them would be worth nothing
        if encoder.max_seconds is not None and self.audio.max_seconds > encoder.max_seconds:
            raise ConfigError(
                f"audio.max_seconds is {self.audio.max_seconds:g}, the encoder takes at most {encoder.max_seconds:g} s"
            )
        self.encoder = encoder
        self.layers = chosen_layers(encoder.num_states, self.config.layers)
        states = (len(self.layers), 1, 1, encoder.dim)
        self.standardise_states = Standardise(*states, batch=1) if self.config.standardise else None
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
        embedding = self.pooling.out_dim
        self.standardise_embedding = Standardise(embedding) if self.config.standardise else None
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

    @classmethod
    def build(
        cls,
        encoder: str,
        labels: Sequence[str],
        *,
        pooling: str = "attentive-stats",
        config: ModelConfig | None = None,
        audio: AudioConfig | None = None,
        pretrained: bool = True,
        encoder_options: Mapping[str, Any] | None = None,
        dimensions: Sequence[str] = (),
    ) -> Self:
        """A new model on a named encoder, its head random.

        Args:
            encoder: a name of `ENCODERS`, a folder or a hub id
            labels: the emotions; none for a model of dimensions alone
            pooling: a name of `POOLINGS`
            config: what stands between encoder and logits
            audio: what happens to a clip before the encoder
            pretrained: False starts the encoder from random weights too, as a control
            encoder_options: of `load_encoder`
            dimensions: which of arousal, valence and dominance it tells as well

        Raises:
            EncoderError: the encoder can't be had
            ConfigError: options that don't fit the encoder
        """
        loaded = load_encoder(encoder, pretrained=pretrained, **(encoder_options or {}))
        return cls(
            loaded,
            labels,
            pooling=pooling,
            config=config,
            audio=audio,
            encoder_name=encoder,
            dimensions=dimensions,
        )

    def forward(self, batch: Batch, disturbance: Disturbance | None = None) -> Output:
        """Embedding, hidden layer, logits and dimensions of a batch.

        Args:
            batch: clips, or what the encoder made of them before
            disturbance: what augmentation does to them on the way, in training steps
        """
        embedding = self.embed(*self.frames(batch, disturbance), batch.domains)
        return self.read(embedding if disturbance is None else disturbance.embedding(embedding))

    def read(self, embedding: Tensor) -> Output:
        """What the heads make of an embedding (B, E). Without emotions, the hidden layer is that of the dimensions."""
        first, *rest = [head for head in (self.head, self.dimension_head) if head is not None]
        hidden = first.hide(embedding)
        logits = embedding.new_zeros(len(embedding), 0) if self.head is None else self.head.classify(hidden)
        dimensions = None
        if self.dimension_head is not None:
            dimensions = self.dimension_head(embedding) if rest else self.dimension_head.read(hidden)
        return Output(embedding, hidden, logits, dimensions)

    def states(self, batch: Batch) -> Hidden:
        """The encoder's states of the layers that are used, as the batch brings them or as the encoder makes them."""
        if batch.states is None or batch.mask is None:
            return self.encoder(batch.waveform, batch.lengths, self.layers)
        if list(batch.layers) == self.layers:
            return Hidden(batch.states, batch.mask)
        states = dict(zip(batch.layers, batch.states, strict=True))
        highest = max(batch.layers)
        above = [layer for layer in self.layers if layer > highest]
        if above:
            resumed = self.encoder.resume(states[highest], batch.mask, highest, above)
            states |= dict(zip(above, resumed, strict=True))
        return Hidden(torch.stack([states[layer] for layer in self.layers]), batch.mask)

    def frames(self, batch: Batch, disturbance: Disturbance | None = None) -> tuple[Tensor, Tensor]:
        """What the pooling sees: frames (B, T, W) and mask (B, T)."""
        with nullcontext() if disturbance is None else tapped(self.encoder, disturbance.mel):
            states, mask = self.states(batch)
        if self.standardise_states is not None:
            states = self.standardise_states(states, batch.domains)
        if disturbance is not None:
            states = disturbance.states(states, mask)
        frames = self.project(self.fuse(self.mix(states)))
        return (frames, mask) if self.network is None else self.network(frames, mask)

    def embed(self, frames: Tensor, mask: Tensor, domains: Sequence[str] = ()) -> Tensor:
        """What the head sees: the pooled frames, standardised, (B, E)."""
        embedding = self.pooling(frames, mask)
        return embedding if self.standardise_embedding is None else self.standardise_embedding(embedding, domains)

    def layer_channels(self) -> list[Tensor]:
        """The places of each layer's channels in the embedding, one tensor a layer.

        Raises:
            ConfigError: the layers are mixed before the pooling, and no channel is one layer's alone
        """
        apart = {"join": "concat", "projection": 0, "network": "none", "fusion": "concat"}
        own = asdict(self.config)
        mixed = [f"model.{name} is {own[name]}" for name, plain in apart.items() if own[name] != plain]
        if mixed:
            raise ConfigError(
                f"{' and '.join(mixed)}, which mixes the encoder's layers before they are pooled, and "
                f"train.refit layer-discriminants needs them side by side: leave it out, or take --train.refit "
                f"discriminant"
            )
        if len(self.layers) == 1:
            raise ConfigError(
                "train.refit layer-discriminants gives each of several layers a discriminant, and this model has one "
                "(several taps and fused encoders are one, too): take --train.refit discriminant"
            )
        places = torch.arange(self.pooling.out_dim).reshape(-1, len(self.layers), self.encoder.dim)
        return [places[:, layer].flatten() for layer in range(len(self.layers))]

    def replace_head(self, discriminant: Discriminant) -> None:
        """Takes a fitted discriminant for the head, now and when the model is loaded again."""
        self.head = discriminant.to(self.device)
        self.config = replace(self.config, head="discriminant")

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

    @overload
    def predict(self, recordings: Recording, *, attention: bool = False, together: bool = False) -> Prediction: ...
    @overload
    def predict(
        self, recordings: Sequence[Recording], *, attention: bool = False, together: bool = False
    ) -> list[Prediction]: ...

    def predict(
        self, recordings: Recording | Sequence[Recording], *, attention: bool = False, together: bool = False
    ) -> Prediction | list[Prediction]:
        """The emotion of one recording, or of each of several, and its dimensions.

        Recordings longer than `audio.max_seconds` are cut into windows whose probabilities and dimensions are averaged.

        Args:
            recordings: a path or mono samples (N,) at 16 kHz, or a list of these
            attention: also tell how much each frame counted
            together: the recordings are all of one speaker, or of one corpus, and are standardised by their own mean
                and deviation: what a model that was trained with `ModelConfig.statistics` expects

        Raises:
            AudioError: a recording can't be used
            ConfigError: attention is asked of a pooling that has none, or weights aren't float32
        """
        kinds = {one.dtype for one in self.parameters() if one.is_floating_point()} - {torch.float32}
        if kinds:
            raise ConfigError(
                f"the model's weights are {', '.join(map(str, kinds))}, and audio comes in float32: call "
                f"model.float(); `with torch.autocast(...)` around predict computes in half precision"
            )
        score = frame_score(self) if attention else None
        single = isinstance(recordings, str | Path | np.ndarray)
        training = self.training
        self.eval()
        try:
            every = [recordings] if single else recordings
            if together and every:
                measure_together(self, every, _TOGETHER)
            found = [predict_recording(self, one, score, _TOGETHER if together else "") for one in every]
        finally:
            self.train(training)
        return found[0] if single else found

    @property
    def description(self) -> dict[str, Any]:
        """All but the weights, as JSON: what `from_description` needs, and whom the model knows."""
        return {
            "labels": self.labels,
            "dimensions": self.dimensions,
            "audio": asdict(self.audio),
            "encoder": {"name": self.encoder_name, "family": self.encoder.family, "config": self.encoder.config},
            "pooling": self.pooling_name,
            "model": asdict(self.config),
            "known_speakers": self.known_speakers,
        }

    @classmethod
    def from_description(cls, config: dict[str, Any], source: Path, encoder: Encoder | None = None) -> Self:
        """A model with random weights above the encoder.

        Args:
            config: a model's `description`
            source: where it was read, for messages
            encoder: the encoder; one with random weights, of the described architecture, if None

        Raises:
            CheckpointError: something is missing from the description
        """
        try:
            model = cls(
                encoder or FAMILIES[config["encoder"]["family"]].from_config(config["encoder"]["config"]),
                config["labels"],
                pooling=config["pooling"],
                config=ModelConfig(**config["model"]),
                audio=AudioConfig(**config["audio"]),
                encoder_name=config["encoder"]["name"],
                dimensions=config.get("dimensions", []),  # models saved before there were any have none
            )
            model.known_speakers = config["known_speakers"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{source}: not the config of a ser_tl model ({error}); save the model again"
            ) from error
        return model

    @classmethod
    def from_transformers(
        cls, source: str, *, labels: Mapping[str, str] | None = None, audio: AudioConfig | None = None
    ) -> Self:
        """The model that an audio classifier of transformers is, in evaluation mode: to use, or to train further.

        Args:
            source: a folder or hub id, of wav2vec 2.0, HuBERT, WavLM, UniSpeech-SAT, data2vec-audio or Whisper
            labels: what the checkpoint's own labels mean, where their names don't say it: {"LABEL_0": "anger"}
            audio: what happens to a clip before the encoder; up to 30 s of it at once if None

        Raises:
            CheckpointError: it isn't such a checkpoint, its head is another one, or a label means no emotion
        """
        found = read_classifier(source, labels)
        longest = min(30.0, found.encoder.max_seconds or 30.0)
        model = cls(
            found.encoder,
            found.labels,
            pooling="mean",
            config=ModelConfig(
                layers=found.layers, join="sum", standardise=False, projection=found.projection, head="linear"
            ),
            audio=audio or AudioConfig(max_seconds=longest),
            encoder_name=source,
        )
        model.load_state_dict(found.weights, strict=False)
        return model.eval()
