"""Parsers whose messages are short: what is wrong, what was expected, which option may have been meant.

    Parser, jsonargparse's with another `error`: two lines on standard error, exit status 2

Types are said in plain words ("a whole number"), and the usage, which has a hundred options, isn't printed.
"""

import difflib
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list, such as '[one, two]'",
    "dict": "names and values, such as '{name: value}'",
    "NoneType": "null",
    "Path": "a path",
    "PosixPath": "a path",
    "pathlib.Path": "a path",
}
_HABITS = {  # what other toolkits call it
    "lr": "learning_rate",
    "batch_size": "batch_seconds",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "num_train_epochs": "epochs",
    "num_workers": "workers",
    "data": "root",
    "dataset": "corpus",
    "data_dir": "root",
    "model": "encoder",
    "output_dir": "output",
    "fp16": "precision",
    "bf16": "precision",
    "early_stopping_patience": "patience",
}
_KEY = re.compile(r'(?:Parser key|Key|Validation failed: Key) "([^"]+)"')
_CHOICES = re.compile(r"typing\.Literal\[(.*?)\]")
_VALUE = re.compile(r"(?:Got value|Given value): (.*)")


class Parser(ArgumentParser):
    """jsonargparse's parser with messages for readers. Options are written in full."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - jsonargparse's
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Ends the program with status 2 and a message, or raises it where `exit_on_error` is false."""
        parser = getattr(ex, "subcommand_parser", None) or self
        if not self.exit_on_error:
            super().error(message, ex)
        prog = parser.prog.replace(" [options]", "")
        names = [name for name in _spellings(parser) if name.startswith("--")]
        sys.stderr.write(f"error: {explain(message, names)}\n{prog} --help lists the options\n")
        self.exit(2)


def explain(message: str, options: list[str]) -> str:
    """A message of jsonargparse in plain words.

    Args:
        message: the parser's
        options: all spellings of the parser's options
    """
    if unknown := re.match(r"unrecognized arguments: (.*)", message, re.I | re.S):
        wrong = [word.partition("=")[0] for word in unknown[1].split() if word.startswith("--")]
        if not wrong:
            return f"{unknown[1].strip()}: nothing was expected there; put values of several words into quotes"
        return "; ".join(f"there is no option {name}{_suggest(name, options)}" for name in wrong)
    key, value = _KEY.search(message), _VALUE.search(message)
    expected = list(dict.fromkeys(_expected(message)))
    if key is None or not expected:
        return message.strip()
    given = value[1].strip() if value else ""
    near = difflib.get_close_matches(given, re.findall(r"'([^']*)'", "".join(_CHOICES.findall(message))), n=1)
    meant = f": did you mean {near[0]}?" if near else ""
    return f"--{key[1]}{f' is {given!r}' if value else ''}: expected {' or '.join(expected)}{meant}"


def _expected(message: str) -> Iterator[str]:
    """What a message says was expected, in plain words."""
    for kind in re.findall(r"Expected a (.*?)(?:\. Got value|$)", message, re.M):
        if choices := _CHOICES.match(kind):
            yield "one of " + choices[1].replace("'", "")
        else:
            name = re.sub(r"<class '(.*)'>", r"\1", kind.strip())
            yield _TYPES.get(name, _TYPES.get(name.rpartition(".")[2], name))


def _suggest(name: str, options: list[str]) -> str:
    """The options that may have been meant, as the end of a sentence."""
    last = name.lstrip("-").replace("-", "_").rpartition(".")[2]
    wanted = {last, _HABITS.get(last, last)}
    near = [option for option in options if option.rpartition(".")[2].lstrip("-") in wanted]
    near = near or difflib.get_close_matches(name.replace("-", "_").replace("__", "--", 1), options, n=1, cutoff=0.6)
    if not near:
        ends = {option.rpartition(".")[2].lstrip("-"): option for option in options}
        near = [ends[end] for end in difflib.get_close_matches(last, ends, n=1, cutoff=0.7)]
    return f": did you mean {' or '.join(near[:3])}?" if near else ""


def _spellings(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
