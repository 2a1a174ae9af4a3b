"""Recipes as commands, for those who have no clone: `ser-tl train`, `ser-tl align`, ...

    ser-tl train --corpus csv --root my.csv        is recipes/finetune_wav2vec2.py with the same options
    accelerate launch -m ser_tl.cli train ...      on several processes; torchrun likewise
    ser-tl init train > my.yaml                    all its options as YAML, each with its meaning

The wheel has the recipes as ser_tl/recipes; a checkout, beside the package.
"""

import runpy
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, get_type_hints

from ser_tl.cli.help_cache import is_help, keep_help, print_kept_help
from ser_tl.errors import ConfigError

if TYPE_CHECKING:
    from ser_tl.options import RunOptions

PACKAGE = Path(__file__).parents[1]

RECIPES = {
    "train": ("finetune_wav2vec2", "train a model, and score it on held-out speakers"),
    "unfreeze": ("progressive_unfreezing", "train, unfreezing the encoder block by block"),
    "lora": ("lora", "train adapters in the place of the encoder's weights"),
    "align": ("mmd_alignment", "train for an unlabelled target domain"),
    "compare-encoders": ("compare_encoders", "train several systems, and rank them"),
    "search": ("search", "search hyperparameters on dev speakers"),
    "probe": ("probe_encoder", "score an encoder's layers by a linear probe"),
    "distill-encoder": ("distill_encoder", "train a small encoder on a large one's hidden states"),
    "distill-model": ("distill_model", "train a small model on a large one's answers"),
    "generate": ("train_wavegan", "train a WaveGAN, and write synthetic clips"),
}
"""The recipe of each command, and what it does."""


def find_recipe(name: str) -> Path:
    """The file of a command's recipe.

    Raises:
        ConfigError: this installation has no recipes
    """
    file = f"{RECIPES[name][0]}.py"
    for folder in (PACKAGE / "recipes", PACKAGE.parent / "recipes"):
        if (folder / file).is_file():
            return folder / file
    raise ConfigError(f"ser-tl {name}: {file} isn't part of this installation: install ser_tl again, from its wheel")


def run_recipe(name: str, arguments: Sequence[str]) -> None:
    """Runs a recipe as its file would be run; it ends the program itself where something is wrong.

    Args:
        name: the command
        arguments: the recipe's own
    """
    if is_help(arguments):
        recipe = find_recipe(name)
        if not print_kept_help(name, recipe):
            with keep_help(name, recipe):
                _run(name, arguments)
        return
    _run(name, arguments)


def explain_missing(command: str, package: str | None) -> str:
    """Why a command doesn't work where the runtime of exported models is installed and no more."""
    return (
        f"ser-tl {command}: the package {package} isn't installed. This installation only predicts with exported "
        f"models; `pip install ser_tl` brings what trainings and all other commands need"
    )


def _run(name: str, arguments: Sequence[str]) -> None:
    try:
        from ser_tl.program import run_main
    except ModuleNotFoundError as error:
        raise ConfigError(explain_missing(name, error.name)) from error
    recipe, kind, description = load_recipe(name)
    sys.argv = [f"ser-tl {name}", *arguments]
    run_main(recipe, kind, description)


def init(options: Namespace) -> int:
    """`ser-tl init`: prints all options of a recipe as YAML."""
    _, kind, _ = load_recipe(options.recipe)
    print("\n".join(format_options(kind, options.recipe)))
    return 0


def load_recipe(name: str) -> "tuple[Callable[[Any], Any], type[Any], str]":
    """A recipe's function, the options that it takes, and what it does: to call it from Python, as the notebooks do.

    Args:
        name: the command

    Raises:
        ConfigError: this installation has no recipes
    """
    namespace = runpy.run_path(str(find_recipe(name)), run_name="recipe")
    return namespace["main"], get_type_hints(namespace["main"])["options"], namespace["__doc__"]


def format_options(kind: "type[RunOptions]", recipe: str) -> Iterator[str]:
    """The lines of a YAML file with every option at its default, each under its meaning.

    Args:
        kind: the recipe's options
        recipe: its command
    """
    import yaml

    from ser_tl.parsing import make_parser

    helps = {action.dest: action.help or "" for action in make_parser(kind, "")._actions}
    values = yaml.safe_load(kind().as_yaml())
    yield f"# ser-tl {recipe} --config THIS_FILE; flags after it win over it. Delete the lines that you don't change."

    def line(name: str, value: Any, key: str, indent: str) -> Iterator[str]:  # noqa: ANN401 - whatever YAML can say
        mark = f"{indent}# "
        yield from wrap(helps[key].replace("%%", "%"), 98, initial_indent=mark, subsequent_indent=mark)
        text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=4096)
        yield f"{indent}{name}: {text.strip().removesuffix('...').strip()}"

    for item in fields(kind):
        yield ""
        if not is_dataclass(item.type):
            yield from line(item.name, values[item.name], item.name, "")
            continue
        yield f"{item.name}:"
        for name, value in values[item.name].items():
            yield from line(name, value, f"{item.name}.{name}", "  ")
