"""The arguments by which commands are given a corpus."""

from pathlib import Path

from ser_tl.arguments import Parser

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
