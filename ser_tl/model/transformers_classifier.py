"""Between models of this toolkit and transformers' audio classifiers, where both compute the same.

    transformers' checkpoint --read_classifier()--> Classifier --EmotionModel.from_transformers--> EmotionModel
    EmotionModel --export_transformers()--> a folder that transformers loads without this toolkit

Their head is linear throughout: one sequence of states (the last, or a weighted mean of all), a projection of each
frame, the mean over frames, a classifier. So every one of theirs is a model here (`head: linear`), and a model here is
one of theirs if nothing stands between encoder and logits that isn't linear, and if the layers, where there are
several, are summed and not standardised each for itself. `find_incompatibilities` lists what stands in the way.
Statistics are folded into projection and classifier.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.data.emotions import canonical_name, emotion_name, label_text
from ser_tl.encoders import FAMILIES, Encoder, SpeechSSL, Whisper
from ser_tl.encoders.kernels import use_cpu_kernels
from ser_tl.encoders.pretrained import check_front_end, load_pretrained, read_model_type
from ser_tl.encoders.raw_samples import FRONT_END
from ser_tl.encoders.speech_ssl import PLAIN
from ser_tl.encoders.whisper import front_end
from ser_tl.errors import CheckpointError, ConfigError, CorpusError, EncoderError, listing
from ser_tl.files import follow_umask
from ser_tl.model.peft_state import merged_state
from ser_tl.modules.feature_norm import FeatureNorm

if TYPE_CHECKING:
    from ser_tl.model.emotion import EmotionModel

_LEFT_OUT = -1e4  # a layer's score: its share is exactly zero in float32


class Classifier(NamedTuple):
    """A classifier of transformers, taken apart.

    Attributes:
        encoder: its encoder
        labels: emotions, in the order of the logits
        layers: which states it uses, as in `ModelConfig.layers`
        projection: channels that it projects each frame to
        weights: of what stands above the encoder, by the names they have in an `EmotionModel`
    """

    encoder: Encoder
    labels: list[str]
    layers: list[int] | None
    projection: int
    weights: dict[str, Tensor]


def read_classifier(source: str, labels: Mapping[str, str] | Mapping[int, str] | None = None) -> Classifier:
    """Takes apart a checkpoint of `AutoModelForAudioClassification`.

    Args:
        source: a folder or a hub id
        labels: what the checkpoint's own labels mean, where their names don't say it: {"LABEL_0": "anger"}; a label
            may be called by its number among the logits, {0: "anger"}

    Raises:
        CheckpointError: it isn't such a checkpoint, its head is another one, or a label means no emotion
        ConfigError: `labels` names a label that the checkpoint doesn't have, or one twice
    """
    classes = {"whisper": Whisper} | {name: SpeechSSL for name in FAMILIES if FAMILIES[name] is SpeechSSL}
    try:
        family = read_model_type(source)
        if family not in classes:
            raise EncoderError(f"its model_type {family!r} is none of {', '.join(classes)}")
        model = load_pretrained(AutoModelForAudioClassification, source, **({} if family == "whisper" else PLAIN))
        extractor = load_pretrained(AutoFeatureExtractor, source)
        check_front_end(source, front_end(model.config) if family == "whisper" else FRONT_END)
    except EncoderError as error:
        raise CheckpointError(
            f"{source}: no audio classifier of transformers that can be read here: {error}\nA checkpoint without a "
            f"classifier, or with a head of another shape, is an encoder: EmotionModel.build takes it"
        ) from error
    config = model.config
    unnamed = [index for index in range(config.num_labels) if index not in config.id2label]
    if unnamed:
        raise CheckpointError(
            f"{source}: id2label in its config.json names {', '.join(map(str, config.id2label))}, and its classifier "
            f"has outputs 0 to {config.num_labels - 1}: name each output"
        )
    if config.problem_type not in (None, "single_label_classification"):
        raise CheckpointError(
            f"{source}: its problem_type is {config.problem_type!r}; expected one of several emotions for each clip"
        )
    weighted = config.use_weighted_layer_sum
    encoder: Encoder = use_cpu_kernels(
        Whisper(model.encoder, full_window=True)
        if family == "whisper"
        else SpeechSSL(model.base_model, normalise=extractor.do_normalize, final_norm=not weighted)
    )
    scores = model.layer_weights.detach() if weighted else torch.zeros(1)
    return Classifier(
        encoder=encoder,
        labels=_emotions(source, [config.id2label[index] for index in range(config.num_labels)], labels or {}),
        layers=None if weighted else [-1],
        projection=config.classifier_proj_size,
        weights={"mix.scores": scores}
        | {f"project.{name}": tensor for name, tensor in model.projector.state_dict().items()}
        | {f"head.{name}": tensor for name, tensor in model.classifier.state_dict().items()},
    )


def _emotions(source: str, labels: list[str], given: Mapping[str, str] | Mapping[int, str]) -> list[str]:
    meanings = _meanings(source, labels, given)
    emotions, unknown = [], []
    for index, label in enumerate(labels):
        try:
            emotions.append(meanings[index] if index in meanings else canonical_name(label, where=source))
        except CorpusError:
            unknown.append(label)
    twice = sorted({name for name in emotions if emotions.count(name) > 1})
    if unknown or twice:
        what = f"{', '.join(unknown)} mean no emotion that is known" if unknown else f"several mean {', '.join(twice)}"
        raise CheckpointError(
            f"{source}: of its labels ({', '.join(labels)}) {what}: say what each means, as in "
            f'EmotionModel.from_transformers(..., labels={{"{(unknown or labels)[0]}": "anger"}})'
        )
    return emotions


def _meanings(source: str, labels: list[str], given: Mapping[str, str] | Mapping[int, str]) -> dict[int, str]:
    """What the user says labels mean, by their index; a name counts before a number."""
    names = [label_text(label) for label in labels]
    indices = {name: index for index, name in enumerate(names)}
    indices = {str(index): index for index in range(len(names))} | indices
    strangers = [repr(label) for label in given if isinstance(label, bool) or label_text(label) not in indices]
    called = [indices[label_text(label)] for label in given if label_text(label) in indices]
    if strangers or len(set(called)) < len(called):
        what = f"names {', '.join(strangers)}" if strangers else "names one label twice"
        raise ConfigError(
            f"{source}: labels= {what}; the checkpoint's labels are "
            f"{', '.join(f'{index}: {name}' for index, name in enumerate(names))}. Call each by its name or its number"
        )
    return {indices[label_text(label)]: emotion_name(meaning) for label, meaning in given.items()}


def find_incompatibilities(model: "EmotionModel") -> list[str]:
    """Why transformers can't compute what the model computes, and what to train instead; empty if it can."""
    encoder, config, problems = model.encoder, model.config, []
    several = len(model.layers) > 1
    if model.dimensions:
        problems.append(
            f"a head for {', '.join(model.dimensions)}: transformers' classifiers predict categories only; train "
            f"without dimensions.names"
        )
    if not isinstance(encoder, SpeechSSL | Whisper):
        problems.append(f"encoder {encoder.family}: transformers has no classifier on it")
    if isinstance(encoder, Whisper) and not encoder.full_window:
        problems.append(
            "Whisper at the clip's own length: transformers encodes 30 s and averages over the silence too; train with "
            "encoder_options '{full_window: true}'"
        )
    if isinstance(encoder, Whisper) and encoder.feed_forward:
        problems.append("states with what the feed-forward networks hold: train without encoder_options.feed_forward")
    if model.audio.normalise != "none":
        problems.append(f"audio.normalise {model.audio.normalise}: transformers takes clips as they are")
    if model.audio.gate != "none":
        problems.append(f"audio.gate {model.audio.gate}: transformers encodes the silence around speech, too")
    if config.network != "none":
        problems.append(f"model.network {config.network}: transformers has none")
    if model.pooling_name != "mean":
        problems.append(f"pooling {model.pooling_name}: transformers' is pooling mean")
    if config.head == "network":
        problems.append("the head's norm and hidden layer: take model.head linear or train.refit discriminant")
    if several and config.join == "concat":
        problems.append("several layers side by side: take one (model.layers '[-1]') or model.join sum")
    if several and config.standardise:
        problems.append("several layers, each standardised: take one (model.layers '[-1]') or model.standardise false")
    if several and isinstance(encoder, SpeechSSL) and encoder.stable and encoder.final_norm and _uses_last_layer(model):
        problems.append(
            "the last of several layers after the final norm: transformers' sum takes it before; train with "
            "encoder_options '{final_norm: false}'"
        )
    return problems


