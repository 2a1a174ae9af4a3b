"""The arguments by which commands are given a corpus, and the corpus that they name."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ser_tl.arguments import Parser

if TYPE_CHECKING:
    from datasets import Dataset

A_NAME = "a name that `ser-tl corpora` lists"


def add_corpus(command: Parser, text: str = A_NAME, *, required: bool = True, default: str | None = None) -> None:
    """--corpus, --root and --columns.

    Args:
        command: gets them
        text: help of --corpus
        required: whether it has to be given
        default: the corpus where it isn't
    """
    if required:
        command.add_argument("--corpus", type=str, required=True, help=text)
    else:
        command.add_argument("--corpus", type=str | None if default is None else str, default=default, help=text)
    add_root(command)


def add_root(command: Parser) -> None:
    """--root and --columns, for commands that have the corpus' name elsewhere."""
    command.add_argument("--root", type=Path | None, default=None, help="the corpus' folder, the manifest or a hub id")
    command.add_argument(
        "--columns",
        type=dict[str, str],
        default={},
        help="names of columns where they differ from the standard: {emotion: label}",
    )


def load_named(options: Namespace, name: str | None = None) -> tuple["Dataset", list[str]]:
    """The corpus, or several, that a command's options name, and notes on how several were joined.

    Args:
        options: with the corpus, its root and columns, and what becomes of its emotions
        name: the corpus where another option names it
    """
    from ser_tl.corpora import load_corpora  # reads corpora: not needed for a command's help
    from ser_tl.data.emotions import EmotionMap

    emotions = EmotionMap(**vars(options.emotions))
    return load_corpora(name or options.corpus, options.root, emotions=emotions, columns=options.columns)
