"""The documentation: every page is reached, every public name described, and every command could be typed."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import ser_tl
from ser_tl.cli import COMMANDS
from ser_tl.cli.recipes import RECIPES
from ser_tl.construction import option_names
from ser_tl.transfer import STRATEGIES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def test_every_page_is_in_the_contents_once():
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.S)
    listed = [
        line for tree in trees for line in tree.split() if not line.startswith(":") and (DOCS / f"{line}.md").exists()
    ]
    assert sorted(listed) == sorted(page.stem for page in PAGES if page.stem != "index")


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    described = re.findall(r"auto(?:class|function):: (\w+)$", text, re.M)
    assert sorted([*described, "plots"]) == sorted(ser_tl.__all__)


def commands(text):
    """What is to be typed: lines of code blocks, continued ones joined, and code in running text."""
    text = re.sub(r"\\\n\s*", "", text)
    blocks = re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", text, re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line for line in text.splitlines() if line.startswith("    ")]
    lines += re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        for command in re.split(r"&&|;|\s\|\s|\s#", line):
            if found := re.search(
                r"(?:^|\s)(?:ser-tl (?P<name>[a-z][a-z-]*)|\S*recipes/(?P<recipe>\w+)\.py)(?P<rest>.*)", command
            ):
                yield (
                    command.strip(),
                    found["name"],
                    found["recipe"],
                    set(re.findall(r"(?<!\S)--[A-Za-z][\w.-]*", found["rest"])),
                )


def flags_of(parser):
    """All spellings of a parser's options."""
    return {spelling for action in parser._actions for spelling in action.option_strings}


@cache
def command_flags(name):
    from ser_tl.cli.arguments import parser

    return flags_of(parser()._subcommands_action._name_parser_map[name])


@cache
def recipe_flags(name):
    from ser_tl import options

    tree = ast.parse((ROOT / "recipes" / f"{name}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "ser.run_main"]
    kind = ast.unparse(calls[0].args[1])
    if kind.startswith("ser."):
        return flags_of(options.make_parser(getattr(ser_tl, kind.removeprefix("ser.")), ""))
    recipe = importlib.import_module(f"recipes.{name}")
    return flags_of(options.make_parser(getattr(recipe, kind), ""))


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda path: path.name)
def test_commands_have_the_options_that_are_shown(page):
    wrong = []
    for command, name, recipe, flags in commands(page.read_text(encoding="utf-8")):
        if name in RECIPES:
            name, recipe = None, RECIPES[name][0]
        if name is not None and name not in COMMANDS:
            wrong.append(f"no such command: {command}")
            continue
        if recipe is not None and not (ROOT / "recipes" / f"{recipe}.py").exists():
            wrong.append(f"no such recipe: {command}")
            continue
        known = command_flags(name) if name else recipe_flags(recipe)
        spelt = {"--" + flag[2:].replace("-", "_") for flag in flags}  # both spellings are read
        known = {"--" + flag[2:].replace("-", "_") for flag in known}
        known |= strategy_flags()
        wrong += [f"{flag}: {command}" for flag in sorted(spelt - known) if not within_a_dictionary(flag, known)]
    assert not wrong, "\n".join(wrong)


def within_a_dictionary(flag, known):
    """Whether an option of several values takes the flag's last name as a key: --columns.emotion."""
    parent, _, _ = flag.rpartition(".")
    return parent in known and parent != "--strategy"


def strategy_flags():
    """The options of all strategies, of which each has its own."""
    return {f"--strategy.{name}" for kind in STRATEGIES.values() for name in option_names(kind)}


AMERICAN = re.compile(
    r"\b(?:(?:normal|standard|recogn|summar|organ|quant|initial|minim|maxim|optim|general|real|emphas|special)iz(?!er)\w*"
    r"|analyz\w*|behavior\w*|colors?|favor\w*|centers?|(?:un)?labeled|modeling|catalog|license[ds]?)\b"
)


def prose_of(text):
    """A page without code: blocks, lines that are to be typed, links' targets and names in running text."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    text = re.sub(r"^(?: {4}|\|?:?---).*$", "", text, flags=re.M)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]*>", "", text)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES], ids=lambda path: path.name)
def test_prose_has_british_spelling(page):
    assert AMERICAN.findall(prose_of(page.read_text(encoding="utf-8"))) == []


def test_spelling_is_looked_for_in_prose_alone():
    assert AMERICAN.findall(
        prose_of("We normalize colors.\n\n    --normalize\n\nA `speaker_normalize` optimizer.")
    ) == [
        "normalize",
        "colors",
    ]
