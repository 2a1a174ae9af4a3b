"""Corpora by name: what a reader is, and how its folder is looked through.

    load_corpus("ravdess", root) -> CORPORA["ravdess"].read(root, emotions) -> Dataset with the columns of data.schema

A reader takes names, labels and speakers from a folder or a manifest and hands rows to `schema.build`. It never opens
the audio, never divides it into parts, and never passes over a file in silence: what it can't place is an error.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from datasets import Dataset

from ser_tl.assets import asset
from ser_tl.data.audio import FORMATS, SUFFIXES
from ser_tl.data.emotions import EMOTIONS, EmotionMap, propose_rename
from ser_tl.errors import ConfigError, CorpusError, listing
from ser_tl.registry import Registry

Read = Callable[..., Dataset]
"""read(root, emotions), with the columns as a third where the reader takes them."""

OTHER_SUFFIXES = {".m4a", ".m4b", ".aac", ".ac3", ".amr", ".ape", ".au", ".snd", ".caf", ".w64", ".wma", ".wv", ".mka"}
OTHER_SUFFIXES |= {".aifc", ".alac", ".mp2", ".ra", ".rf64", ".sph", ".spx", ".tta"}
"""What names of recordings end with that ser_tl doesn't read; videos, which corpora have beside them, are none."""

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class CorpusReader:
    """How to read one corpus, and what a user wants to know before.

    Args:
        name: what `load_corpus` calls it
        read: makes the Dataset from the root and the mapping of emotions
        title: the corpus' full name
        languages: ISO 639-1 codes; empty where the data says
        licence: what its authors allow
        layout: what the reader expects at the root, in one line
        asset: the folder of ser_tl.assets that holds it; empty where the user has to bring it
        takes_columns: whether the user may say which column holds what
        takes_ids: whether the root may also be a hub id, which `read` then gets as text
        style: how the speech came about: acted, improvised, broadcast, ...; empty where the data says or it is unknown
    """

    name: str
    read: Read
    title: str
    languages: tuple[str, ...]
    licence: str
    layout: str
    asset: str = ""
    takes_columns: bool = False
    takes_ids: bool = False
    style: str = ""

    @property
    def bundled(self) -> bool:
        """Whether it comes with ser_tl, so that no root is needed."""
        return bool(self.asset)


CORPORA: Registry[CorpusReader] = Registry("corpus", "ser_tl.corpora")


def register_corpus(
    name: str,
    *,
    title: str,
    languages: tuple[str, ...],
    licence: str,
    layout: str,
    asset: str = "",
    takes_columns: bool = False,
    takes_ids: bool = False,
    style: str = "",
) -> Callable[[Read], Read]:
    """A decorator that enters a `read_x` function into CORPORA, with the facts of `CorpusReader`."""

    def enter(read: Read) -> Read:
        facts = CorpusReader(name, read, title, languages, licence, layout, asset, takes_columns, takes_ids, style)
        CORPORA.register(name)(facts)
        return read

    return enter


