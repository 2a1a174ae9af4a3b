"""Tables of labels: manifests, hub datasets, audformat databases.

    column names --resolve_columns--> {our name: column}
    records --build_rows--> rows for schema.build, without audio

    column                      meaning
    emotion                     as text
    speaker                     as text; without the column speakers are unknown (`data.speakers.UNKNOWN`)
    id                          unique name of the utterance
    start, end                  seconds into the file; its start, its end
    language                    ISO 639-1 code; und, for undetermined
    corpus                      that the utterance belongs to
    session                     where the corpus has sessions
    sex                         of the speaker: female or male, f or m; anything else isn't known
    age                         of the speaker, a number of years; anything else isn't known
    sentence                    the words, by name or as text: equal where the words are
    votes                       each annotator's emotion: a list, or text separated by ;
    recognised                  share of listeners who recognised the row's emotion, 0 to 1
    arousal, valence, dominance numbers, on the corpus' own scale

The readers add the audio, whose position differs between the kinds of tables.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from ser_tl.corpora.base import read_emotions
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.records import Records, number, text
from ser_tl.data.speakers import UNKNOWN
from ser_tl.errors import ConfigError, CorpusError, listing

TEXTS = ("emotion", "speaker", "id", "language", "corpus", "session", "sentence")
NUMBERS = ("start", "end", "recognised", "arousal", "valence", "dominance")
LABELS = (*TEXTS, *NUMBERS, "sex", "age", "votes")

_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}

_SPEAKERS = re.compile(r"speaker|talker|spk|actor|actress|client.?id")


def resolve_columns(
    available: Collection[str],
    columns: Mapping[str, str],
    *,
    names: Sequence[str],
    needed: Collection[str],
    source: Path | str,
) -> dict[str, str]:
    """The columns of a table by our names.

    Args:
        available: the columns of the table
        columns: the user's, our name to the table's; other columns are taken by their own names
        names: ours
        needed: those of them that can't be missing
        source: the table, for messages

    Raises:
        ConfigError: `columns` has a name that isn't ours
        CorpusError: a column that `columns` names, or that is needed, isn't there, or none is called speaker and one
            seems to be
    """
    unknown = sorted(set(columns) - set(names))
    if unknown:
        raise ConfigError(
            f"the option columns names {', '.join(unknown)}: a column can hold {', '.join(names)}. "
            f"Write our name first, then the table's: `columns` '{{emotion: label}}'"
        )
    shown = ", ".join(map(repr, available))
    absent = [f"{column} (for {name})" for name, column in columns.items() if column not in available]
    if absent:
        raise CorpusError(
            f"{source}: the option columns names {', '.join(absent)}, which isn't there; found are {shown}. Correct it"
        )
    taken = set(columns.values())  # a column that was given a meaning doesn't have that of its own name as well
    column_of = {
        name: columns.get(name, name) for name in names if name in columns or (name in available and name not in taken)
    }
    missing = [name for name in needed if name not in column_of]
    missing += (
        ["speaker"] if "speaker" in available and "speaker" not in column_of else []
    )  # it was given another meaning
    if missing:
        raise CorpusError(
            f"{source}: the columns {', '.join(missing)} are missing; found are {shown}. Needed are "
            f"{', '.join(dict.fromkeys((*needed, *missing)))}: rename or add them, or name the column that holds them, "
            f"`columns` '{{{missing[0]}: COLUMN}}'"
        )
    _refuse_other_names_of_speakers(available, column_of, source)
    return column_of


def _refuse_other_names_of_speakers(
    available: Collection[str], column_of: Mapping[str, str], source: Path | str
) -> None:
    """Refuses a table without speakers that seems to have them under another name."""
    spare = [] if "speaker" in column_of else [name for name in available if name not in column_of.values()]
    near = [name for name in spare if _SPEAKERS.search(name.lower())]
    if near:
        raise CorpusError(
            f"{source}: there is no column speaker, but {', '.join(map(repr, near))}: if these are the speakers, give "
            f"`columns` '{{speaker: {near[0]}}}', else give the column another name"
        )


def build_rows(
    records: Records,
    emotions: EmotionMap,
    *,
    source: Path | str,
    needed: Sequence[str],
    corpus: str,
    unit: str = "line",
) -> list[dict[str, Any]]:
    """Rows for `schema.build` from records with our names; id is None where the record has none, audio is not in them.

    Args:
        records: numbered rows of the table. What is not in LABELS and not needed is left out
        emotions: the user's mapping
        source: the table, for messages
        needed: names that every record must have, as text
        corpus: the corpus of rows that don't name theirs
        unit: of records' numbers, for messages

    Raises:
        CorpusError: values missing or of the wrong kind, or unknown emotions; all of them are named
    """
    rows, bad = [], []
    for position, record in records:
        try:
            rows.append(_build_row(record, needed, corpus))
        except ValueError as error:
            bad.append(f"{unit} {position}: {error}")
    if bad:
        raise CorpusError(f"{source}: {len(bad)} {unit}s are wrong; correct them or take them out\n{listing(bad)}")
    sources = [f"{unit} {position}" for position, _ in records]
    labels = [(number, row["emotion"]) for number, row in zip(sources, rows, strict=True)]
    names = read_emotions(labels, emotions, source=source)
    votes = [(number, vote) for number, row in zip(sources, rows, strict=True) for vote in row["votes"] or ()]
    voted = iter(read_emotions(votes, emotions, source=source))
    for row, name in zip(rows, names, strict=True):
        row["emotion"] = name
        row["votes"] = [next(voted) for _ in row["votes"]] if row["votes"] else None
    return rows


def format_span(row: Mapping[str, Any]) -> str:
    """The part of an id that separates utterances of one file: @start-end where a start is given, else nothing."""
    if row["start"] is None:
        return ""
    return f"@{row['start']}-{'' if row['end'] is None else row['end']}"


def shorten_names(paths: Sequence[str]) -> list[str]:
    """The files' names without folder and ending, where no two files share one; else the paths without ending."""
    files = set(paths)
    stems = {PurePath(path).stem for path in files}
    short = len(stems) == len(files)
    return [PurePath(path).stem if short else PurePath(path).with_suffix("").as_posix() for path in paths]


