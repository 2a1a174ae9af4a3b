"""Encoders by name: the bundled one, short names for well-known hub ids, any folder, any hub id.

load_encoder("wav2vec2-mini" | "hubert-base" | "org/name" | "/a/folder") -> Encoder
"""

from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig

from ser_tl.assets import asset
from ser_tl.encoders.base import FAMILIES, Encoder
from ser_tl.encoders.pretrained import load_pretrained
from ser_tl.errors import EncoderError, UnknownNameError
from ser_tl.registry import Registry


@dataclass(frozen=True)
class EncoderCard:
    """What is known of a named encoder before it is loaded.

    Args:
        source: a hub id, or the folder among the bundled assets
        family: the `model_type` of its checkpoint
        dim: channels of a state, D
        layers: transformer layers
        parameters: of the encoder, in millions
        licence: of the weights
        bundled: whether the weights are part of ser_tl
    """

    source: str
    family: str
    dim: int
    layers: int
    parameters: float
    licence: str
    bundled: bool = False


ENCODERS: Registry[EncoderCard] = Registry("encoder")
"""The encoders that have a short name."""

for _name, _card in {
    "wav2vec2-mini": EncoderCard("wav2vec2_mini", "wav2vec2", 256, 4, 4.0, "MIT", bundled=True),
    "wav2vec2-base": EncoderCard("facebook/wav2vec2-base", "wav2vec2", 768, 12, 94.4, "Apache-2.0"),
    "wav2vec2-large": EncoderCard("facebook/wav2vec2-large", "wav2vec2", 1024, 24, 315.4, "Apache-2.0"),
    "wav2vec2-xls-r-300m": EncoderCard("facebook/wav2vec2-xls-r-300m", "wav2vec2", 1024, 24, 315.4, "Apache-2.0"),
    "hubert-base": EncoderCard("facebook/hubert-base-ls960", "hubert", 768, 12, 94.4, "Apache-2.0"),
    "hubert-large": EncoderCard("facebook/hubert-large-ll60k", "hubert", 1024, 24, 315.4, "Apache-2.0"),
    "wavlm-base-plus": EncoderCard("microsoft/wavlm-base-plus", "wavlm", 768, 12, 94.4, "see the hub"),
    "wavlm-large": EncoderCard("microsoft/wavlm-large", "wavlm", 1024, 24, 315.5, "see the hub"),
    "data2vec-audio-base": EncoderCard("facebook/data2vec-audio-base", "data2vec-audio", 768, 12, 93.2, "Apache-2.0"),
    "whisper-tiny.en": EncoderCard("openai/whisper-tiny.en", "whisper", 384, 4, 7.6, "MIT"),
    "whisper-base": EncoderCard("openai/whisper-base", "whisper", 512, 6, 19.8, "MIT"),
    "whisper-small": EncoderCard("openai/whisper-small", "whisper", 768, 12, 87.0, "MIT"),
}.items():
    ENCODERS.register(_name)(_card)


def load_encoder(name: str, *, pretrained: bool = True) -> Encoder:
    """The encoder of a short name, a local folder or a hub id.

    Args:
        name: see `ENCODERS`, or a folder or hub id whose config.json has a `model_type` of `FAMILIES`
        pretrained: False keeps the architecture and starts from random weights, the control of what pretraining gives

    Raises:
        EncoderError: the encoder can't be found, loaded, or has another architecture
    """
    source = name
    if name in ENCODERS:
        card = ENCODERS[name]
        source = str(asset(card.source)) if card.bundled else card.source
    elif "/" not in name and not Path(name).is_dir():
        try:
            ENCODERS[name]  # a bare word is no folder here and no hub id: tell the near names
        except UnknownNameError as error:
            raise UnknownNameError(f"{error}. A folder (./{name}) or a hub id (org/{name}) works as well") from None
    family = load_pretrained(AutoConfig, source).model_type
    if family not in FAMILIES:
        raise EncoderError(f"--encoder {name}: its model_type {family!r} is none of {', '.join(FAMILIES)}")
    encoder = FAMILIES[family].from_pretrained(source)
    return encoder if pretrained else FAMILIES[family].from_config(encoder.config)
