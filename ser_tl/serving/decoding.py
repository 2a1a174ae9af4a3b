"""From the bytes of an upload to windows, within limits that hold before anything is decoded."""

import time
from collections.abc import Callable
from typing import NamedTuple

from ser_tl.data.audio import SAMPLE_RATE, Window
from ser_tl.inference.recordings import cut_recording
from ser_tl.inference.windows import is_audible
from ser_tl.serving.request_error import RequestError

BYTES_A_SECOND = 4 * SAMPLE_RATE
"""Of decoded audio."""


class Decoded(NamedTuple):
    """A recording as windows.

    Attributes:
        seconds: its length
        windows: in order
        speech: of each window, whether it isn't silent
    """

    seconds: float
    windows: list[Window]
    speech: list[bool]


def decode_upload(
    content: bytes,
    plan_windows: Callable[[float], list[tuple[float, float]]],
    *,
    longest: float,
    deadline: float,
    reserve: Callable[[int], None],
) -> Decoded:
    """The windows of a recording.

    A small file can hold hours: its length is read from the header and refused before samples are decoded. Decoding
    itself goes block by block and looks at the clock after each window.

    Args:
        content: the file
        plan_windows: start and end of each window in seconds, of a recording's length (`AudioConfig.segments`)
        longest: seconds
        deadline: of `time.monotonic`
        reserve: is called with the bytes that the decoded recording will take; refuses by raising

    Raises:
        AudioError: it can't be used
        RequestError: 413, it is too long; 504, decoding takes too long
    """
    length = 0.0

    def parts(seconds: float) -> list[tuple[float, float]]:
        nonlocal length
        if seconds > longest:
            raise RequestError(
                413, f"the recording has {seconds:.1f} s, the limit is {longest:g} s: send it in parts of at most that"
            )
        length = seconds
        spans = plan_windows(seconds)
        reserve(round(sum(end - start for start, end in spans) * BYTES_A_SECOND))
        return spans

    windows: list[Window] = []
    for window in cut_recording(content, parts):
        windows.append(window)
        if time.monotonic() > deadline:
            raise RequestError(504, "decoding took longer than the server's time limit: send a shorter recording", 1)
    return Decoded(length, windows, [is_audible(window.samples) for window in windows])
