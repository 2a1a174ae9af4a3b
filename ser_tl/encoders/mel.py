"""The log-mel spectrogram of an encoder, changed from outside for as long as a block lasts.

    with tapped(encoder, act): encoder(waveform, lengths)      is      encoder(waveform, lengths, on_mel=act)

For callers that reach the encoder through a model whose own forward has no such argument.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

from ser_tl.encoders.base import Encoder, OnMel


@contextmanager
def tapped(encoder: Encoder, act: OnMel) -> Generator[None]:
    """Lets an encoder be called with `on_mel`, if it has a log-mel spectrogram."""
    if not encoder.has_mel:
        yield
        return
    encoder.forward = partial(encoder.forward, on_mel=act)
    try:
        yield
    finally:
        del encoder.forward
