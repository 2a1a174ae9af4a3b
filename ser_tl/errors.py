"""What ser_tl raises when the input is wrong.

Every message says what was found, what was expected and the way out. Catch `SerTlError` for all of them.
A bug in ser_tl itself is never dressed as one of these.
"""

from collections.abc import Iterable


class SerTlError(Exception):
    """The root of every error that ser_tl raises on purpose."""


class AudioError(SerTlError):
    """An audio file is missing, unreadable, empty, silent or not finite."""


class SilentAudioError(AudioError):
    """A recording was decoded whole, and no sample of any channel is above silence (-80 dBFS)."""


class CorpusError(SerTlError):
    """A corpus folder or manifest isn't what its reader expects."""


class SplitError(SerTlError):
    """A split is impossible, or would let training data into an evaluation."""


class EncoderError(SerTlError):
    """An encoder can't be found, loaded or used as asked."""


class CheckpointError(SerTlError):
    """A saved model or training state is missing, damaged or doesn't fit."""


class ExportError(SerTlError):
    """A model can't be exported as asked, or its export gives other answers than the model."""


class HubError(SerTlError):
    """A repository of models can't be reached, or refuses what is asked of it."""


class CacheError(SerTlError):
    """An entry of the feature cache can't be read."""


class StorageError(SerTlError):
    """A file can't be written: a full disk, a quota, permissions."""


class QueueError(SerTlError):
    """A queue's broker can't be reached, or doesn't confirm what it was sent."""


class DependencyError(SerTlError):
    """A package that is needed can't be loaded, or doesn't fit another."""


class ConfigError(SerTlError):
    """Options contradict each other or the data."""


class AdaptationError(SerTlError):
    """Adapting a model to some recordings without labels would probably harm it."""


class UnknownNameError(SerTlError, KeyError):
    """A name isn't in a registry."""

    def __str__(self) -> str:  # KeyError would print the repr, with escaped line breaks
        return str(self.args[0])


def listing(items: Iterable[object], most: int = 10) -> str:
    """The items one a line, at most `most` of them, and a line that counts the rest."""
    lines = [str(item) for item in items]
    shown = lines[:most]
    if len(lines) > most:
        shown.append(f"... and {len(lines) - most} more")
    return "\n".join(f"  {line}" for line in shown)
