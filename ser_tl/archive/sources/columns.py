"""The names under which lists tell of recordings, and what their values mean.

    row --columns_of--> Columns: which of its columns tells what     read_facts(row), span_of(row)

Names are those of this package's corpora, of `datasets`, NeMo, Kaldi's tables and lhotse.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ser_tl.archive.clip import Clip
from ser_tl.data.records import number, text

PATHS = ("path", "file", "file_name", "audio", "wav", "filename", "audio_filepath", "audio_path", "wav_path", "url")
_IDS = ("id", "utterance_id", "utt_id", "utt", "key", "clip_id", "segment_id")
_STARTS = ("start", "offset", "start_time", "begin")
_ENDS = ("end", "end_time")
_SPEAKERS = ("speaker", "speaker_id", "spk", "spkid", "client_id")
_LANGUAGES = ("language", "lang", "locale")
_DAYS = ("day", "date", "recorded", "recorded_at", "created_at", "timestamp", "time")
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_/]?(0[1-9]|1[0-2])[-_/]?(0[1-9]|[12]\d|3[01])(?!\d)")


class Columns(NamedTuple):
    """The column that tells each thing; None where none does."""

    path: str | None
    id: str | None
    start: str | None
    end: str | None
    duration: str | None
    channel: str | None
    speaker: str | None
    language: str | None
    day: str | None


def columns_of(row: Mapping[str, Any]) -> Columns:
    """What a row's columns tell."""
    return _find_columns(tuple(row))


@lru_cache(maxsize=256)  # all rows of a list have the same, nearly always
def _find_columns(names: tuple[str, ...]) -> Columns:
    kinds = (PATHS, _IDS, _STARTS, _ENDS, ("duration",), ("channel",), _SPEAKERS, _LANGUAGES, _DAYS)
    return Columns(*(first_of(names, candidates) for candidates in kinds))


def first_of(columns: Collection[str], names: Collection[str]) -> str | None:
    """The first of some names that is a column."""
    return next((name for name in names if name in columns), None)


class Facts(NamedTuple):
    """What a source tells of a recording besides its samples."""

    speaker: str | None = None
    language: str | None = None
    day: str | None = None

    def add_to(self, clip: Clip) -> Clip:
        """A clip with the facts in it."""
        return clip._replace(speaker=self.speaker, language=self.language, day=self.day)


def read_facts(row: Mapping[str, Any]) -> Facts:
    """The facts of a row, as far as it tells them."""
    columns = columns_of(row)
    day = None if columns.day is None else find_day(str(row[columns.day]))
    return Facts(_known_text(row, columns.speaker), _known_text(row, columns.language), day)


def _known_text(row: Mapping[str, Any], name: str | None) -> str | None:
    """The text in a column; None where it isn't one."""
    try:
        return None if name is None else text(row, name)
    except ValueError:
        return None


def find_day(name: str) -> str | None:
    """The first day in a text, such as a path: 2026-11-28, 20261128, 2026/11/28."""
    match = _DAY.search(name)
    return None if match is None else "-".join(match.groups())


def span_of(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Start and end of a row in seconds; None where the whole recording is meant.

    Raises:
        ValueError: no numbers, or no span
    """
    columns = columns_of(row)
    if columns.start is None and columns.end is None:
        return None, None
    start, end, length = (
        None if name is None else number(row, name) for name in (columns.start, columns.end, columns.duration)
    )
    if end is None and start is not None and length is not None:
        end = start + length
    if (start or 0.0) < 0 or (end is not None and end <= (start or 0.0)):
        raise ValueError(f"a clip from {start} s to {end} s: expected a start from 0 on, and an end behind it")
    if end is None and not start:
        return None, None
    return start or 0.0, end