def _build_row(record: Mapping[str, Any], needed: Sequence[str], corpus: str) -> dict[str, Any]:
    texts = {name: text(record, name) for name in dict.fromkeys((*TEXTS, *needed))}
    gaps = [name for name in needed if not texts[name]]
    gaps += ["speaker"] if "speaker" in record and not texts["speaker"] else []
    if gaps:
        raise ValueError(f"no {' and no '.join(gaps)}")
    numbers = {name: number(record, name) for name in NUMBERS}
    texts["speaker"] = texts["speaker"] or UNKNOWN  # without the column
    usual = {"language": texts["language"] or "und", "corpus": texts["corpus"] or corpus}
    people = {"sex": _SEXES.get((text(record, "sex") or "").lower()), "age": _read_age(record)}
    return texts | numbers | usual | people | {"votes": _read_votes(record)}


def _read_age(record: Mapping[str, Any]) -> float | None:
    """Years; None for words and ranges, such as twenties, which tables have as well."""
    try:
        years = number(record, "age")
    except ValueError:
        return None
    return years if years is not None and 0 < years < 130 else None


def _read_votes(record: Mapping[str, Any]) -> list[str] | None:
    value = record.get("votes")
    votes = value.split(";") if isinstance(value, str) else value or []
    if not isinstance(votes, list) or not all(isinstance(vote, str) for vote in votes):
        raise ValueError(f"votes is {value!r}, expected a list of emotions")
    return [vote.strip() for vote in votes if vote.strip()] or None
