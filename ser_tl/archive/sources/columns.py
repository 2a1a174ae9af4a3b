"""The names under which lists tell of recordings, and what their values mean.

Names are those of this package's corpora, of `datasets`, NeMo, Kaldi's tables and lhotse.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ser_tl.archive.clip import Clip
from ser_tl.data.records import number, text

PATHS = (
    "path",
    "file",
    "file_name",
    "audio",
    "wav",
    "filename",
    "audio_filepath",
    "audio_path",
    "wav_path",
    "url",
    "uri",
)
IDS = ("id", "utterance_id", "utt_id", "utt", "key", "clip_id", "segment_id")
STARTS = ("start", "offset", "start_time", "begin")
ENDS = ("end", "end_time")
DURATIONS = ("duration",)
CHANNELS = ("channel",)
_FACTS = {
    "speaker": ("speaker", "speaker_id", "spk", "spkid", "client_id"),
    "language": ("language", "lang", "locale"),
    "day": ("day", "date", "recorded", "recorded_at", "created_at", "timestamp", "time"),
}
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_/]?(0[1-9]|1[0-2])[-_/]?(0[1-9]|[12]\d|3[01])(?!\d)")


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
        return replace(clip, speaker=self.speaker, language=self.language, day=self.day)


def read_facts(row: Mapping[str, Any]) -> Facts:
    """The facts of a row, as far as it tells them."""
    return Facts(_known_text(row, "speaker"), _known_text(row, "language"), _find_row_day(row))


def _known_text(row: Mapping[str, Any], what: str) -> str | None:
    """What a row tells of speaker or language; None where it doesn't, or not in words."""
    name = first_of(row, _FACTS[what])
    try:
        return None if name is None else text(row, name)
    except ValueError:
        return None


def _find_row_day(row: Mapping[str, Any]) -> str | None:
    name = first_of(row, _FACTS["day"])
    return None if name is None else find_day(str(row[name]))


def find_day(name: str) -> str | None:
    """The first day in a text, such as a path: 2026-11-28, 20261128, 2026/11/28."""
    found = _DAY.search(name)
    return None if found is None else "-".join(found.groups())


def span_of(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Start and end of a row in seconds; None where the whole recording is meant.

    Raises:
        ValueError: no numbers, or no span
    """
    start, end, length = (
        None if name is None else number(row, name)
        for name in (first_of(row, STARTS), first_of(row, ENDS), first_of(row, DURATIONS))
    )
    if end is None and start is not None and length is not None:
        end = start + length
    if (start or 0.0) < 0 or (end is not None and end <= (start or 0.0)):
        raise ValueError(
            f"a clip from {start} s to {end} s: expected a start that isn't negative, and an end behind it"
        )
    if end is None and not start:
        return None, None
    return start or 0.0, end
