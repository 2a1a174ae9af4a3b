"""Speakers' names: one spelling for a person, and the values of a speaker column that are no person.

    name --normalise_speaker--> name        names --find_confusable--> spellings that may be one person

A speaker in train and test makes a score look better than it is, and a second spelling of the name hides it. Unicode's
composed form and outer spaces are set right without a word, as they can't be seen. What is visibly different and may be
one person all the same (case, 1 and 1.0, S1 and S01, accents, separators) is refused: the user has to decide. Where
the speaker isn't known, it is UNKNOWN, and no protocol by speaker takes such a corpus.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

UNKNOWN = "unknown"
"""The speaker of a clip whose speaker isn't known. Never counted as a person."""

_SAYS_NOTHING = {"<NA>", "?", "N/A", "NULL", "NaN", "None", "UNKNOWN", "Unknown", "n/a", "nan", "null"}
"""How tables, and pandas among them, write that a value is missing. Not in any case: Nan and Nul are names."""

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_ACCENTS = re.compile("[\u0300-\u036f]")
_SEPARATORS = re.compile(r"[\s_.\-\u2010-\u2015]+")
_WHOLE_NUMBER = re.compile(r"(?<=\d)\.0+$")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")

CLIPS_A_SPEAKER = 1.25
"""A column with fewer clips a speaker than that, on average, names clips (or files) and not people."""

_FEWEST = 10  # clips: of fewer, nothing can be said about the column


def normalise_speaker(name: str) -> str:
    """The name as it is compared and shown: Unicode's form C, without outer spaces and invisible characters.

    Args:
        name: as it stands in the data; UNKNOWN for the ways in which tables write a missing value
    """
    plain = unicodedata.normalize("NFC", name).translate(_INVISIBLE).strip()
    return UNKNOWN if plain in _SAYS_NOTHING else plain


@lru_cache(maxsize=1 << 16)  # each split of a protocol asks for the same names
def speaker_key(name: str) -> str:
    """What two spellings of one person have in common: no case, accents, leading zeros, .0 or kind of separator."""
    plain = unicodedata.normalize("NFKD", normalise_speaker(name).casefold())
    plain = _WHOLE_NUMBER.sub("", _ACCENTS.sub("", plain).strip())
    return _LEADING_ZEROS.sub("", _SEPARATORS.sub(" ", plain)).strip()


def find_confusable(names: Iterable[str]) -> list[list[str]]:
    """The spellings that may be one person, sorted: each group has two or more."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in set(names):
        groups[speaker_key(name) or name].add(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def name_groups(groups: Iterable[Sequence[str]]) -> list[str]:
    """A line for each group of spellings, escaped where that alone shows the difference."""
    return [" and ".join(map(repr if all(map(str.isascii, group)) else ascii, group)) for group in groups]


def names_clips(speakers: Collection[str]) -> bool:
    """Whether nearly every clip has a speaker of its own, so that the column names clips and not people."""
    return len(speakers) >= _FEWEST and len(speakers) < CLIPS_A_SPEAKER * len(set(speakers))
