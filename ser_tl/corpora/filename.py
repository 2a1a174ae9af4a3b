"""Corpora with labels in the names of their files: a reader from a pattern and a table.

    read_emovo = filename_corpus("emovo", pattern=r"(?P<emotion>dis|gio)-(?P<actor>f1|m1)-(?P<sentence>b1)",
                                 words={"dis": "disgust", "gio": "happiness"}, speaker="{actor}", ...)

A column is a format of the pattern's groups ("{actor}", and "{stem}" is the file's own name), or a function of them.
Other files, tables of votes for example, are read by a function that returns more columns for all clips.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from ser_tl.corpora.base import Read, match_file_names, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus


class Clip(NamedTuple):
    """A file and the groups of its name.

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
    """Registers a corpus whose files are named by a rule.

    Args:
        name: of `load_corpus`, of the column corpus, and the prefix of speakers' names
        title: as of `CorpusReader`, like languages, licence, style and layout
        languages: the first is every clip's, unless `columns` has the column language
        licence: of the data
        style: how the speech came about
        layout: the root's expected content
        pattern: what a whole name matches, with a group `emotion`
        rule: the pattern in words and an example, for messages
        words: the group `emotion` to the emotion; the group itself if None
        spelling: group to a function that normalises its spelling, for example {"speaker": str.lower}
        id: the format of ids
        speaker: the format of speakers' names, behind the corpus' own
        columns: further columns of `data.schema`
        parts: how much of a path is the name, counted from its end, as of `match_file_names`
        folder: of the root, the only one that is read where it exists
        check: refuses files that match but don't belong to the corpus
        details: root, clips and the mapping of emotions to further columns of each clip, in the clips' order

    Returns:
        The reader, which raises CorpusError for names of another form, recordings that are there twice and no audio.
    """
    compiled = re.compile(pattern)
    given: dict[str, Column] = {"language": languages[0], **(columns or {})}

    def read(root: Path, emotions: EmotionMap) -> Dataset:
        home = root / folder if folder and (root / folder).is_dir() else root
        files = match_file_names(home, compiled, layout=layout, rule=rule, parts=parts)
        clips = [Clip(path, _spell(match.groupdict(), spelling or {}) | {"stem": path.stem}) for path, match in files]
        if check is not None:
            check(root, clips)
        details_of_clips = [{}] * len(clips) if details is None else details(root, clips, emotions)
        rows = [
            {
                "id": id.format(**clip.name),
                "audio": clip.path,
                "emotion": emotions.read(_translate(clip.name["emotion"], words), where=str(clip.path)),
                "speaker": f"{name}_{speaker.format(**clip.name)}",
                "corpus": name,
                **{column: _format_value(value, clip.name) for column, value in given.items()},
                **clip_details,
            }
            for clip, clip_details in zip(clips, details_of_clips, strict=True)
        ]
        return build_corpus(rows, source=str(root), mapping=emotions)

    return register_corpus(name, title=title, languages=languages, licence=licence, layout=layout, style=style)(read)


def read_sex(group: str, index: int = 0) -> Callable[[Mapping[str, str]], str]:
    """The column sex of corpora that write F or M into a speaker's name.

    Args:
        group: of the pattern
        index: of the letter in it
    """
    return lambda name: {"F": "female", "M": "male"}[name[group][index].upper()]


def _spell(name: dict[str, str], spelling: Mapping[str, Callable[[str], str]]) -> dict[str, str]:
    return {group: spelling[group](text) if group in spelling else text for group, text in name.items()}


def _translate(text: str, words: Mapping[str, str] | None) -> str:
    return text if words is None else words[text]


def _format_value(column: Column, name: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever a column holds
    return column.format(**name) if isinstance(column, str) else column(name)
