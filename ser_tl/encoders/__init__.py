"""Encoders: from 16 kHz audio to layers of frame states, by pretrained networks or computed features.

The families of transformers are imported when one of them is asked for: its modelling code takes seconds to import. So
is what only trainings need.
"""

from importlib import import_module
from typing import TYPE_CHECKING

import ser_tl.audio_support  # noqa: F401 - first: transformers imports torchaudio wherever it is installed

# isort: split
from ser_tl.encoders.base import FAMILIES as FAMILIES
from ser_tl.encoders.base import AdapterTargets as AdapterTargets
from ser_tl.encoders.base import Block as Block
from ser_tl.encoders.base import Encoder as Encoder
from ser_tl.encoders.base import EncoderOutput as EncoderOutput
from ser_tl.encoders.base import OnMel as OnMel
from ser_tl.encoders.base import count_parameters as count_parameters
from ser_tl.encoders.base import is_frozen as is_frozen
from ser_tl.encoders.base import select_layers as select_layers
from ser_tl.encoders.catalogue import ENCODERS as ENCODERS
from ser_tl.encoders.catalogue import EncoderCard as EncoderCard
from ser_tl.encoders.catalogue import describe_availability as describe_availability
from ser_tl.encoders.catalogue import load_encoder as load_encoder
from ser_tl.encoders.egemaps import EGeMAPS as EGeMAPS
from ser_tl.encoders.fused import Fused as Fused
from ser_tl.encoders.prosody import Prosody as Prosody
from ser_tl.encoders.soundnet import SoundNet as SoundNet
from ser_tl.encoders.soundnet_weights import convert_sound8 as convert_sound8
from ser_tl.encoders.spectral import MFCC as MFCC
from ser_tl.encoders.spectral import LogMel as LogMel
from ser_tl.encoders.vggish import VGGish as VGGish

if TYPE_CHECKING:
    from ser_tl.encoders.checkpointing import checkpoint_layers as checkpoint_layers
    from ser_tl.encoders.compiling import compile_layers as compile_layers
    from ser_tl.encoders.moonshine import Moonshine as Moonshine
    from ser_tl.encoders.speech_ssl import SpeechSSL as SpeechSSL
    from ser_tl.encoders.whisper import Whisper as Whisper

_LAZY = {
    "Moonshine": "ser_tl.encoders.moonshine",
    "SpeechSSL": "ser_tl.encoders.speech_ssl",
    "Whisper": "ser_tl.encoders.whisper",
    "checkpoint_layers": "ser_tl.encoders.checkpointing",
    "compile_layers": "ser_tl.encoders.compiling",
}

FAMILIES.register_lazily(_LAZY["SpeechSSL"], "wav2vec2", "hubert", "wavlm", "unispeech-sat", "data2vec-audio")
FAMILIES.register_lazily(_LAZY["Whisper"], "whisper")
FAMILIES.register_lazily(_LAZY["Moonshine"], "moonshine")


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