def load_corpus(
    name: str,
    root: Path | str | None = None,
    *,
    emotions: EmotionMap | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """The corpus called `name`: one row per utterance, with the columns of `ser_tl.data.schema`.

    Args:
        name: a name in CORPORA
        root: the corpus' folder, the manifest or (for huggingface) a hub id; None for a corpus that comes with ser_tl
        emotions: how the corpus' emotions become classes; as they are if None
        columns: what a manifest's or dataset's columns hold where their names don't say it, {"emotion": "label"}; only
            for readers that take it

    Raises:
        UnknownNameError: no reader has this name
        CorpusError: the root is missing, or holds something else than the reader expects
        ConfigError: the mapping names emotions or labels that no utterance has, or columns are given to a reader that
            has none
    """
    reader = CORPORA[name]
    if columns and not reader.takes_columns:
        takers = ", ".join(name for name, other in CORPORA.items() if other.takes_columns)
        raise ConfigError(f"the corpus {name} has no columns to name: leave --columns out, it is for {takers}")
    place = _place(reader, root)
    given = (dict(columns or {}),) if reader.takes_columns else ()
    return reader.read(place, emotions or EmotionMap(), *given)


def _place(reader: CorpusReader, root: Path | str | None) -> Path | str:
    """The root as `read` gets it: an absolute path that is there, or a hub id."""
    if reader.bundled:
        if root is not None:
            raise CorpusError(f"the corpus {reader.name} comes with ser_tl, yet the root is {root}: leave `root` out")
        return asset(reader.asset)
    if root is None:
        raise CorpusError(
            f"the corpus {reader.name} doesn't come with ser_tl: say with `root` where it is ({reader.layout})"
        )
    place = Path(root).expanduser().absolute()
    name = root if isinstance(root, str) else root.as_posix()
    if reader.takes_ids and not place.exists() and _HUB_ID.fullmatch(name):
        return name
    if not place.exists():
        raise wrong_root(place, reader.layout)
    return place


def wrong_root(root: Path, layout: str) -> CorpusError:
    """The error for a root that isn't what a reader expects, with what is there instead."""
    if not root.exists():
        near = next(parent for parent in root.parents if parent.exists())
        problem, found = f"there is no {root}", _entries(near)
        return CorpusError(f"{problem}; `root` has to be {layout}. Found in {near} are\n{found}")
    problem = "a folder that doesn't fit" if root.is_dir() else "a file that doesn't fit"
    found = f"Found there are\n{_entries(root)}" if root.is_dir() else f"Found beside it are\n{_entries(root.parent)}"
    return CorpusError(f"{root} is {problem}; `root` has to be {layout}. {found}")


def _entries(folder: Path) -> str:
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    return listing(names) or "  nothing"


def audio_files(root: Path, layout: str, *, same_names: bool = False) -> list[Path]:
    """All audio files under a corpus' folder, sorted by their names, so that the order doesn't hang on the folders.

    Hidden files aren't looked at: some systems leave `._03a01Fa.wav` and the like behind.

    Args:
        root: the corpus' folder
        layout: what the root has to be, for messages
        same_names: files of one name are different recordings, told apart by their folders

    Raises:
        CorpusError: the root isn't a folder, holds no audio, holds recordings of a kind that isn't read, holds two
            files of one name, or can't be read
    """
    if not root.is_dir():
        raise wrong_root(root, layout)
    walk = os.walk(root, onerror=_unreadable, followlinks=True)
    every = [Path(folder) / name for folder, _, names in walk for name in names if not name.startswith(".")]
    found = [path for path in every if path.suffix.lower() in SUFFIXES]
    _refuse_others(root, [path for path in every if path.suffix.lower() in OTHER_SUFFIXES], found)
    if not found:
        raise wrong_root(root, f"{layout}, as {', '.join(SUFFIXES)}")
    files = sorted(found, key=lambda path: (path.stem, path))
    if not same_names:
        _refuse_copies(root, files, parts=1)
    return files


def _refuse_others(root: Path, others: list[Path], found: list[Path]) -> None:
    """Refuses recordings that can't be read, but for those that somebody has converted and left beside the result."""
    converted = {path.with_suffix("") for path in found}
    lost = sorted(str(path.relative_to(root)) for path in others if path.with_suffix("") not in converted)
    if lost:
        raise CorpusError(
            f"{root}: {len(lost)} recordings can't be read here: expected are {FORMATS} ({', '.join(SUFFIXES)}). "
            f"Convert them, for example to FLAC, or move them elsewhere\n{listing(lost)}"
        )


def _refuse_copies(root: Path, files: list[Path], parts: int) -> None:
    """Refuses files, sorted by the names that this many parts of their paths make, of which two have one name."""
    copies = [list(same) for _, same in groupby(files, key=lambda path: _name(path, parts))]
    twice = [" and ".join(str(path.relative_to(root)) for path in same) for same in copies if len(same) > 1]
    if twice:
        raise CorpusError(
            f"{root}: {len(twice)} recordings are there more than once; point `root` at one copy of the corpus, or "
            f"take the others out\n{listing(twice)}"
        )


def _name(path: Path, parts: int) -> str:
    return "/".join(path.with_suffix("").parts[-parts:])


def _unreadable(error: OSError) -> None:
    raise CorpusError(f"{error.filename}: can't look into this folder ({error.strerror}); make it readable") from error


def named_files(
    root: Path, pattern: re.Pattern[str], *, layout: str, rule: str, parts: int = 1
) -> list[tuple[Path, re.Match[str]]]:
    """All audio files of a corpus that writes its labels into the names, each with the match of its name.

    Args:
        root: the corpus' folder
        pattern: what a whole name has to match
        layout: what the root has to be, for messages
        rule: how names are built, for messages
        parts: how much of a path is the recording's name, counted from its end: 1 where the stem is (03a01Fa), more
            where folders say who spoke and how (liuchanhg/angry/201 is 3)

    Raises:
        CorpusError: as `audio_files`, or names that don't match, all of them counted
    """
    files = sorted(audio_files(root, layout, same_names=True), key=lambda path: (_name(path, parts), path))
    _refuse_copies(root, files, parts)
    pairs = [(path, pattern.fullmatch(_name(path, parts))) for path in files]
    odd = [str(path.relative_to(root)) for path, match in pairs if match is None]
    if odd:
        raise CorpusError(
            f"{root}: {len(odd)} of {len(pairs)} audio files aren't named by the corpus' rule, {rule}; move them "
            f"elsewhere or point `root` at {layout}\n{listing(odd)}"
        )
    return [(path, match) for path, match in pairs if match is not None]


def read_emotions(labels: Iterable[tuple[str, str]], emotions: EmotionMap, *, source: Path | str) -> list[str]:
    """The names of many labels; all that have none go into one error, each once.

    Args:
        labels: pairs of where a label stands, for the message ("line 3"), and the label
        emotions: the user's mapping, whose renaming comes first
        source: the file or folder

    Raises:
        CorpusError: labels that are neither renamed nor known
    """
    names: list[str] = []
    unknown: dict[str, list[str]] = {}
    for where, label in labels:
        try:
            names.append(emotions.read(label, where=where))
        except CorpusError:
            unknown.setdefault(label, []).append(where)
    if unknown:
        raise CorpusError(
            f"{source}: {len(unknown)} unknown emotions. Known are {', '.join(EMOTIONS)} and their usual spellings; "
            f"give others a meaning, {propose_rename(unknown)}, or take all names as they are (emotions.free true)\n"
            + listing(
                f"{places[0]}: {label!r}{f', and {len(places) - 1} times more' * (len(places) > 1)}"
                for label, places in unknown.items()
            )
        )
    return names
