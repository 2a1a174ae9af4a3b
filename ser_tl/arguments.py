"""Parsers whose messages are short: what is wrong, what was expected, which option may have been meant.

    Parser, jsonargparse's with another `error`: two lines on standard error, exit status 2
    --help                the options that are needed first
    --help_all [GROUP]    all of them, or those of a group: --help_all train

Types are said in plain words ("a whole number"), and the usage, which has a hundred options, isn't printed. Errors of
the library name arguments (train.epochs, `resume`); `spell_options` writes them as they are typed (--train.epochs).
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin

from jsonargparse import ArgumentParser

from ser_tl.help_format import HelpFormatter

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


SHORTHANDS = {"labels": {"all": "classes", "shared": "classes"}}
"""Groups of options that a single word may stand for, each word with the option whose value it is."""


class Parser(ArgumentParser):
    """jsonargparse's parser with messages for readers. Options are written in full."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - jsonargparse's
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", HelpFormatter)
        super().__init__(*args, **kwargs)
        self._first: Collection[str] | None = None
        self._sections: dict[str, Callable[[], str]] = {}

    def add_section(self, name: str, text: Callable[[], str]) -> None:
        """Adds what `--help_all` and `--help_all NAME` show behind the options.

        Args:
            name: as if it were a group of options
            text: makes what is shown
        """
        self._sections[name] = text

    def parse_args(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:  # noqa: ANN401
        """Parses arguments; one word, or several with commas, stands for a list where a list is expected."""
        given = _expand_shorthands(sys.argv[1:] if args is None else list(args))
        return super().parse_args(_wrap_lists(self, given), *more, **options)

    def show_first(self, names: Collection[str]) -> None:
        """Makes `--help` show some options alone, and adds `--help_all [GROUP]` for the others.

        Args:
            names: of options, with dots and without dashes
        """
        self._first = {*names, "help", "help_all", "config"}
        self.add_argument(
            "--help_all", action=_HelpAll, help="show all options, or those of a group: --help_all train, and end"
        )

    def print_help(self, file: Any = None) -> None:  # noqa: ANN401 - argparse's
        """Prints the options that are needed first; all, where none were named."""
        if self._first is None:
            super().print_help(file)
            return
        first = self._first
        self._print_some(lambda action: action.dest in first or not action.option_strings, file)
        hidden = [action for action in self._actions if action.option_strings and action.dest not in first]
        groups = [*dict.fromkeys(action.dest.partition(".")[0] for action in hidden if "." in action.dest)]
        groups += self._sections
        sys.stdout.write(f"\n{len(hidden)} more options: --help-all, or one of their groups: {', '.join(groups)}\n")

    def print_group(self, name: str | None) -> None:
        """Prints all options, or those of a group."""
        if name is None:
            super().print_help()
        for section, text in self._sections.items():
            if name in (None, section):
                sys.stdout.write(f"\n{text()}")
        if name is None or name in self._sections:
            return
        if not any(action.dest.startswith(f"{name}.") for action in self._actions):
            self.error(f"--help-all: there is no group {name!r}")
        self._print_some(lambda action: action.dest.startswith(f"{name}."), None)

    def _print_some(self, shown: Callable[[argparse.Action], bool], file: Any) -> None:  # noqa: ANN401
        hidden = {action: action.help for action in self._actions if not shown(action)}
        for action in hidden:
            action.help = argparse.SUPPRESS
        try:
            super().print_help(file)
        finally:
            for action, text in hidden.items():
                action.help = text

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Ends the program with status 2 and a message, or raises it where `exit_on_error` is false."""
        parser = getattr(ex, "subcommand_parser", None) or self
        if not self.exit_on_error:
            super().error(message, ex)
        prog = parser.prog.replace(" [options]", "")
        names = option_names(parser)
        sys.stderr.write(f"error: {spell_options(explain(message, names), names)}\n{prog} --help lists the options\n")
        self.exit(2)


def expand_group(name: str, value: object) -> str:
    """The name of the option that is meant: `labels.classes` where a group is given one of its words, `labels shared`.

    Args:
        name: of an option or a group, without dashes
        value: what it is given
    """
    option = SHORTHANDS.get(name, {}).get(str(value))
    return name if option is None else f"{name}.{option}"


def _expand_shorthands(arguments: list[str]) -> list[str]:
    """Arguments whose words for groups are options: `--labels shared` is `--labels.classes shared`."""
    expanded: list[str] = []
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        following = value if equals else "".join(arguments[index + 1 : index + 2])
        group = name.removeprefix("--")
        given_group = name.startswith("--") and group in SHORTHANDS
        expanded.append(f"--{expand_group(group, following)}{equals}{value}" if given_group else argument)
    return expanded


def _wrap_lists(parser: ArgumentParser, arguments: list[str]) -> list[str]:
    """Arguments with brackets around what stands for a list: `--emotions.drop calm,boredom`."""
    lists = {
        name
        for action in parser._actions
        if _is_list(getattr(action, "_typehint", None))
        for name in action.option_strings
    }
    wrapped: list[str] = []
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in lists and equals:
            argument = f"{name}={_wrap_list(value)}"
        elif index and arguments[index - 1] in lists:
            argument = _wrap_list(argument)
        wrapped.append(argument)
    return wrapped


def _wrap_list(value: str) -> str:
    return value if value.startswith(("[", "-")) or value in ("", "null") else f"[{value}]"


def _is_list(hint: Any) -> bool:  # noqa: ANN401 - any type
    """Whether a type is a list, or a list or None."""
    kinds = (
        [kind for kind in get_args(hint) if kind is not NoneType] if get_origin(hint) in (Union, UnionType) else [hint]
    )
    return bool(kinds) and all(get_origin(kind) is list for kind in kinds)


class _HelpAll(argparse.Action):
    """Prints all options, or those of a group, and ends the program."""

    def __init__(self, option_strings: list[str], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(option_strings, argparse.SUPPRESS, nargs="?", default=argparse.SUPPRESS, help=kwargs["help"])

    def __call__(self, parser: Any, *given: Any, **_: Any) -> None:  # noqa: ANN401
        """Called by argparse with the parser, the namespace and the value."""
        parser.print_group(given[1])
        parser.exit()


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


def spell_options(message: str, options: Collection[str]) -> str:
    """An error of the library with its arguments as flags.

    Written with dashes are names with a dot (train.epochs), names in backticks (`resume`), and the name that a message
    begins with ("encoder mfcc: ..."); other words stay as they are.

    Args:
        message: the error's
        options: names of the command's options, with or without dashes
    """
    names = {name.lstrip("-") for name in options}
    dotted = sorted((re.escape(name) for name in names if "." in name), key=len, reverse=True)
    if dotted:
        message = re.sub(rf"(?<![\w./'\"-])(?:{'|'.join(dotted)})(?![\w(/]|\.\w)", r"--\g<0>", message)
    message = re.sub(r"`(\w+)`", lambda match: f"--{match[1]}" if match[1] in names else match[0], message)
    first = re.match(r"(\w+)(?=[ :])", message)
    return f"--{message}" if first and first[1] in names else message


def option_names(parser: ArgumentParser, command: str | None = None) -> list[str]:
    """The names of a parser's options, or of one of its commands' options."""
    if command is not None and parser._subcommands_action is not None:
        parser = parser._subcommands_action._name_parser_map[command]
    return [name for name in _spellings(parser) if name.startswith("--")]


def _spellings(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
