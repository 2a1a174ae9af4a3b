"""The whole model: encoder, standardised and mixed layers, pooling, head.

    Batch -> Encoder -> Hidden -> Standardise -> LayerMix -> pooling -> Standardise -> embedding (B, E)
    embedding -> Head -> logits (B, C)
    path or samples -> predict() -> label, probabilities, attention over time

On disk a model is a folder of config.json (architecture, labels, preprocessing) and model.safetensors (all weights, the
encoder's too): it loads without network and without the encoder's own folder. Knows nothing of corpora or training.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, overload

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ser_tl.data import audio
from ser_tl.data.audio import SAMPLE_RATE, AudioConfig
from ser_tl.data.batching import Batch, Clip, collate
from ser_tl.encoders import FAMILIES, Block, Encoder, load_encoder
from ser_tl.errors import AudioError, CheckpointError, ConfigError, listing
from ser_tl.heads import Head
from ser_tl.pooling import POOLINGS, FrameScore, LayerMix, Standardise

FORMAT = 1
"""Version of the folder's layout; a newer one is refused."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class ModelConfig:
    """What stands between the encoder and the logits.

    Args:
        layers: which of the encoder's states are used: 0 is what the first layer takes in, -1 the last layer; all if
            None
        join: the layers' learned weighted mean (`sum`), or each scaled by its weight and set side by side (`concat`)
        standardise: take the training speech's mean and deviation out of each channel of each layer, and of the
            embedding
        projection: width of a linear layer before the pooling; 0 leaves it out
        hidden: width of the head's hidden layer; 0 leaves it out
        dropout: share of channels dropped before each linear layer of the head
    """

    layers: list[int] | None = None
    join: Literal["sum", "concat"] = "concat"
    standardise: bool = True
    projection: int = 0
    hidden: int = 512
    dropout: float = 0.5


class Output(NamedTuple):
    """What the model makes of a batch.

    Attributes:
        embedding: (B, E), what the head sees
        logits: (B, C)
    """

    embedding: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Prediction:
    """What the model hears in one recording.

    Args:
        label: the likeliest emotion
        probabilities: by emotion, adding up to 1
        attention: (windows, T) weight of each frame, adding up to 1 in each window; only if asked for
        frame_seconds: (windows, T) when each frame begins, seconds into the recording; only if asked for
    """

    label: str
    probabilities: dict[str, float]
    attention: list[np.ndarray] | None = None
    frame_seconds: list[np.ndarray] | None = None


Recording = str | Path | np.ndarray
"""A path, or mono samples (N,) at 16 kHz."""


