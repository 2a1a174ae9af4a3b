"""The model to build, train, save and use: an `EmotionNetwork` with its description.

EmotionModel.build("wav2vec2-mini", labels) -> model --save_pretrained--> folder --from_pretrained--> model
model.predict("clip.wav") -> Prediction      model.export("onnx", folder) -> Manifest
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from ser_tl.data.audio_config import NEW_MODELS, AudioConfig
from ser_tl.encoders import FAMILIES, Encoder, load_encoder
from ser_tl.errors import CheckpointError
from ser_tl.model.model_config import ModelConfig
from ser_tl.model.network import EmotionNetwork
from ser_tl.model.network import Output as Output
from ser_tl.model.pretrained import PretrainedMixin
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.discriminant import Discriminant
from ser_tl.modules.feature_norm import SpeakerPrior

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from ser_tl.inference import Prediction, Recording, Speaker
    from ser_tl.inference.adaptation import Adaptation
    from ser_tl.inference.manifest import Manifest


class EmotionModel(EmotionNetwork, PretrainedMixin):
    """An encoder with a head for emotions, one for dimensions, or both.

    Args:
        encoder: from `load_encoder`
        labels: the emotions, in the order of the logits; none for a model of dimensions alone
        pooling: a name of `POOLINGS`
        config: what stands between encoder and logits
        audio: what happens to a clip before the encoder
        encoder_name: what the encoder was loaded as, kept for the record
        dimensions: which of arousal, valence and dominance it predicts, in the order of its output

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
        encoder_name: str = "",
        dimensions: Sequence[str] = (),
    ) -> None:
        super().__init__(encoder, labels, pooling=pooling, config=config, audio=audio, dimensions=dimensions)
        self.encoder_name = encoder_name

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
            audio: what happens to a clip before the encoder; `NEW_MODELS`, with a gate of speech, if None
            pretrained: False starts the encoder from random weights too, as a control
            encoder_options: of `load_encoder`
            dimensions: which of arousal, valence and dominance it predicts as well

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
            audio=audio or NEW_MODELS,
            encoder_name=encoder,
            dimensions=dimensions,
        )

    def replace_head(self, discriminant: Discriminant) -> None:
        """Takes a fitted discriminant for the head, now and when the model is loaded again."""
        self.head, self.calibration, self.outliers = discriminant.to(self.device), None, None
        self.enrolment = None
        self.config = replace(self.config, head="discriminant")

    def fit_statistics(self, corpus: "Dataset", *, seed: int = 0, batch_seconds: float = 60.0) -> None:
        """Measures the mean and deviation of the features, which your own training loops need first.

        Ten minutes of the corpus are enough, and are drawn at random. `ser_tl.Trainer` does this itself.

        Args:
            corpus: the training part: rows with the columns of `data.schema`; emotions aren't looked at
            seed: chooses the sample
            batch_seconds: the most seconds of audio in a batch, padding counted
        """
        from ser_tl.data.batching import UtteranceDataset
        from ser_tl.inference.clips import Pass
        from ser_tl.inference.processes import OneProcess
        from ser_tl.inference.statistics import fit_statistics

        clips = UtteranceDataset(corpus, self.labels, self.audio, training=False)
        fit_statistics(self, clips, Pass(OneProcess(self.device), batch_seconds), seed=seed)

    @overload
    def predict(
        self,
        recordings: "str | Path | bytes | np.ndarray | Mapping[str, Any]",
        **options: Any,  # noqa: ANN401 - the predictor's
    ) -> "Prediction": ...
    @overload
    def predict(self, recordings: "Iterable[Recording]", **options: Any) -> "list[Prediction]": ...  # noqa: ANN401

    def predict(self, recordings: "Recording | Iterable[Recording]", **options: Any) -> "Prediction | list[Prediction]":
        """The prediction for one recording, or a list for several: `ser_tl.inference.Predictor` on this model.

        Args:
            recordings: one recording, or several: a path, bytes of a file, samples with `sampling_rate`, ...
            options: of `Predictor.predict`: sampling_rate, attention, embedding, speaker_normalize, ...

        Raises:
            AudioError: a recording can't be used
            ConfigError: attention is asked of a pooling that has none, too few recordings to take statistics of, or
                weights that aren't float32
        """
        from ser_tl.inference import Predictor, is_recording

        predictions = Predictor(self).predict(recordings, **options)
        return predictions[0] if is_recording(recordings) else predictions

    def embed(self, recordings: "Recording | Iterable[Recording]", **options: Any) -> "np.ndarray":  # noqa: ANN401
        """The embedding (E,) of one recording, or (n, E) of several: `Predictor.embed` on this model.

        Args:
            recordings: one recording, or several
            options: of `Predictor.predict`: sampling_rate, speaker_normalize, ...

        Raises:
            AudioError: a recording can't be used, or all are silent
        """
        from ser_tl.inference import Predictor, is_recording

        embeddings = Predictor(self).embed(recordings, **options)
        return embeddings[0] if is_recording(recordings) else embeddings

    def enrol(self, recordings: "Recording | Iterable[Recording]", **options: Any) -> "Speaker":  # noqa: ANN401
        """A speaker for `predict(..., speaker=...)`, from a few recordings without labels: `Predictor.enrol`.

        Args:
            recordings: one or more, all of one speaker
            options: of `Predictor.enrol`: labels, sampling_rate

        Raises:
            AudioError: a recording can't be used, or there is speech in none
            ConfigError: the model wasn't trained to take speakers
        """
        from ser_tl.inference import Predictor

        return Predictor(self).enrol(recordings, **options)

    def adapt(self, recordings: "Iterable[Recording]", **options: Any) -> "Adaptation":  # noqa: ANN401
        """A model for recordings of another kind, without labels: `ser_tl.inference.adaptation.adapt_model`."""
        from ser_tl.inference.adaptation import adapt_model

        return adapt_model(self, recordings, **options)

    def export(self, format: str, folder: "str | Path", **options: Any) -> "Manifest":  # noqa: ANN401
        """Writes the model as a graph for prediction without torch: `ser_tl.export.export_model`.

        Args:
            format: onnx, openvino, tflite, torch-export, ...: a name of `ser_tl.export.EXPORTERS`
            folder: a new one, or an export, which is replaced
            options: weights ("float16"), quantize ("int8"), calibrate (a corpus), python, window

        Returns:
            What was written, with the measured differences between the graph and the model.

        Raises:
            ExportError: the model can't be exported, or the graph gives other answers; nothing is left then
            ConfigError: options that don't go together, or packages that aren't installed
        """
        from ser_tl.export import export_model

        return export_model(self, folder, format, **options)

    @property
    def description(self) -> dict[str, Any]:
        """All but the weights, as JSON: what `from_description` needs, and the speakers of training."""
        return {
            "labels": self.labels,
            "dimensions": self.dimensions,
            "audio": asdict(self.audio),
            "encoder": {"name": self.encoder_name, "family": self.encoder.family, "config": self.encoder.config},
            "pooling": self.pooling_name,
            "model": asdict(self.config),
            "known_speakers": self.known_speakers.as_json(),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "enrolment": None if self.enrolment is None else self.enrolment.rank,
            "outliers": None if self.outliers is None else self.outliers.sizes,
            "activation_ranges": {name: list(limits) for name, limits in self.activation_ranges.items()},
            "stitching": None if self.stitching is None else self.stitching.to_json(),
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
            model.calibration = Calibration.from_json(config.get("calibration"), len(model.labels), source)  # likewise
            ranges = config.get("activation_ranges") or {}
            model.activation_ranges = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
            model.read_stitching(config.get("stitching"))
            rank = config.get("enrolment")
            model.enrolment = None if rank is None else SpeakerPrior(model.embedding_dim, rank, len(model.labels))
            if config.get("outliers") is not None:
                from ser_tl.modules.outliers import OutlierScore  # few models that are loaded have one yet

                model.outliers = OutlierScore.from_sizes(model.embedding_dim, len(model.labels), config["outliers"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{source}: not the config of a ser_tl model ({error}); save the model again"
            ) from error
        return model

    @classmethod
    def from_transformers(
        cls,
        source: str,
        *,
        labels: Mapping[str, str] | Mapping[int, str] | None = None,
        audio: AudioConfig | None = None,
    ) -> Self:
        """The model that an audio classifier of transformers is, in evaluation mode: to use, or to train further.

        Args:
            source: a folder or hub id, of wav2vec 2.0, HuBERT, WavLM, UniSpeech-SAT, data2vec-audio or Whisper
            labels: what the checkpoint's own labels mean, where their names don't say it: {"LABEL_0": "anger"}
            audio: what happens to a clip before the encoder; up to 30 s of it at once if None

        Raises:
            CheckpointError: it isn't such a checkpoint, its head is another one, or a label means no emotion
        """
        from ser_tl.model.transformers_classifier import read_classifier  # not needed to predict

        classifier = read_classifier(source, labels)
        longest = min(30.0, classifier.encoder.max_seconds or 30.0)
        model = cls(
            classifier.encoder,
            classifier.labels,
            pooling="mean",
            config=ModelConfig(
                layers=classifier.layers, join="sum", standardise=False, projection=classifier.projection, head="linear"
            ),
            audio=audio or AudioConfig(max_seconds=longest),
            encoder_name=source,
        )
        model.load_state_dict(classifier.weights, strict=False)
        return model.eval()
