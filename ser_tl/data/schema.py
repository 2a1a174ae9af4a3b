"""The columns of a corpus: one row per utterance, in a plain `datasets.Dataset`.

    a reader's rows --build()--> Dataset with the columns below, checked

No class of ours wraps it: filtering, mapping, concatenating, saving and pushing are the library's own. Audio is kept as
a path (or the bytes of a file), never decoded here: `data.audio` does that.

Columns are read as `corpus["speaker"][:]`, a list: without the slice the library reads row after row, which takes
seconds for each column of a large corpus.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets import Audio, Dataset, Features, List, Value, concatenate_datasets

from ser_tl.data.dimension_names import DIMENSIONS as DIMENSIONS
from ser_tl.data.emotions import EmotionMap, EmotionName
from ser_tl.data.speakers import UNKNOWN, find_confusable, name_groups, normalise_speaker
from ser_tl.errors import CorpusError, listing

REQUIRED = {
    "id": Value("string"),  # unique within the corpus
    "audio": Audio(decode=False),  # {"path": ..., "bytes": None}
    "emotion": Value("string"),  # canonical name, see data.emotions
    "speaker": Value("string"),  # unique within the corpus
    "corpus": Value("string"),
    "language": Value("string"),  # ISO 639-1 code
    "start": Value("float64"),  # seconds into the file; 0 for whole files
    "end": Value("float64"),  # seconds into the file; None for its end
}
OPTIONAL = {
    "session": Value("string"),  # recording session, where speakers talk to each other
    "sex": Value("string"),  # of the speaker: female or male, where the corpus says
    "age": Value("float64"),  # of the speaker, years
    "sentence": Value("string"),  # what is said, a name within the corpus: equal where the words are
    "votes": List(Value("string")),  # each annotator's category, canonical names
    "recognised": Value("float64"),  # share of listeners who recognised the row's emotion, 0 to 1
    "arousal": Value("float64"),  # on the corpus' own scale
    "valence": Value("float64"),
    "dominance": Value("float64"),
}
COLUMNS = REQUIRED | OPTIONAL
"""What readers give."""

DIGEST = "digest"
NAME_IN_CORPUS = "name_in_corpus"
DERIVED = {DIGEST: Value("string"), NAME_IN_CORPUS: Value("string")}
"""What is added: by `checks.check_audio` a digest of an utterance's decoded samples, by `combination.combine_corpora`
the speaker's name before it was changed."""

SEXES = ("female", "male")
"""The values of the column sex; None where a corpus doesn't say."""

SYNTHETIC = "synthetic"
"""The speaker of synthetic clips. They may be trained on, and are refused in dev and test."""

NAMESAKES = "If these are different people, give them different names in the manifest, for example A_1 and B_1"
"""The hint of errors about speakers: two people of two corpora may have the same name."""


def build_corpus(
    rows: Iterable[Mapping[str, Any]],
    *,
    source: str,
    mapping: EmotionMap | None = None,
    audio: Dataset | None = None,
) -> Dataset:
    """Builds the corpus from a reader's rows.

    Args:
        rows: one mapping per utterance. `audio` is a path; `start`, `end` and the optional columns may be missing, or
            None in single rows
        source: what the rows came from (a folder, a manifest), for messages
        mapping: of emotions to classes, applied to the votes as well; the identity if None
        audio: for corpora that carry the bytes of their files: a dataset with the column audio, not decoded, as many
            rows as there are and in their order. It is referred to and not copied; the rows then have no audio

    Raises:
        CorpusError: no rows, a required value missing, a name that can't be written as UTF-8, an id twice, speakers or
            sessions whose spellings may mean one and the same, an audio file that isn't there, an impossible interval
            or share
        ConfigError: the mapping names emotions that no utterance has
    """
    mapping = mapping or EmotionMap()
    table: list[dict[str, Any]] = [
        {"start": 0.0, "end": None} | {name: value for name, value in row.items() if value is not None} for row in rows
    ]
    if not table:
        raise CorpusError(f"{source}: no utterances found")
    _check(table, source, carried=audio is not None)
    labels = {name.label for name in _emotions_of(table) if isinstance(name, EmotionName)}
    _settle_names(table, source, mapping)
    _settle_people(table, source)
    mapping.check(sorted(set(_emotions_of(table))), labels)
    for row in table:
        row["emotion"] = mapping.target(row["emotion"])
        votes = [mapping.target(vote) for vote in row.get("votes", ())]
        row["votes"] = [str(vote) for vote in votes if vote is not None] or None
    rows_kept = [index for index, row in enumerate(table) if row["emotion"] is not None]
    if not rows_kept:
        raise CorpusError(f"{source}: the option emotions.drop leaves no utterances")
    used = [
        name for name in COLUMNS if name in REQUIRED or any(table[index].get(name) is not None for index in rows_kept)
    ]
    features = Features({name: COLUMNS[name] for name in used})
    if audio is None:
        table = [table[index] | {"audio": str(table[index]["audio"])} for index in rows_kept]
        plain = Features(features | {"audio": Value("string")})  # encoding an Audio column would need torchcodec
        return _dataset(table, plain).cast_column("audio", Audio(decode=False))
    labels = _dataset(table, Features({name: feature for name, feature in features.items() if name != "audio"}))
    carried = audio.select_columns(["audio"]).cast_column("audio", Audio(decode=False))
    return concatenate_datasets([labels, carried], axis=1).select_columns(used).select(rows_kept)


