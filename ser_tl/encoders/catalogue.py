"""Encoders by name: bundled ones, computed features, short names for well-known hub ids, any folder, any hub id.

    load_encoder("wav2vec2-mini" | "mfcc" | "hubert-base" | "org/name" | "/a/folder", hop=0.01) -> Encoder

A file of published weights stands for an encoder as well (SoundNet's sound8.npy, VGGish's .pth).
"""

import importlib.util
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ser_tl.assets import asset
from ser_tl.encoders.base import FAMILIES, Encoder
from ser_tl.encoders.fused import Fused
from ser_tl.encoders.pretrained import read_model_type
from ser_tl.errors import EncoderError, UnknownNameError
from ser_tl.registry import Registry


@dataclass(frozen=True)
class EncoderCard:
    """What is known of a named encoder before it is loaded.

    Args:
        source: a hub id, or the folder among the bundled assets; empty where nothing is loaded or the user brings it
        family: the `model_type` of its checkpoint
        dim: channels of a state, D
        layers: layers above what makes the first state
        parameters: of the encoder, in millions
        licence: of the weights, or of what computes the features
        bundled: whether all it needs is part of ser_tl
        options: of `FAMILIES[family].from_pretrained`, where they differ from its defaults
        extra: the package that computes it, an extra of ser_tl's by the same name; empty where none is needed
    """

    source: str
    family: str
    dim: int
    layers: int
    parameters: float
    licence: str
    bundled: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    extra: str = ""


def describe_availability(card: EncoderCard) -> str:
    """Where an encoder's weights are: bundled, computed (none), cached, to be fetched from a hub, or to be brought."""
    if card.extra and importlib.util.find_spec(card.extra) is None:
        return f'computed, by pip install "ser_tl[{card.extra}]"'
    if not card.source:
        return "file to be brought" if card.parameters else "computed"
    if card.bundled:
        return "bundled"
    # transformers takes seconds to import, and options name encoders without loading any.
    from huggingface_hub import try_to_load_from_cache
    from transformers.utils import SAFE_WEIGHTS_NAME, WEIGHTS_NAME

    cached = [try_to_load_from_cache(card.source, name) for name in (SAFE_WEIGHTS_NAME, WEIGHTS_NAME)]
    return f"{'cached' if any(isinstance(path, str) for path in cached) else 'to be fetched'}: {card.source}"


_OPENSMILE = "openSMILE's: non-commercial"

ENCODERS: Registry[EncoderCard] = Registry("encoder", "ser_tl.encoders")
"""The encoders that have a short name."""

for _name, _card in {
    "wav2vec2-mini": EncoderCard("wav2vec2_mini", "wav2vec2", 384, 2, 5.2, "MIT", bundled=True),
    "wav2vec2-base": EncoderCard("facebook/wav2vec2-base", "wav2vec2", 768, 12, 94.4, "Apache-2.0"),
    "wav2vec2-large": EncoderCard("facebook/wav2vec2-large", "wav2vec2", 1024, 24, 315.4, "Apache-2.0"),
    "wav2vec2-xls-r-300m": EncoderCard("facebook/wav2vec2-xls-r-300m", "wav2vec2", 1024, 24, 315.4, "Apache-2.0"),
    "hubert-base": EncoderCard("facebook/hubert-base-ls960", "hubert", 768, 12, 94.4, "Apache-2.0"),
    "hubert-large": EncoderCard("facebook/hubert-large-ll60k", "hubert", 1024, 24, 315.4, "Apache-2.0"),
    "wavlm-base-plus": EncoderCard("microsoft/wavlm-base-plus", "wavlm", 768, 12, 94.4, "see the hub"),
    "wavlm-large": EncoderCard("microsoft/wavlm-large", "wavlm", 1024, 24, 315.5, "see the hub"),
    "data2vec-audio-base": EncoderCard("facebook/data2vec-audio-base", "data2vec-audio", 768, 12, 93.2, "Apache-2.0"),
    "unispeech-sat-base": EncoderCard("microsoft/unispeech-sat-base", "unispeech-sat", 768, 12, 94.4, "see the hub"),
    "whisper-tiny.en": EncoderCard("openai/whisper-tiny.en", "whisper", 384, 4, 7.6, "MIT"),
    "whisper-base": EncoderCard("openai/whisper-base", "whisper", 512, 6, 19.8, "MIT"),
    "whisper-small": EncoderCard("openai/whisper-small", "whisper", 768, 12, 87.0, "MIT"),
    "moonshine-tiny": EncoderCard("UsefulSensors/moonshine-tiny", "moonshine", 288, 6, 7.7, "MIT"),
    "moonshine-base": EncoderCard("UsefulSensors/moonshine-base", "moonshine", 416, 8, 20.2, "MIT"),
    "soundnet": EncoderCard("soundnet8", "soundnet", 384, 0, 0.2, "MIT", bundled=True),
    "vggish": EncoderCard("", "vggish", 128, 0, 72.1, "Apache-2.0"),  # weights to be brought: its error says how
    "mfcc": EncoderCard("", "mfcc", 39, 0, 0.0, "none needed", bundled=True),
    "logmel-40": EncoderCard("", "logmel", 40, 0, 0.0, "none needed", bundled=True, options={"bands": 40}),
    "logmel-64": EncoderCard("", "logmel", 64, 0, 0.0, "none needed", bundled=True, options={"bands": 64}),
    "prosody": EncoderCard("", "prosody", 10, 0, 0.0, "none needed", bundled=True),
    "egemaps": EncoderCard("", "egemaps", 88, 0, 0.0, _OPENSMILE, options={"level": "functionals"}, extra="opensmile"),
    "egemaps-lld": EncoderCard("", "egemaps", 25, 0, 0.0, _OPENSMILE, options={"level": "lld"}, extra="opensmile"),
}.items():
    ENCODERS.register(_name)(_card)


