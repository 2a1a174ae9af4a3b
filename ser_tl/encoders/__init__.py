"""Encoders: pretrained networks from 16 kHz audio to layers of frame states."""

from ser_tl.encoders.base import FAMILIES as FAMILIES
from ser_tl.encoders.base import Block as Block
from ser_tl.encoders.base import Encoder as Encoder
from ser_tl.encoders.base import Hidden as Hidden
from ser_tl.encoders.base import is_frozen as is_frozen
from ser_tl.encoders.base import parameter_count as parameter_count
from ser_tl.encoders.catalogue import ENCODERS as ENCODERS
from ser_tl.encoders.catalogue import EncoderCard as EncoderCard
from ser_tl.encoders.catalogue import load_encoder as load_encoder
from ser_tl.encoders.speech_ssl import SpeechSSL as SpeechSSL
from ser_tl.encoders.whisper import Whisper as Whisper
