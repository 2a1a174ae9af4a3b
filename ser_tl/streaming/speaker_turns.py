"""Speaker turns, from an RTTM file of a diarization."""

import math
from pathlib import Path
from typing import NamedTuple

from ser_tl.errors import ConfigError


class SpeakerTurn(NamedTuple):
    """A speaker from one time to another, in seconds."""

    start: float
    end: float
    speaker: str


def read_turns(path: Path, recording: str | None = None) -> list[SpeakerTurn]:
    """The turns in an RTTM file, in order; those of one speaker that touch or overlap are one.

    Args:
        path: lines `SPEAKER file channel start duration <NA> <NA> name <NA> <NA>`; others are left out
        recording: the file's name in the lines; None if there is only one

    Raises:
        ConfigError: the file can't be read, a line isn't RTTM, or no turn is of the recording
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"turns {path}: can't be read ({error}): expected an RTTM file") from error
    turns_of: dict[str, list[SpeakerTurn]] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            name, start, length, speaker = fields[1], float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError):
            raise ConfigError(f"{path}:{number}: {line!r}: expected {_LINE}") from None
        if not (0 <= start < math.inf and 0 < length < math.inf):
            raise ConfigError(f"{path}:{number}: a turn at {start} s of {length} s: expected positive numbers")
        turns_of.setdefault(name, []).append(SpeakerTurn(start, start + length, speaker))
    if recording not in turns_of and len(turns_of) != 1:
        raise ConfigError(
            f"{path}: turns of {', '.join(sorted(turns_of)) or 'no recording'}, none of {recording}: expected RTTM "
            f"lines ({_LINE}) whose file is {recording}"
        )
    return _join(turns_of[recording] if recording in turns_of else next(iter(turns_of.values())))


_LINE = "SPEAKER file 1 start duration <NA> <NA> name <NA> <NA>"


def _join(turns: list[SpeakerTurn]) -> list[SpeakerTurn]:
    joined: dict[str, list[SpeakerTurn]] = {}
    for turn in sorted(turns):
        mine = joined.setdefault(turn.speaker, [])
        if mine and turn.start <= mine[-1].end:
            mine[-1] = mine[-1]._replace(end=max(mine[-1].end, turn.end))
        else:
            mine.append(turn)
    return sorted(turn for mine in joined.values() for turn in mine)