def load_encoder(name: str, *, pretrained: bool = True, **options: Any) -> Encoder:  # noqa: ANN401
    """The encoder of a short name, a local folder or a hub id; several of them, joined by +, as one.

    Args:
        name: see `ENCODERS`, or a folder or hub id whose config.json has a `model_type` of `FAMILIES`, or a file of
            published weights (SoundNet's .npy, VGGish's .pth)
        pretrained: False keeps the architecture and starts from random weights, the control of what pretraining gives
        options: of the family's `from_pretrained`; of several encoders `layers`, a list of layers for each, and their
            own options, each a list of one value (or None, for its default) for each

    Raises:
        EncoderError: the encoder can't be found, loaded, has another architecture, or has no such option
    """
    if "+" in name and not Path(name).is_dir():
        return _load_fused(name, options, pretrained=pretrained)
    source, family, preset = _resolve(name)
    options = preset | options
    _check_options(name, _option_names(family), options)
    try:
        encoder = FAMILIES[family].from_pretrained(source, **options)
    except TypeError as error:
        if not options:
            raise
        raise EncoderError(
            f"encoder {name}: can't be built with {options} ({error}): a value of another kind is expected"
        ) from error
    return encoder if pretrained else FAMILIES[family].from_config(encoder.config)


def _load_fused(name: str, options: dict[str, Any], *, pretrained: bool) -> Fused:
    """The encoders of a name with +, each with its own value of every option, as one."""
    names = name.split("+")
    accepted = ["layers", *dict.fromkeys(option for part in names for option in _option_names(_resolve(part)[1]))]
    _check_options(name, accepted, options)
    layers = options.pop("layers", None)
    for option, values in options.items():
        if not isinstance(values, list) or len(values) != len(names):
            raise EncoderError(
                f"encoder_options.{option} is {values} for {len(names)} encoders: give a list of one value (or null, "
                f"for its default) for each, as in {option}: [null{', VALUE' * (len(names) - 1)}]"
            )
    encoders = []
    for index, part in enumerate(names):
        chosen = {option: values[index] for option, values in options.items() if values[index] is not None}
        encoders.append(load_encoder(part, pretrained=pretrained, **chosen))
    return Fused(encoders, layers)


def _resolve(name: str) -> tuple[str, str, dict[str, Any]]:
    """Where the weights of one encoder are, its family, and the options that its short name stands for."""
    source, preset = name, {}
    if name in ENCODERS:
        card = ENCODERS[name]
        source, preset = str(asset(card.source)) if card.bundled and card.source else card.source, card.options
    elif "/" not in name and not Path(name).is_dir() and _family_of_file(name) is None:
        try:
            ENCODERS[name]  # a bare word is no folder here and no hub id: suggest the near names
        except UnknownNameError as error:
            raise UnknownNameError(f"{error}. A folder (./{name}) or a hub id (org/{name}) works as well") from None
    family = ENCODERS[name].family if name in ENCODERS else _family(source)
    if family not in FAMILIES:
        raise EncoderError(f"encoder {name}: its model_type {family!r} is none of {', '.join(FAMILIES)}")
    return source, family, preset


def _family(source: str) -> str:
    return _family_of_file(source) or read_model_type(source)


def _family_of_file(source: str) -> str | None:
    """The family whose weights are published as a file with this suffix; None of a folder, a hub id and others."""
    path = Path(source).expanduser()
    if not path.suffix or path.is_dir():
        return None
    return next((name for name, family in FAMILIES.items() if path.suffix in family.weight_files), None)


def _option_names(family: str) -> list[str]:
    arguments = inspect.signature(FAMILIES[family].from_pretrained).parameters.values()
    return [argument.name for argument in arguments if argument.kind is argument.KEYWORD_ONLY]


def _check_options(name: str, accepted: list[str], options: dict[str, Any]) -> None:
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise EncoderError(
            f"encoder {name} has no option {', '.join(unknown)}: "
            f"{'it has ' + ', '.join(accepted) if accepted else 'it has none'}"
        )
