"""Several corpora as one: names kept apart, columns aligned, classes that all have or that any has.

    [Dataset, ...] --combine_corpora--> Dataset, notes --select_classes--> Dataset, notes

A speaker is compared with others by name, so two people of one name in two corpora would be one person, and two
utterances of one id one clip. Whatever is renamed, left out or shared by some corpora alone is a note for the report.
Rows stay in the corpora's order, and the column `corpus` says where each comes from.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from datasets import Dataset, concatenate_datasets

from ser_tl.data.duplicates import audio_spans, find_duplicates
from ser_tl.data.schema import COLUMNS, DERIVED, NAME_IN_CORPUS, SYNTHETIC
from ser_tl.data.speakers import UNKNOWN, speaker_key
from ser_tl.errors import CorpusError, listing

Classes = Literal["all", "shared"]

_MOST = 6  # names in a note
_KEYS: Mapping[str, Callable[[str], str]] = {"id": str, "speaker": speaker_key, "session": speaker_key, "sentence": str}
_NOUNS = {"id": "ids", "speaker": "speakers", "session": "sessions", "sentence": "sentences"}


def combine_corpora(corpora: Sequence[Dataset]) -> tuple[Dataset, list[str]]:
    """One corpus of several, whose ids, speakers, sessions and sentences don't meet.

    Datasets that share a value of the column `corpus` are parts of one corpus: a speaker's name is one person in them.
    In two corpora it is two people, and both get their corpus' name in front.

    Args:
        corpora: rows with the columns of `data.schema`, two or more

    Returns:
        The rows of all, and notes for the report: what is in it, and which names were changed.

    Raises:
        CorpusError: one corpus is given twice, or names meet even with the corpus in front
    """
    owners = _find_owners(corpora)
    owner_of_row = [owner for owner, corpus in zip(owners, corpora, strict=True) for _ in range(len(corpus))]
    columns = [name for name in COLUMNS | DERIVED if any(name in corpus.column_names for corpus in corpora)]
    combined = concatenate_datasets([_add_missing(corpus, columns, corpora) for corpus in corpora])
    _refuse_twice(combined, owner_of_row)
    notes = [f"Several corpora: {describe_sizes(combined)}."]
    for column in (name for name in _KEYS if name in combined.column_names):
        combined, renamed = _keep_apart(combined, column, owner_of_row)
        if renamed:
            names = ", ".join(renamed[:_MOST]) + (f" and {len(renamed) - _MOST} more" if len(renamed) > _MOST else "")
            people = column == "speaker"
            reason = ", taken for different people," if people else ""
            way_out = " Of the same people give all rows one value in a column `corpus`." if people else ""
            notes.append(
                f"{len(renamed)} {_NOUNS[column]} of one name in two corpora{reason} have their corpus' name in "
                f"front: {names}.{way_out}"
            )
    return combined, notes


def _find_owners(corpora: Sequence[Dataset]) -> list[int]:
    """The number of the first dataset that each shares a corpus with: its own for most."""
    owners: list[int] = []
    seen: dict[str, int] = {}
    for number, corpus in enumerate(corpora):
        names = set(corpus["corpus"][:])
        owner = min([seen[name] for name in names if name in seen], default=number)
        seen |= dict.fromkeys(names, owner)
        owners.append(owner)
    return owners


def _add_missing(corpus: Dataset, columns: Sequence[str], corpora: Sequence[Dataset]) -> Dataset:
    """The corpus with all columns, empty where it has none."""
    for name in columns:
        if name not in corpus.column_names:
            feature = next(other.features[name] for other in corpora if name in other.column_names)
            corpus = corpus.add_column(name, [None] * len(corpus), feature=feature)
    return corpus.select_columns(columns)


def _refuse_twice(combined: Dataset, owners: Sequence[int]) -> None:
    names = list(zip(owners, combined["id"][:], strict=True))
    twice = sorted({name for (_, name), count in Counter(names).items() if count > 1})
    if twice:
        homes = {corpus for name, corpus in zip(combined["id"][:], combined["corpus"][:], strict=True) if name in twice}
        raise CorpusError(
            f"the corpus {', '.join(sorted(homes))} is given twice: {len(twice)} of its utterances come from two of "
            f"the corpora named; name each once\n{listing(twice)}"
        )


def _keep_apart(combined: Dataset, column: str, owners: Sequence[int]) -> tuple[Dataset, list[str]]:
    """The corpus with the names of a column that two corpora have made different, and these names."""
    values, homes = combined[column][:], combined["corpus"][:]
    key_of = _KEYS[column]
    owners_of_key: dict[str, set[int]] = defaultdict(set)
    for value, owner in zip(values, owners, strict=True):
        if value is not None and value not in (UNKNOWN, SYNTHETIC):
            owners_of_key[key_of(value)].add(owner)
    shared = {key for key, where in owners_of_key.items() if len(where) > 1}
    if not shared:
        return combined, []
    changes = [value is not None and value not in (UNKNOWN, SYNTHETIC) and key_of(value) in shared for value in values]
    names = [
        f"{home}_{value}" if changed else value for value, home, changed in zip(values, homes, changes, strict=True)
    ]
    where: dict[str, set[int]] = defaultdict(set)
    for name, owner in zip(names, owners, strict=True):
        if name is not None and name not in (UNKNOWN, SYNTHETIC):
            where[key_of(name)].add(owner)
    meeting = sorted(key for key, found_in in where.items() if len(found_in) > 1)
    if meeting:
        raise CorpusError(
            f"{len(meeting)} {_NOUNS[column]} of two corpora have one name even with the corpus' in front: rename them "
            f"in one of the two\n{listing(meeting)}"
        )
    if column == "speaker" and NAME_IN_CORPUS not in combined.column_names:
        # A model that was trained on one of the corpora alone knows the speaker by this name.
        combined = combined.add_column(NAME_IN_CORPUS, values, feature=DERIVED[NAME_IN_CORPUS])
    renamed = combined.remove_columns(column).add_column(column, names, feature=combined.features[column])
    distinct = sorted({value for value, changed in zip(values, changes, strict=True) if changed})
    return renamed.select_columns(combined.column_names), distinct


def describe_sizes(corpus: Dataset) -> str:
    """Utterances and speakers of each corpus, for a note."""
    rows = list(zip(corpus["corpus"][:], corpus["speaker"][:], strict=True))
    sizes = Counter(name for name, _ in rows)
    people = {name: len({speaker for home, speaker in rows if home == name} - {UNKNOWN}) for name in sizes}
    return ", ".join(f"{name} ({size} utterances, {people[name]} speakers)" for name, size in sorted(sizes.items()))


def select_classes(corpus: Dataset, classes: Classes) -> tuple[Dataset, list[str]]:
    """The utterances of the emotions that all corpora have, or of all.

    Args:
        corpus: of one or several corpora, by its column `corpus`
        classes: `shared` leaves out what isn't in every corpus, `all` keeps it

    Returns:
        The rows, and notes for the report; a single corpus stays as it is, without a note.

    Raises:
        CorpusError: fewer than two emotions are shared, or, of all, a corpus has no emotion that another has
    """
    by_corpus = emotions_by_corpus(corpus)
    if len(by_corpus) < 2:
        return corpus, []
    shared = set.intersection(*by_corpus.values())
    partial = {
        emotion: [name for name, present in by_corpus.items() if emotion in present]
        for emotion in sorted(set.union(*by_corpus.values()) - shared)
    }
    named = "; ".join(f"{emotion} ({', '.join(names)})" for emotion, names in partial.items())
    if classes == "shared":
        if len(shared) < 2:
            raise _unshared(by_corpus, f"all of the corpora share {len(shared)} emotions, two or more are needed")
        rows = [row for row, emotion in enumerate(corpus["emotion"][:]) if emotion in shared]
        left_out = len(corpus) - len(rows)
        if not left_out:
            return corpus, []
        note = f"Shared emotions alone ({', '.join(sorted(shared))}): {left_out} utterances are left out, of {named}."
        return corpus.select(rows), [note]
    for name, present in by_corpus.items():
        others = set().union(*(there for other, there in by_corpus.items() if other != name))
        if not present & others:
            raise _unshared(by_corpus, f"no emotion of {name} is in another of the corpora")
    if not partial:
        return corpus, []
    return corpus, [
        f"Emotions of all corpora: {', '.join(sorted(shared)) or 'none'}; of some alone: {named}. A model may tell "
        f"such an emotion by its corpus' sound (labels.classes shared leaves them out)."
    ]


def _unshared(by_corpus: Mapping[str, set[str]], problem: str) -> CorpusError:
    lines = listing(f"{name}: {', '.join(sorted(present))}" for name, present in by_corpus.items())
    return CorpusError(
        f"{problem}: a model would tell emotions by the sound of the recordings. emotions.rename and emotions.merge "
        f"bring names together\n{lines}"
    )


def emotions_by_corpus(corpus: Dataset) -> dict[str, set[str]]:
    """The emotions that each corpus has, by its name."""
    present: dict[str, set[str]] = {}
    for name, emotion in zip(corpus["corpus"][:], corpus["emotion"][:], strict=True):
        present.setdefault(name, set()).add(emotion)
    return dict(sorted(present.items()))


def refuse_shared_audio(corpus: Dataset) -> None:
    """Refuses recordings that two corpora have: their speakers would be two people each.

    Args:
        corpus: of several corpora; equal samples are found if `checks.check_audio` returned it, else equal files

    Raises:
        CorpusError: the very same audio is in two of them
    """
    homes: dict[str, list[int]] = {}
    for row, name in enumerate(corpus["corpus"][:]):
        homes.setdefault(name, []).append(row)
    spans = {name: audio_spans(corpus.select(rows)) for name, rows in homes.items()}
    twice = [
        f"{twin} ({first}) = {copy} ({other})"
        for first, other in combinations(sorted(spans), 2)
        for twin, copy in find_duplicates(spans[first], spans[other])
    ]
    if twice:
        raise CorpusError(
            f"{len(twice)} recordings are in two of the corpora, so that one person would have two names: is one "
            f"corpus given twice, or does one hold the other? Leave them out of one of the two\n{listing(twice)}"
        )


def column_ranges(corpus: Dataset, column: str) -> dict[str, tuple[float, float]]:
    """The least and the largest value of a numeric column in each corpus that has some."""
    values: dict[str, list[Any]] = {}
    if column in corpus.column_names:
        for name, value in zip(corpus["corpus"][:], corpus[column][:], strict=True):
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: (min(numbers), max(numbers)) for name, numbers in sorted(values.items())}