def _emotions_of(table: list[dict[str, Any]]) -> Iterator[str]:
    """Every emotion of rows and votes."""
    for row in table:
        yield row["emotion"]
        yield from row.get("votes", ())


def _dataset(table: list[dict[str, Any]], features: Features) -> Dataset:
    return Dataset.from_dict({name: [row.get(name) for row in table] for name in features}, features=features)


def _check(table: list[dict[str, Any]], source: str, *, carried: bool) -> None:
    needed = [name for name in REQUIRED if name not in ("start", "end") and not (carried and name == "audio")]
    gaps = [f"row {number}: no {name}" for number, row in enumerate(table, 1) for name in needed if not row.get(name)]
    if gaps:
        raise CorpusError(f"{source}: each utterance needs {', '.join(needed)}\n{listing(gaps)}")
    odd = [ascii(name) for row in table for name in map(str, map(row.get, needed)) if not _is_text(name)]
    if odd:
        raise CorpusError(
            f"{source}: {len(odd)} names can't be written as UTF-8, most often as they were given in Latin-1 or the "
            f"like; rename them\n{listing(odd)}"
        )
    twice = [name for name, count in Counter(row["id"] for row in table).items() if count > 1]
    if twice:
        raise CorpusError(f"{source}: {len(twice)} ids stand on several utterances; make them unique\n{listing(twice)}")
    paths = [] if carried else dict.fromkeys(str(row["audio"]) for row in table)
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise CorpusError(
            f"{source}: {len(missing)} audio files aren't there; restore them or take their rows out\n"
            f"{listing(missing)}"
        )
    strange = [f"{row['id']}: sex {row['sex']!r}" for row in table if row.get("sex") not in (None, *SEXES)]
    strange += [f"{row['id']}: age {row['age']}" for row in table if not 0 < (row.get("age") or 1) < 130]
    if strange:
        raise CorpusError(
            f"{source}: sex is {' or '.join(SEXES)}, age a number of years; leave empty what isn't known\n"
            f"{listing(strange)}"
        )
    wrong = [
        f"{row['id']}: {row['start']} to {row['end']}"
        for row in table
        if not (0 <= row["start"] < math.inf and (row["end"] is None or row["start"] < row["end"] < math.inf))
    ]
    if wrong:
        raise CorpusError(f"{source}: start and end are seconds, 0 <= start < end\n{listing(wrong)}")
    rates = [f"{row['id']}: {row['recognised']}" for row in table if not 0 <= (row.get("recognised") or 0) <= 1]
    if rates:
        raise CorpusError(f"{source}: recognised is a share of listeners, 0 to 1 (not percent)\n{listing(rates)}")


def _settle_names(table: list[dict[str, Any]], source: str, mapping: EmotionMap) -> None:
    """Gives people, sessions and emotions the one spelling that they are compared by."""
    for row in table:
        row["emotion"] = mapping.name(row["emotion"])
    for column in ("speaker", "session"):
        for row in table:
            if row.get(column) is not None:
                row[column] = normalise_speaker(row[column])
        groups = find_confusable(row[column] for row in table if row.get(column) is not None)
        if groups:
            raise CorpusError(
                f"{source}: {len(groups)} {column}s stand there in several spellings, and one {column} under two names "
                f"would be in training and test at once. Spell each in one way, or give different ones names that "
                f"differ in more than case, accents, zeros and separators\n{listing(name_groups(groups))}"
            )


def _settle_people(table: list[dict[str, Any]], source: str) -> None:
    """Refuses a speaker of two sexes: two people under one name, or a slip."""
    sexes: dict[str, set[str]] = {}
    for row in table:
        if row.get("sex") is not None and row["speaker"] != UNKNOWN:
            sexes.setdefault(row["speaker"], set()).add(row["sex"])
    both = sorted(name for name, seen in sexes.items() if len(seen) > 1)
    if both:
        raise CorpusError(
            f"{source}: {len(both)} speakers are female in some rows and male in others; correct them, or give two "
            f"people two names\n{listing(both)}"
        )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # lone surrogates: bytes of a file's name, or escapes in JSON, that are no character
        return False
    return True


def real_rows(corpus: Dataset) -> Dataset:
    """The utterances of real speakers, without the synthetic ones."""
    speakers = corpus["speaker"][:]
    if SYNTHETIC not in speakers:
        return corpus
    return corpus.select([row for row, speaker in enumerate(speakers) if speaker != SYNTHETIC])


def emotions(corpus: Dataset) -> list[str]:
    """The emotions that occur, sorted: the classes of a model trained on this corpus."""
    return sorted(set(corpus["emotion"][:]))
