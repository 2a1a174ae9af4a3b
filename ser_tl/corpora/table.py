"""Tables that say what each utterance is: manifests, hub datasets, audformat databases.

    column names --which_columns--> {our name: column}      records --label_rows--> rows for schema.build, without audio

    column                      meaning
    emotion                     as text
    speaker                     as text; without the column speakers are unknown (`data.speakers.UNKNOWN`)
    id                          unique name of the utterance
    start, end                  seconds into the file; its start, its end
    language                    ISO 639-1 code; und, for undetermined
    corpus                      what the utterance belongs to
    session                     where the corpus has sessions
    sex                         of the speaker: female or male, f or m; anything else isn't known
    age                         of the speaker, a number of years; anything else isn't known
    sentence                    what is said, by name or as text: equal where the words are
    votes                       each annotator's emotion: a list, or text separated by ;
    recognised                  share of listeners who heard the row's emotion, 0 to 1
    arousal, valence, dominance numbers, on the corpus' own scale

Where the audio is differs from one kind of table to the other, so that is left to the readers.
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


def which_columns(
    found: Collection[str],
    columns: Mapping[str, str],
    *,
    known: Sequence[str],
    needed: Collection[str],
    source: Path | str,
) -> dict[str, str]:
    """Which column of a table holds what: our name to the table's.

    Args:
        found: the columns of the table
        columns: what the user says about them, ours to the table's; the others are taken by their own names
        known: our names
        needed: those of them that can't be missing
        source: the table, for messages

    Raises:
        ConfigError: `columns` has a name that isn't ours
        CorpusError: a column that `columns` names, or that is needed, isn't there, or none is called speaker and one
            seems to be
    """
    strangers = sorted(set(columns) - set(known))
    if strangers:
        raise ConfigError(
            f"the option columns names {', '.join(strangers)}: a column can hold {', '.join(known)}. "
            f"Write what it holds first, then the data's name: --columns '{{emotion: label}}'"
        )
    shown = ", ".join(map(repr, found))
    lost = [f"{theirs} (for {ours})" for ours, theirs in columns.items() if theirs not in found]
    if lost:
        raise CorpusError(
            f"{source}: the option columns names {', '.join(lost)}, which isn't there; found are {shown}. Correct it"
        )
    taken = set(columns.values())  # a column that was given a meaning doesn't have that of its own name as well
    held = {name: columns.get(name, name) for name in known if name in columns or (name in found and name not in taken)}
    missing = [name for name in needed if name not in held]
    missing += ["speaker"] if "speaker" in found and "speaker" not in held else []  # it was given another meaning
    if missing:
        raise CorpusError(
            f"{source}: the columns {', '.join(missing)} are missing; found are {shown}. Needed are "
            f"{', '.join(dict.fromkeys((*needed, *missing)))}: rename or add them, or say which column holds them with "
            f"--columns '{{{missing[0]}: COLUMN}}'"
        )
    _refuse_other_names_of_speakers(found, held, source)
    return held


def _refuse_other_names_of_speakers(found: Collection[str], held: Mapping[str, str], source: Path | str) -> None:
    """Refuses a table without speakers that seems to have them under another name: nobody would notice."""
    spare = [] if "speaker" in held else [name for name in found if name not in held.values()]
    near = [name for name in spare if _SPEAKERS.search(name.lower())]
    if near:
        raise CorpusError(
            f"{source}: there is no column speaker, but {', '.join(map(repr, near))}: say who speaks with --columns "
            f"'{{speaker: {near[0]}}}', or give it another name if it holds something else"
        )


def label_rows(
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
        needed: what no record may lack; all of it text
        corpus: the corpus of rows that don't name theirs
        unit: what the number of a record counts, for messages

    Raises:
        CorpusError: values missing or of the wrong kind, or unknown emotions; all of them are named
    """
    rows, bad = [], []
    for place, record in records:
        try:
            rows.append(_row(record, needed, corpus))
        except ValueError as error:
            bad.append(f"{unit} {place}: {error}")
    if bad:
        raise CorpusError(f"{source}: {len(bad)} {unit}s are wrong; correct them or take them out\n{listing(bad)}")
    places = [f"{unit} {place}" for place, _ in records]
    labels = [(place, row["emotion"]) for place, row in zip(places, rows, strict=True)]
    names = read_emotions(labels, emotions, source=source)
    votes = [(place, vote) for place, row in zip(places, rows, strict=True) for vote in row["votes"] or ()]
    voted = iter(read_emotions(votes, emotions, source=source))
    for row, name in zip(rows, names, strict=True):
        row["emotion"] = name
        row["votes"] = [next(voted) for _ in row["votes"]] if row["votes"] else None
    return rows


def part_of_file(row: Mapping[str, Any]) -> str:
    """What tells utterances of one file apart in an id: @start-end where a start is given, else nothing."""
    if row["start"] is None:
        return ""
    return f"@{row['start']}-{'' if row['end'] is None else row['end']}"


def short_names(paths: Sequence[str]) -> list[str]:
    """The files' names without folder and ending, where no two files share one; else the paths without ending."""
    files = set(paths)
    stems = {PurePath(path).stem for path in files}
    short = len(stems) == len(files)
    return [PurePath(path).stem if short else PurePath(path).with_suffix("").as_posix() for path in paths]


def _row(record: Mapping[str, Any], needed: Sequence[str], corpus: str) -> dict[str, Any]:
    texts = {name: text(record, name) for name in dict.fromkeys((*TEXTS, *needed))}
    gaps = [name for name in needed if not texts[name]]
    gaps += ["speaker"] if "speaker" in record and not texts["speaker"] else []
    if gaps:
        raise ValueError(f"no {' and no '.join(gaps)}")
    numbers = {name: number(record, name) for name in NUMBERS}
    texts["speaker"] = texts["speaker"] or UNKNOWN  # without the column
    usual = {"language": texts["language"] or "und", "corpus": texts["corpus"] or corpus}
    people = {"sex": _SEXES.get((text(record, "sex") or "").lower()), "age": _age(record)}
    return texts | numbers | usual | people | {"votes": _votes(record)}


def _age(record: Mapping[str, Any]) -> float | None:
    """Years; None for words and ranges, such as twenties, which tables have as well."""
    try:
        years = number(record, "age")
    except ValueError:
        return None
    return years if years is not None and 0 < years < 130 else None


def _votes(record: Mapping[str, Any]) -> list[str] | None:
    value = record.get("votes")
    votes = value.split(";") if isinstance(value, str) else value or []
    if not isinstance(votes, list) or not all(isinstance(vote, str) for vote in votes):
        raise ValueError(f"votes is {value!r}, expected a list of emotions")
    return [vote.strip() for vote in votes if vote.strip()] or None
