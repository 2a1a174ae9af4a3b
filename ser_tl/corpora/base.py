"""Corpora by name: the contract of a reader, and the search of its folder.

    read_corpus("ravdess", root) -> CORPORA["ravdess"].read(root, emotions) -> Dataset with the columns of data.schema

A reader takes names, labels and speakers from a folder or a manifest and hands rows to `schema.build`. It never opens
the audio, never splits the corpus, and never skips a file silently: what it can't read is an error.
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
"""Suffixes of audio that ser_tl doesn't read; those of videos, which corpora have beside it, aren't among them."""

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class CorpusReader:
    """How to read one corpus, and its facts for users.

    Args:
        name: of `load_corpus`
        read: builds the Dataset from the root and the mapping of emotions
        title: the corpus' full name
        languages: ISO 639-1 codes; empty where the data says
        licence: of the data
        layout: the root's expected content, in one line
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
    """A decorator that registers a `read_x` function in CORPORA, with the facts of `CorpusReader`."""

    def enter(read: Read) -> Read:
        facts = CorpusReader(name, read, title, languages, licence, layout, asset, takes_columns, takes_ids, style)
        CORPORA.register(name)(facts)
        return read

    return enter


def read_corpus(
    name: str,
    root: Path | str | None = None,
    *,
    emotions: EmotionMap | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """One corpus, as its reader gives it; `corpora.several` is the door for one and several.

    Args:
        name: a name in CORPORA
        root: the corpus' folder, the manifest or (for huggingface) a hub id; None for a corpus that comes with ser_tl
        emotions: how the corpus' emotions become classes; as they are if None
        columns: names of a manifest's or dataset's columns where they differ from the standard, {"emotion": "label"};
            only for readers that take it

    Raises:
        UnknownNameError: no reader has this name
        CorpusError: the root is missing, or holds something else than the reader expects
        ConfigError: the mapping names emotions or labels that no utterance has, or columns are given to a reader that
            has none
    """
    reader = CORPORA[name]
    if columns and not reader.takes_columns:
        takers = ", ".join(name for name, other in CORPORA.items() if other.takes_columns)
        raise ConfigError(f"the corpus {name} has no columns to name: leave `columns` out, it is for {takers}")
    resolved_root = _resolve_root(reader, root)
    given = (dict(columns or {}),) if reader.takes_columns else ()
    return reader.read(resolved_root, emotions or EmotionMap(), *given)


def _resolve_root(reader: CorpusReader, root: Path | str | None) -> Path | str:
    """The root as `read` takes it: an absolute path that exists, or a hub id."""
    if reader.bundled:
        if root is not None:
            raise CorpusError(f"the corpus {reader.name} comes with ser_tl, yet the root is {root}: leave `root` out")
        return asset(reader.asset)
    if root is None:
        raise CorpusError(
            f"the corpus {reader.name} doesn't come with ser_tl: give its location as `root` ({reader.layout})"
        )
    path = Path(root).expanduser().absolute()
    name = root if isinstance(root, str) else root.as_posix()
    if reader.takes_ids and not path.exists() and _HUB_ID.fullmatch(name):
        return name
    if not path.exists():
        raise wrong_root(path, reader.layout)
    return path


def wrong_root(root: Path, layout: str) -> CorpusError:
    """The error for a root that isn't what a reader expects, with the root's content."""
    if not root.exists():
        near = next(parent for parent in root.parents if parent.exists())
        problem, listed = f"there is no {root}", _list_entries(near)
        return CorpusError(f"{problem}; `root` has to be {layout}. Found in {near} are\n{listed}")
    problem = "a folder that doesn't fit" if root.is_dir() else "a file that doesn't fit"
    listed = (
        f"Found there are\n{_list_entries(root)}"
        if root.is_dir()
        else f"Found beside it are\n{_list_entries(root.parent)}"
    )
    return CorpusError(f"{root} is {problem}; `root` has to be {layout}. {listed}")


def _list_entries(folder: Path) -> str:
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    return listing(names) or "  nothing"


def find_audio(root: Path, layout: str, *, same_names: bool = False) -> list[Path]:
    """All audio files under a corpus' folder, sorted by their names, so that the order doesn't depend on the folders.

    Hidden files aren't looked at: some systems leave `._03a01Fa.wav` and the like behind.

    Args:
        root: the corpus' folder
        layout: the root's expected content, for messages
        same_names: files of one name are different recordings, in different folders

    Raises:
        CorpusError: the root isn't a folder, holds no audio, holds recordings of a kind that isn't read, holds two
            files of one name, or can't be read
    """
    if not root.is_dir():
        raise wrong_root(root, layout)
    walk = os.walk(root, onerror=_raise_unreadable, followlinks=True)
    paths = [Path(folder) / name for folder, _, names in walk for name in names if not name.startswith(".")]
    audio = [path for path in paths if path.suffix.lower() in SUFFIXES]
    _refuse_others(root, [path for path in paths if path.suffix.lower() in OTHER_SUFFIXES], audio)
    if not audio:
        raise wrong_root(root, f"{layout}, as {', '.join(SUFFIXES)}")
    files = sorted(audio, key=lambda path: (path.stem, path))
    if not same_names:
        _refuse_copies(root, files, parts=1)
    return files


def _refuse_others(root: Path, others: list[Path], audio: list[Path]) -> None:
    """Refuses recordings in formats that aren't read, unless a converted copy lies beside them."""
    converted = {path.with_suffix("") for path in audio}
    unreadable = sorted(str(path.relative_to(root)) for path in others if path.with_suffix("") not in converted)
    if unreadable:
        raise CorpusError(
            f"{root}: {len(unreadable)} recordings can't be read here: expected are {FORMATS} ({', '.join(SUFFIXES)}). "
            f"Convert them, for example to FLAC, or move them elsewhere\n{listing(unreadable)}"
        )


def _refuse_copies(root: Path, files: list[Path], parts: int) -> None:
    """Refuses two files of one name, which is the last `parts` parts of a path; files are sorted by it."""
    copies = [list(same) for _, same in groupby(files, key=lambda path: _join_name(path, parts))]
    twice = [" and ".join(str(path.relative_to(root)) for path in same) for same in copies if len(same) > 1]
    if twice:
        raise CorpusError(
            f"{root}: {len(twice)} recordings are there more than once; point `root` at one copy of the corpus, or "
            f"take the others out\n{listing(twice)}"
        )


def _join_name(path: Path, parts: int) -> str:
    return "/".join(path.with_suffix("").parts[-parts:])


def _raise_unreadable(error: OSError) -> None:
    raise CorpusError(f"{error.filename}: can't look into this folder ({error.strerror}); make it readable") from error


def match_file_names(
    root: Path, pattern: re.Pattern[str], *, layout: str, rule: str, parts: int = 1
) -> list[tuple[Path, re.Match[str]]]:
    """All audio files of a corpus that has its labels in the names, each with the match of its name.

    Args:
        root: the corpus' folder
        pattern: what a whole name has to match
        layout: the root's expected content, for messages
        rule: how names are built, for messages
        parts: how much of a path is the recording's name, counted from its end: 1 where the stem is (03a01Fa), more
            where folders are speakers and emotions (liuchanhg/angry/201 is 3)

    Raises:
        CorpusError: as `find_audio`, or names that don't match, all of them counted
    """
    files = sorted(find_audio(root, layout, same_names=True), key=lambda path: (_join_name(path, parts), path))
    _refuse_copies(root, files, parts)
    pairs = [(path, pattern.fullmatch(_join_name(path, parts))) for path in files]
    odd = [str(path.relative_to(root)) for path, match in pairs if match is None]
    if odd:
        raise CorpusError(
            f"{root}: {len(odd)} of {len(pairs)} audio files aren't named by the corpus' rule, {rule}; move them "
            f"elsewhere or point `root` at {layout}\n{listing(odd)}"
        )
    return [(path, match) for path, match in pairs if match is not None]


def read_emotions(labels: Iterable[tuple[str, str]], emotions: EmotionMap, *, source: Path | str) -> list[str]:
    """The emotions of many labels; unknown ones go into one error, each once.

    Args:
        labels: pairs of a label's position, for messages ("line 3"), and the label
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
