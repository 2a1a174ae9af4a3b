"""One corpus or several by name: what `corpus` says, wherever an option or an argument has that name.

    "ravdess:/data/RAVDESS+emodb:/data/EMODB" --parse_sources--> [CorpusSource, ...] --load_corpora--> Dataset, notes
    load_corpus(the same) -> the Dataset alone

Labels meet by their one name (data.emotions): a corpus' happy, another's joy and a third's F are happiness. The user's
mapping is checked against all corpora together, so that it may name what one of them has. Names of speakers and
utterances are kept apart by `data.combination`.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import CORPORA, read_corpus
from ser_tl.data.combination import combine_corpora
from ser_tl.data.emotions import EmotionMap, EmotionName
from ser_tl.errors import ConfigError, CorpusError


@dataclass(frozen=True)
class CorpusSource:
    """Where one of several corpora is.

    Args:
        name: a name in CORPORA
        root: its folder, manifest or hub id; None for a corpus that comes with ser_tl
        columns: what a manifest's or dataset's columns hold, where they differ from the other corpora's
    """

    name: str
    root: Path | str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


CorpusNames = str | Sequence[str | CorpusSource]
"""ravdess, ravdess:ROOT, ravdess:ROOT+emodb:ROOT, or a list of such names and of `CorpusSource`."""


def parse_sources(corpora: CorpusNames, root: Path | str | None = None) -> list[CorpusSource]:
    """The corpora that an option names.

    Args:
        corpora: one name, or several with + between, each with its root behind a colon; or a list of them
        root: of a single corpus whose name says none

    Whether there are such corpora is for `load_corpora` to see: a title may name one that isn't installed here.

    Raises:
        ConfigError: no corpus, or `root` beside corpora that have their own
    """
    if isinstance(corpora, str):
        items: list[str | CorpusSource] = [corpora] if corpora in CORPORA else list(_split(corpora))
    else:
        items = list(corpora)
    sources = [item if isinstance(item, CorpusSource) else _parse_source(item) for item in items]
    if not sources:
        raise ConfigError("corpus is an empty list: name one or more, for example [ravdess:ROOT, emodb:ROOT]")
    if root is None:
        return sources
    if len(sources) > 1 or sources[0].root is not None:
        raise ConfigError(
            f"root is {root}, but corpus names {'its own' if len(sources) == 1 else 'several corpora'}: leave `root` "
            f"out and write each behind its name, ravdess:ROOT+emodb:ROOT"
        )
    return [CorpusSource(sources[0].name, root, sources[0].columns)]


def _split(text: str) -> list[str]:
    """The parts between plus signs; one inside a folder's name, with no corpus behind it, divides nothing."""
    names = "|".join(re.escape(name) for name in CORPORA)
    return re.split(rf"\+(?=[\w.-]+:|(?:{names})(?:\+|$))", text)


def _parse_source(text: str) -> CorpusSource:
    name, _, root = text.partition(":")
    return CorpusSource(name, root or None)


def corpus_title(corpora: CorpusNames) -> str:
    """What several corpora are called in headings and names of folders: their names without their roots."""
    return "+".join(source.name for source in parse_sources(corpora))


