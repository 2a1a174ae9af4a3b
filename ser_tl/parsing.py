"""From a command line to a recipe's options: jsonargparse's parser, and what it is spared.

    --config FILE --strategy lora --strategy.rank 8 --skip-unreadable
      --spell--> --config FILE --strategy lora --skip_unreadable true --strategy_options.rank 8 --parse--> Options

An unknown option is an error and `--help` lists all. Dashes and underscores are alike (`--skip-unreadable`), and a
switch needs no value. A strategy's options are its own: naming another strategy drops those that a file gave.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import yaml
from jsonargparse import Namespace

from ser_tl.arguments import Parser, expand_group
from ser_tl.construction import describe_options
from ser_tl.errors import SerTlError
from ser_tl.old_options import RENAMED, new_name, respelt, translate
from ser_tl.transfer.strategy import STRATEGIES


class Parsed(Protocol):
    """A dataclass of options."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


SomeOptions = TypeVar("SomeOptions", bound=Parsed)


def parse(kind: type[SomeOptions], description: str, arguments: Sequence[str] | None = None) -> SomeOptions:
    """The options of a command line. Ends the program with status 2 and a message if they are wrong.

    Args:
        kind: the recipe's options
        description: what the recipe does, for `--help`
        arguments: what to parse; the program's own arguments if None
    """
    parser = make_parser(kind, description)
    try:
        return fill(kind, parser, parser.parse_args(spell(kind, sys.argv[1:] if arguments is None else arguments)))
    except SerTlError as error:
        parser.error(str(error))
    except UnicodeDecodeError as error:
        parser.error(f"--config: the file is no text in UTF-8 ({error}), expected is YAML: a run's config.yaml")


def make_parser(kind: type[Parsed], description: str) -> Parser:
    """The parser of a recipe's options.

    Args:
        kind: the options; its `FIRST`, if it has one, are those that `--help` shows beside its own
        description: what the recipe does; its first paragraph stands in `--help`
    """
    parser = Parser(description=description.strip().partition("\n\n")[0])
    parser.add_argument("--config", action="config", help="YAML file of options; flags after it win over it")
    parser.add_argument("--import", type=str, default=None, help="a module, or a Python file, with your own parts")
    parser.add_class_arguments(kind)
    if any(item.name == "strategy" for item in fields(kind)):
        parser.add_section("strategy", lambda: describe_options(STRATEGIES, "strategy"))
    first = getattr(kind, "FIRST", None)
    if first is not None:
        bases = [base for base in kind.__mro__[1:] if hasattr(base, "FIRST")]
        usual = [name for base in bases for name in getattr(base, "__dataclass_fields__", ())]
        added = [item.name for item in fields(kind) if not is_dataclass(item.type) and item.name not in usual]
        parser.show_first([*first, *(added if usual else ())])
    return parser


def fill(kind: type[SomeOptions], parser: Parser, parsed: Namespace) -> SomeOptions:
    """The options that were parsed.

    Raises:
        ConfigError: they don't fit each other
    """
    values = parser.instantiate(parsed)
    return kind(**{item.name: values[item.name] for item in fields(kind)})


def spell(kind: type[Parsed], arguments: Sequence[str]) -> list[str]:
    """Arguments as jsonargparse spells them: underscores in names, `true` after a bare switch, a strategy's options."""
    switches = _switches(kind, "--")
    strategy = next((item.default for item in fields(kind) if item.name == "strategy"), None)
    spelt: list[str] = []
    strategy_options: list[str] = []  # these come last: naming a strategy empties what files said
    index = 0
    while index < len(arguments):
        argument, following = arguments[index], arguments[index + 1] if index + 1 < len(arguments) else None
        index += 1
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            spelt.append(argument)
            continue
        name = _today(name[2:].replace("-", "_")) if strategy is not None else name[2:].replace("-", "_")
        bare = not equals and (following is None or following.startswith("--"))
        given = value if equals else following
        if name.startswith("strategy.") and strategy is not None:
            strategy_options.append(f"--strategy_options.{name.removeprefix('strategy.')}={'true' if bare else given}")
            index += not equals and not bare
        elif name == "config" and not bare and given is not None:
            text, strategy = _config(given, strategy)
            spelt += ["--config", text]
            index += not equals
        else:
            if name == "strategy" and not bare and given != strategy:
                spelt += ["--strategy_options", "{}"]
                strategy = given
            spelt.append("--" + ("imports+" if name == "import" else name) + equals + value)
            spelt += ["true"] if f"--{name}" in switches and bare else []
    return spelt + strategy_options


def _today(name: str) -> str:
    """An option's name in today's spelling; a line says so where the last version spelt it otherwise."""
    if name in RENAMED:
        sys.stderr.write(f"{respelt(name)}\n")
    return new_name(name)


def _config(given: str, strategy: Any) -> tuple[str, Any]:  # noqa: ANN401 - whatever a file says
    """What follows --config, in today's spelling, and the strategy that holds after it.

    A file that can't be read is left to the parser, which says so.
    """
    try:
        options = yaml.safe_load(Path(given).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return given, strategy
    if not isinstance(options, Mapping) or strategy is None:
        return given, strategy
    translated, lines = translate(options)
    for name in [name for name, value in translated.items() if expand_group(str(name), value) != name]:
        option = expand_group(name, translated[name]).removeprefix(f"{name}.")
        translated[name] = {option: translated[name]}
    for line in lines:
        sys.stderr.write(f"{given}: {line}\n")
    chosen = translated.get("strategy", strategy)
    if chosen != strategy:
        translated.setdefault("strategy_options", {})
    return (given if translated == options else yaml.safe_dump(translated, sort_keys=False)), chosen


def _switches(kind: Any, prefix: str) -> set[str]:  # noqa: ANN401 - any dataclass
    """The flags that need no value, those of nested options too."""
    nested = [_switches(item.type, f"{prefix}{item.name}.") for item in fields(kind) if is_dataclass(item.type)]
    return {f"{prefix}{item.name}" for item in fields(kind) if item.type is bool}.union(*nested)
