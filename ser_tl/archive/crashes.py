"""Which recordings end the process that decodes them: a fault in a C library, or more memory than there is.

    clips --find_crashing--> indices; each clip is decoded in another process, which names its culprit by how far it got

Only where workers were lost at a shard: it takes as long as decoding does.
"""

import json
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TextIO

from ser_tl.archive.clip import Clip
from ser_tl.archive.processes import start_process
from ser_tl.archive.recordings import RecordingReader
from ser_tl.data.audio_config import windows
from ser_tl.errors import AudioError
from ser_tl.inference.recordings import cut_recording

_TRIES = 2
"""A process may be killed for other reasons: a clip is to blame if it ends two of them."""


def find_crashing(clips: Sequence[Clip]) -> list[int]:
    """The indices of clips that end the process which decodes them."""
    crashing: list[int] = []
    suspects: list[int] = []
    first = 0
    while first < len(clips):
        count = _decode_elsewhere(clips[first:])
        if first + count == len(clips):
            break
        culprit = first + count
        suspects.append(culprit)
        first = culprit if suspects.count(culprit) < _TRIES else culprit + 1
        if first > culprit:
            crashing.append(culprit)
    return crashing


def _decode_elsewhere(clips: Sequence[Clip]) -> int:
    """Decodes clips in a process of their own. Returns how many it came through."""
    lines = "".join(json.dumps(clip._asdict() | {"raw": clip.raw and clip.raw.hex()}) + "\n" for clip in clips)
    output, _ = start_process("decode", stdin=subprocess.PIPE).communicate(lines.encode("utf-8"))
    return output.count(b"\n")


def decode_lines(lines: Iterable[bytes], output: TextIO) -> None:
    """Decodes clips, a JSON object each, and writes a line break behind each one. Errors are no crashes."""
    reader = RecordingReader()
    for line in lines:
        values = json.loads(line)
        clip = Clip(**values | {"raw": values["raw"] and bytes.fromhex(values["raw"])})
        with suppress(AudioError):
            for _ in cut_recording(reader.open(clip), _cut_minutes):
                pass
        output.write("\n")
        output.flush()


def _cut_minutes(seconds: float) -> list[tuple[float, float]]:
    """A recording in parts of a minute, so that long ones take no more memory."""
    return windows(seconds, 60.0)