def load_corpus(
    name: CorpusNames,
    root: Path | str | None = None,
    *,
    emotions: EmotionMap | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """The corpus called `name`, or several as one: one row per utterance, with the columns of `ser_tl.data.schema`.

    Args:
        name: a name in CORPORA; several as NAME:ROOT+NAME:ROOT, or a list of these
        root: the corpus' folder, the manifest or (for huggingface) a hub id; None for a corpus that comes with ser_tl,
            and for several
        emotions: how the corpus' emotions become classes; as they are if None
        columns: what a manifest's or dataset's columns hold where their names don't say it, {"emotion": "label"}; only
            for readers that take it

    Raises:
        UnknownNameError: no reader has this name
        CorpusError: the root is missing, or holds something else than the reader expects; of several, one is given
            twice
        ConfigError: the mapping names emotions or labels that no utterance has, or columns are given to a reader that
            has none
    """
    return load_corpora(name, root, emotions=emotions, columns=columns)[0]


def load_corpora(
    corpora: CorpusNames,
    root: Path | str | None = None,
    *,
    emotions: EmotionMap | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[Dataset, list[str]]:
    """The corpora of an option as one, with notes for the report.

    Args:
        corpora: as of `load_corpus`
        root: of a single corpus
        emotions: how the emotions of all become classes; it may name what one of them has
        columns: what columns hold, of those corpora whose readers take it

    Returns:
        The rows, and what was merged, renamed and left out; no notes on a single corpus.

    Raises:
        CorpusError, ConfigError: as of `load_corpus`
    """
    sources = parse_sources(corpora, root)
    for source in sources:
        CORPORA[source.name]  # an unknown name is reported before anything is read
    if len(sources) == 1:
        (source,) = sources
        own_columns = {**(columns or {}), **source.columns}
        return read_corpus(source.name, source.root, emotions=emotions, columns=own_columns), []
    takers = [source for source in sources if CORPORA[source.name].takes_columns]
    if columns and not takers:
        raise ConfigError("none of the corpora has columns to name: leave `columns` out")
    _refuse_twice(sources)
    mapping = emotions or EmotionMap()
    records, parts = [], []
    for source in sources:
        record = _RecordedMap(mapping.rename, mapping.merge, mapping.drop, mapping.free)
        own_columns = {**(columns or {} if source in takers else {}), **source.columns}
        parts.append(read_corpus(source.name, source.root, emotions=record, columns=own_columns))
        records.append(record)
    labels = [record.labels for record in records]
    present = sorted(set().union(*(record.present for record in records)))
    mapping.check(present, set().union(*labels) if all(labels) else ())
    combined, notes = combine_corpora(parts)
    names = ["+".join(sorted(set(part["corpus"][:]))) for part in parts]
    return combined, [*notes, *_describe_labels(names, records), *_describe_mapping(mapping)]


def _refuse_twice(sources: Sequence[CorpusSource]) -> None:
    seen: dict[tuple[str, str], CorpusSource] = {}
    for source in sources:
        root = "" if source.root is None else str(Path(source.root).expanduser().resolve())
        if (source.name, root) in seen:
            where = f" ({source.root})" if source.root is not None else ""
            raise CorpusError(f"the corpus {source.name}{where} is given twice: name each once")
        seen[source.name, root] = source


class _RecordedMap(EmotionMap):
    """A mapping that is checked against all corpora together, and keeps how one of them spells its emotions.

    Attributes:
        spellings: name to the labels that were read as it
        present: the emotions of utterances and votes, before the mapping
        labels: the corpus' own labels, where its reader gives them
    """

    spellings: dict[str, set[str]]
    present: set[str]
    labels: set[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("spellings", defaultdict(set)), ("present", set()), ("labels", set())):
            object.__setattr__(self, name, value)

    def read(self, label: str, *, where: str) -> EmotionName:
        """As the mapping reads it."""
        name = super().read(label, where=where)
        self.spellings[str(name)].add(name.label)
        return name

    def check(self, present: Sequence[str], labels: Collection[str] = ()) -> None:
        """Refuses what one corpus alone can tell: free names that differ in case."""
        self.present.update(present)
        self.labels.update(labels)
        EmotionMap(free=self.free).check(present)


def _describe_labels(names: Sequence[str], records: Sequence[_RecordedMap]) -> list[str]:
    """A note on the emotions that corpora spell differently; none where all spell alike."""
    spelled: dict[str, dict[str, list[str]]] = {}
    for corpus, record in zip(names, records, strict=True):
        for emotion, labels in record.spellings.items():
            for label in sorted(labels):
                spelled.setdefault(emotion, {}).setdefault(label, []).append(corpus)
    differing = [
        f"{emotion} is " + ", ".join(f"{label!r} ({', '.join(corpora)})" for label, corpora in labels.items())
        for emotion, labels in sorted(spelled.items())
        if len({label.lower() for label in labels}) > 1
    ]
    return [f"Labels that were read as one emotion: {'; '.join(differing)}."] if differing else []


def _describe_mapping(mapping: EmotionMap) -> list[str]:
    """A note on what the user's mapping joins and leaves out in all corpora."""
    merged = [f"{name} takes in {', '.join(members)}" for name, members in mapping.merge.items()]
    dropped = [f"{', '.join(mapping.drop)} left out"] if mapping.drop else []
    return [f"Emotions of all corpora, as asked: {'; '.join([*merged, *dropped])}."] if merged or dropped else []
