"""Which voice activity detection a stream uses."""

from typing import TypeAlias

from ser_tl.errors import ConfigError
from ser_tl.streaming.energy import EnergyScorer
from ser_tl.streaming.gate import SpeechScorer
from ser_tl.streaming.silero import SileroScorer, has_onnxruntime

Voice: TypeAlias = "str | SpeechScorer"
"""`auto`, `energy`, `silero`, or your own scorer."""

VOICES = ("auto", "energy", "silero")


def make_scorer(voice: Voice) -> SpeechScorer:
    """The scorer of a name.

    Args:
        voice: `energy`, `silero`, or `auto`: silero where onnxruntime is installed, else energy

    Raises:
        ConfigError: another name, or onnxruntime is missing
    """
    if not isinstance(voice, str):
        return voice
    if voice == "auto":
        voice = "silero" if has_onnxruntime() else "energy"
    if voice == "energy":
        return EnergyScorer()
    if voice == "silero":
        return SileroScorer()
    raise ConfigError(f"voice activity by {voice!r}: expected {', '.join(VOICES[:-1])} or {VOICES[-1]}")
