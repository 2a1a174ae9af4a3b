"""Corpora that write their labels into the names of their files: one frame around a pattern and a table.

    read_emovo = filename_corpus("emovo", pattern=r"(?P<emotion>dis|gio)-(?P<actor>f1|m1)-(?P<sentence>b1)",
                                 words={"dis": "disgust", "gio": "happiness"}, speaker="{actor}", ...)

A column is a format of the pattern's groups ("{actor}", and "{stem}" is the file's own name), or a function of them.
What lies beside the audio, tables of votes for example, comes by a function that gives more columns for all clips.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from ser_tl.corpora.base import Read, named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus


class Clip(NamedTuple):
    """A file whose name was read.

    Attributes:
        path: of the file
        name: the groups of its name, by the pattern, and its `stem`
    """

    path: Path
    name: dict[str, str]


Column = str | Callable[[Mapping[str, str]], Any]
"""A format of the groups, or a function of them."""


def filename_corpus(
    name: str,
    *,
    title: str,
    languages: tuple[str, ...],
    licence: str,
    style: str,
    layout: str,
    pattern: str,
    rule: str,
    words: Mapping[str, str] | None = None,
    spelling: Mapping[str, Callable[[str], str]] | None = None,
    id: str = "{stem}",
    speaker: str = "{speaker}",
    columns: Mapping[str, Column] | None = None,
    parts: int = 1,
    folder: str = "",
    check: Callable[[Path, Sequence[Clip]], None] | None = None,
    details: Callable[[Path, Sequence[Clip], EmotionMap], Sequence[Mapping[str, Any]]] | None = None,
) -> Read:
    """Enters a corpus into CORPORA whose files are named by a rule.

    Args:
        name: what `load_corpus` calls it, the column corpus, and what speakers' names begin with
        title: as of `CorpusReader`, like languages, licence, style and layout
        languages: the first is every clip's, unless `columns` has the column language
        licence: what its authors allow
        style: how the speech came about
        layout: what the reader expects at the root
        pattern: what a whole name matches, with a group `emotion`
        rule: the pattern in words and an example, for messages
        words: what the group `emotion` means; its own words if None
        spelling: group to what makes one spelling of several, for example {"speaker": str.lower}
        id: the format of ids
        speaker: the format of speakers' names, behind the corpus' own
        columns: further columns of `data.schema`
        parts: how much of a path is the name, counted from its end, as of `named_files`
        folder: the folder of the root that is read alone, where it is there
        check: refuses files that match and don't belong
        details: root, clips and the mapping of emotions to further columns of each clip, in the clips' order

    Returns:
        The reader, which raises CorpusError for names of another form, recordings that are there twice and no audio.
    """
    compiled = re.compile(pattern)
    given: dict[str, Column] = {"language": languages[0], **(columns or {})}

    def read(root: Path, emotions: EmotionMap) -> Dataset:
        home = root / folder if folder and (root / folder).is_dir() else root
        files = named_files(home, compiled, layout=layout, rule=rule, parts=parts)
        clips = [Clip(path, _spell(match.groupdict(), spelling or {}) | {"stem": path.stem}) for path, match in files]
        if check is not None:
            check(root, clips)
        more = [{}] * len(clips) if details is None else details(root, clips, emotions)
        rows = [
            {
                "id": id.format(**clip.name),
                "audio": clip.path,
                "emotion": emotions.read(_word(clip.name["emotion"], words), where=str(clip.path)),
                "speaker": f"{name}_{speaker.format(**clip.name)}",
                "corpus": name,
                **{column: _value(value, clip.name) for column, value in given.items()},
                **own,
            }
            for clip, own in zip(clips, more, strict=True)
        ]
        return build_corpus(rows, source=str(root), mapping=emotions)

    return register_corpus(name, title=title, languages=languages, licence=licence, layout=layout, style=style)(read)


def by_letter(group: str, index: int = 0) -> Callable[[Mapping[str, str]], str]:
    """The column sex of corpora that write F or M into a speaker's name.

    Args:
        group: of the pattern
        index: of the letter in it
    """
    return lambda name: {"F": "female", "M": "male"}[name[group][index].upper()]


def _spell(name: dict[str, str], spelling: Mapping[str, Callable[[str], str]]) -> dict[str, str]:
    return {group: spelling[group](text) if group in spelling else text for group, text in name.items()}


def _word(text: str, words: Mapping[str, str] | None) -> str:
    return text if words is None else words[text]


def _value(column: Column, name: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever a column holds
    return column.format(**name) if isinstance(column, str) else column(name)