def export_transformers(model: "EmotionModel", folder: str | Path) -> Path:
    """Writes a model as one of transformers' audio classifiers, which gives the same logits.

    `transformers.pipeline("audio-classification", model=FOLDER)` then needs no ser_tl. A clip longer than
    `audio.max_seconds` is cut into windows here and taken whole there.

    Args:
        model: one without the differences that `find_incompatibilities` lists
        folder: gets config.json, model.safetensors and preprocessor_config.json

    Raises:
        ConfigError: transformers has no model that computes the same; every reason is named
    """
    reasons = find_incompatibilities(model)
    if reasons:
        raise ConfigError(
            f"transformers' classifiers can't compute what this model computes:\n{listing(reasons)}\nThe model folder "
            f"itself works in transformers' pipeline with trust_remote_code=True, where ser_tl is installed"
        )
    projector, classifier = _fold_statistics(model)
    inner: Any = model.encoder.model
    config = type(inner.config).from_dict(inner.config.to_dict())
    config.id2label = dict(enumerate(model.labels))
    config.label2id = {label: index for index, label in config.id2label.items()}
    last_alone = len(model.layers) == 1 and _uses_last_layer(model) and getattr(model.encoder, "final_norm", True)
    config.use_weighted_layer_sum = not last_alone
    config.classifier_proj_size = projector.out_features
    built: Any = AutoModelForAudioClassification.from_config(config, dtype=torch.float32)
    built.projector.load_state_dict(projector.state_dict())
    built.classifier.load_state_dict(classifier.state_dict())
    if config.use_weighted_layer_sum:
        shares = torch.full((model.encoder.num_states,), _LEFT_OUT)
        shares[model.layers] = model.mix.scores.detach().cpu()
        built.layer_weights.data.copy_(shares)
    weights = {name: tensor.cpu() for name, tensor in merged_state(inner).items()}  # adapters folded in
    if isinstance(model.encoder, Whisper):
        built.encoder.load_state_dict(weights | {"embed_positions.weight": model.encoder.positions.cpu()})
        extractor: Any = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
    else:
        # Not in the encoder here and of no use there: the embedding of masked frames, and a norm behind the last layer.
        unexpected = built.base_model.load_state_dict(weights, strict=False).unexpected_keys
        if unexpected:
            raise ConfigError(
                f"transformers' {config.model_type} has no {', '.join(unexpected)}: save the model instead"
            )
        extractor = Wav2Vec2FeatureExtractor(
            sampling_rate=SAMPLE_RATE, do_normalize=model.encoder.normalise, return_attention_mask=True
        )
    built.save_pretrained(folder)
    extractor.save_pretrained(folder)
    follow_umask(folder)
    return Path(folder)


def _uses_last_layer(model: "EmotionModel") -> bool:
    return max(model.layers) == model.encoder.num_states - 1


def _fold_statistics(model: "EmotionModel") -> tuple[nn.Linear, nn.Linear]:
    """Projection and classifier with the statistics in them: W ((h - mean) / deviation) + b is linear in h."""
    project = model.project if isinstance(model.project, nn.Linear) else None
    width = model.mix.out_dim
    matrix = torch.eye(width) if project is None else project.weight
    projector = _fold_norm(model.standardise_states, matrix, torch.zeros(width) if project is None else project.bias)
    head: Any = model.head
    return projector, _fold_norm(model.standardise_embedding, head.weight, head.bias)


@torch.no_grad()
def _fold_norm(statistics: FeatureNorm | None, weight: Tensor, bias: Tensor) -> nn.Linear:
    """The linear layer that does the standardisation too."""
    weight, bias = weight.detach().cpu().double(), bias.detach().cpu().double()
    if statistics is not None:
        weight = weight / statistics.deviation.cpu().double().flatten()
        bias = bias - weight @ statistics.mean.cpu().double().flatten()
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return layer
