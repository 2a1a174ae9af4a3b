"""Objects from a registry by name and options, as a command line or a YAML file gives them.

    construct(STRATEGIES, "lora", {"rank": 8}, "strategy") -> Lora(rank=8)

The options of an entry are the arguments of its constructor: what it doesn't take is an unknown option. Names, types
and descriptions are read from its signature and docstring by jsonargparse.
"""

import inspect
from argparse import SUPPRESS, ArgumentError
from collections.abc import Mapping
from typing import Any, TypeVar

from ser_tl.arguments import Parser, explain
from ser_tl.errors import ConfigError
from ser_tl.registry import Registry

Built = TypeVar("Built")


def construct(
    registry: Registry[type[Built]],
    name: str,
    options: Mapping[str, Any],
    group: str,
) -> Built:
    """The entry of a registry that a command line describes.

    Args:
        registry: of classes
        name: which of them
        options: its constructor's arguments, by name
        group: what stands before the options' names, for messages: `strategy` for --strategy.rank

    Raises:
        UnknownNameError: there is no such entry
        ConfigError: the entry has no such option, or the option can't have such a value
    """
    kind = registry[name]
    names = option_names(kind)
    strange = [option for option in options if option not in names]
    if strange:
        hints = "; ".join(_unknown(registry, name, option, group) for option in strange)
        has = f"it has {', '.join(names)}" if names else "it has no options"
        raise ConfigError(f"{hints}{' ' if hints.endswith('?') else '. '}--{group} is {name}: {has}")
    parser = Parser(exit_on_error=False)
    parser.add_class_arguments(kind, group)
    try:
        return parser.instantiate(parser.parse_object({group: dict(options)}))[group]
    except ArgumentError as error:
        raise ConfigError(explain(str(error.message), [])) from error


def option_names(kind: type) -> list[str]:
    """The names of a class' options: the arguments of its constructor."""
    if kind.__init__ is object.__init__:
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [item.name for item in inspect.signature(kind).parameters.values() if item.kind in named]


def describe_options(registry: Registry[Any], group: str) -> str:
    """The options of all entries, for `--help-all`: a paragraph an entry."""
    paragraphs = []
    for name, kind in registry.items():
        parser = Parser(prog=f"--{group} {name}", add_help=False, usage="%(prog)s [options]")
        if option_names(kind):
            parser.add_class_arguments(kind, group)
        hidden = [action for action in parser._actions if action.dest == group]  # a file of the group's options
        for action in hidden:
            action.help = SUPPRESS
        paragraphs.append(parser.format_help().removeprefix("usage: "))
    return "\n".join(paragraphs)


def _unknown(registry: Registry[Any], name: str, option: str, group: str) -> str:
    """What is said of an option that an entry hasn't: near names of its own, and which entries have it."""
    names = [f"--{group}.{known_name}" for known_name in option_names(registry[name])]
    message = explain(f"unrecognized arguments: --{group}.{option}", names)
    others = [other for other, kind in registry.items() if option in option_names(kind)]
    return f"{message} (an option of {', '.join(others)})" if others else message