class EmotionModel(nn.Module):
    """An encoder with a classification head.

    Args:
        encoder: from `load_encoder`
        labels: the emotions, in the order of the logits
        pooling: a name of `POOLINGS`
        config: what stands between encoder and logits
        audio: what happens to a clip before the encoder
        encoder_name: what the encoder was loaded as, kept for the record

    Shape:
        Batch of (B, N) -> Output(embedding (B, E), logits (B, C))
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
    ) -> None:
        super().__init__()
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ConfigError(f"a classifier needs at least two different labels, got {list(labels)}")
        self.labels = list(labels)
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
        states = (encoder.num_states, 1, 1, encoder.dim)
        self.standardise_states = Standardise(*states) if self.config.standardise else nn.Identity()
        self.mix = LayerMix(encoder.num_states, encoder.dim, self.config.layers, self.config.join)
        width = self.config.projection or self.mix.out_dim
        self.project = nn.Linear(self.mix.out_dim, width) if self.config.projection else nn.Identity()
        self.pooling = POOLINGS[pooling](width)
        embedding = self.pooling.out_dim
        self.standardise_embedding = Standardise(embedding) if self.config.standardise else nn.Identity()
        self.head = Head(embedding, len(self.labels), self.config.hidden, self.config.dropout)

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
    ) -> Self:
        """A new model on a named encoder, its head random.

        Args:
            encoder: a name of `ENCODERS`, a folder or a hub id
            labels: the emotions
            pooling: a name of `POOLINGS`
            config: what stands between encoder and logits
            audio: what happens to a clip before the encoder
            pretrained: False starts the encoder from random weights too, as a control

        Raises:
            EncoderError: the encoder can't be had
            ConfigError: options that don't fit the encoder
        """
        loaded = load_encoder(encoder, pretrained=pretrained)
        return cls(loaded, labels, pooling=pooling, config=config, audio=audio, encoder_name=encoder)

    def forward(self, batch: Batch) -> Output:
        """Embedding and logits of a batch."""
        embedding = self.embed(*self.frames(batch))
        return Output(embedding, self.head(embedding))

    def frames(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the pooling sees: frames (B, T, W) and mask (B, T)."""
        hidden = self.encoder(batch.waveform, batch.lengths)
        return self.project(self.mix(self.standardise_states(hidden.states))), hidden.mask

    def embed(self, frames: Tensor, mask: Tensor) -> Tensor:
        """What the head sees: the pooled frames, standardised, (B, E)."""
        return self.standardise_embedding(self.pooling(frames, mask))

    def trainable_blocks(self) -> list[Block]:
        """The encoder's blocks that can reach the logits, input side first: none above the highest layer in the mix."""
        blocks = self.encoder.blocks()
        below = len(blocks) - (self.encoder.num_states - 1)  # front end and the like
        return blocks[: below + max(self.mix.layers)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @overload
    def predict(self, recordings: Recording, *, attention: bool = False) -> Prediction: ...
    @overload
    def predict(self, recordings: Sequence[Recording], *, attention: bool = False) -> list[Prediction]: ...

    def predict(
        self, recordings: Recording | Sequence[Recording], *, attention: bool = False
    ) -> Prediction | list[Prediction]:
        """The emotion of one recording, or of each of several.

        Recordings longer than `audio.max_seconds` are cut into windows whose probabilities are averaged.

        Args:
            recordings: a path or mono samples (N,) at 16 kHz, or a list of these
            attention: also tell how much each frame counted

        Raises:
            AudioError: a recording can't be used
            ConfigError: attention is asked of a pooling that has none
        """
        score = next((module for module in self.pooling.modules() if isinstance(module, FrameScore)), None)
        if attention and score is None:
            names = "attention or attentive-stats"
            raise ConfigError(f"the model's pooling, {self.pooling_name!r}, has no attention: train one with {names}")
        single = isinstance(recordings, str | Path | np.ndarray)
        training = self.training
        self.eval()
        try:
            found = [
                self._predict(one, score if attention else None) for one in ([recordings] if single else recordings)
            ]
        finally:
            self.train(training)
        return found[0] if single else found

    @torch.inference_mode()
    def _predict(self, recording: Recording, score: Callable[[Tensor, Tensor], Tensor] | None) -> Prediction:
        waveform = self._waveform(recording)
        spans = audio.windows(len(waveform) / SAMPLE_RATE, self.audio.max_seconds)
        parts = [(start, waveform[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]) for start, end in spans]
        starts, cuts = zip(*((start, cut) for start, cut in parts if cut.any()), strict=True)  # zeros can't be scaled
        batch = collate([Clip(torch.from_numpy(audio.normalise(cut, self.audio.normalise)), -1, "") for cut in cuts])
        batch = batch.to(self.device)
        frames, mask = self.frames(batch)
        logits = self.head(self.embed(frames, mask)).float()
        probabilities = logits.softmax(dim=-1).mean(dim=0).cpu()
        weights, begins = None, None
        if score is not None:
            weight = score(frames, mask)[..., 0].float().cpu()
            weights = [row[speech].numpy() for row, speech in zip(weight, mask.cpu(), strict=True)]
            begins = [
                start + np.arange(len(row)) / self.encoder.frame_rate
                for start, row in zip(starts, weights, strict=True)
            ]
        return Prediction(
            label=self.labels[int(probabilities.argmax())],
            probabilities=dict(zip(self.labels, probabilities.tolist(), strict=True)),
            attention=weights,
            frame_seconds=begins,
        )

    @staticmethod
    def _waveform(recording: Recording) -> np.ndarray:
        if isinstance(recording, str | Path):
            return audio.decode(recording)
        if not isinstance(recording, np.ndarray):
            raise AudioError(
                f"a recording of type {type(recording).__name__}: expected a path or a numpy array of mono samples "
                f"(N,) as floats in [-1, 1] at 16 kHz; a tensor's .numpy() is one"
            )
        if recording.ndim != 1 or not np.issubdtype(recording.dtype, np.floating) or not len(recording):
            raise AudioError(
                f"samples of shape {recording.shape} and type {recording.dtype}: expected mono samples (N,) as floats "
                f"in [-1, 1] at 16 kHz; integers divide by their largest value, channels average"
            )
        if not np.isfinite(recording).all():
            raise AudioError("the samples have values that are NaN or infinite: record or compute them again")
        if np.abs(recording).max() <= audio.SILENCE:
            raise AudioError(
                f"the samples are silent, none above {audio.SILENCE:g} (-80 dBFS): expected floats in [-1, 1]; leave "
                f"silent recordings out"
            )
        return recording.astype(np.float32)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors. Both are whole or not there, wherever the process is killed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "format": FORMAT,
            "labels": self.labels,
            "audio": asdict(self.audio),
            "encoder": {"name": self.encoder_name, "family": self.encoder.family, "config": self.encoder.config},
            "pooling": self.pooling_name,
            "model": asdict(self.config),
            "known_speakers": self.known_speakers,
        }
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / f"{WEIGHTS_FILE}.part", metadata={"format": "pt"})
        (folder / f"{WEIGHTS_FILE}.part").replace(folder / WEIGHTS_FILE)
        (folder / f"{CONFIG_FILE}.part").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (folder / f"{CONFIG_FILE}.part").replace(folder / CONFIG_FILE)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The model that `save_pretrained` wrote, in evaluation mode.

        Raises:
            CheckpointError: the folder isn't there, isn't a model, or is damaged
        """
        folder = Path(folder)
        config = _read_config(folder)
        try:
            encoder = FAMILIES[config["encoder"]["family"]].from_config(config["encoder"]["config"])
            model = cls(
                encoder,
                config["labels"],
                pooling=config["pooling"],
                config=ModelConfig(**config["model"]),
                audio=AudioConfig(**config["audio"]),
                encoder_name=config["encoder"]["name"],
            )
            model.known_speakers = config["known_speakers"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder / CONFIG_FILE}: not the config of a ser_tl model ({error}); save the model again"
            ) from error
        _load_weights(model, folder / WEIGHTS_FILE)
        return model.eval()


def _read_config(folder: Path) -> dict[str, Any]:
    missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) if folder.is_dir() else "no such folder"
        run = (folder / "model" / CONFIG_FILE).is_file()
        hint = (
            f"this is a run's folder, its model is {folder / 'model'}" if run else "pass a folder that a recipe saved"
        )
        raise CheckpointError(f"{folder}: no model here, {' and '.join(missing)} missing (found: {found}): {hint}")
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: damaged, not JSON ({error}); save the model again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        version = config.get("format") if isinstance(config, dict) else None
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: format {version!r}, this version of ser_tl reads {FORMAT}: "
            f"{'update ser_tl' if version else 'this is not a model of ser_tl'}"
        )
    return config


def _load_weights(model: EmotionModel, path: Path) -> None:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or cut short ({error}); copy or save the model again") from error
    expected = model.state_dict()
    wrong = [f"{name}: missing" for name in expected if name not in weights]
    wrong += [f"{name}: not part of this model" for name in weights if name not in expected]
    wrong += [
        f"{name}: {tuple(weights[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if wrong:
        raise CheckpointError(f"{path}: its weights don't fit config.json; copy both files again\n{listing(wrong)}")
    model.load_state_dict(weights)
