"""The language of names, prose and errors, as far as it can be read from the source.

Each rule counts its breaches by room (a folder or module of ser_tl), or by page of the documentation. A room may have
as many as `language_allowance.json` says, most of them none: an allowance falls as a room is renamed, and never rises.

    python -m tests.test_language      writes the allowances anew, each the smaller of the present count and the old one
"""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import ser_tl
from tests.source import nodes_of

HOME = Path(ser_tl.__file__).parent
ROOT = HOME.parent
MODULES = sorted(HOME.rglob("*.py")) + sorted((ROOT / "recipes").glob("*.py"))
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
ALLOWANCE = Path(__file__).with_name("language_allowance.json")
WIDTH = 100

# A name says what it holds.
VAGUE = {"place", "own", "found", "one", "known", "held", "said", "told", "heard", "made", "kept", "ours", "theirs"}
# Functions are verbs in the imperative: none of these alone is a name.
_PARTICIPLES = """
adapted added aligned asked built checked chosen compared convolved cropped decayed drawn encoded evaluated
fitted folded found given heard held joined kept known linked made masked mixed moved multiplied named normed
opened paced picked planned played published recognised resampled said scaled shaped shown silenced spelt
stretched taken taught told travelled turned used written
"""
PARTICIPLES = set(_PARTICIPLES.split())
# Words of a dialect, in docstrings, help, errors and documentation; what the field says instead.
DIALECT = {
    r"told": "reported, said, stored",
    r"heard|hears?": "used, encoded, the input of",
    r"travelled": "changed",
    r"lessons?": "soft labels, targets",
    r"taught": "trained, distilled",
    r"whoever speaks|who speaks": "speakers mixed; unknown speakers",
    r"nobody": "isn't, unknown",
    r"knows nothing of|it knows no": "independent of",
    r"of one's own": "your own",
    r"makes of|made of it": "output, computes",
}
# Flags belong to the command line: the library names arguments, which `ser_tl.arguments.spell_options` writes as flags.
FLAG = re.compile(r"(?<![\w-])--[a-z][\w.-]*")
COMMANDS = re.compile(
    r"trtexec|ser-tl |accelerate|torchrun|pip |curl|tar |hf |recipes/|config.yaml --"
    r"|--loglevel|--without-|--concurrency|nproc"
)
TYPED = {"cli", "arguments", "options", "parsing", "construction", "old_options", "program", "recipes", "plugins"}
TYPED |= {"dependencies", "help_format"}  # what is typed, and where it is read


def room_of(path):
    """The room of a module, `recipes` for a recipe, the file's name for a page."""
    if path.suffix == ".md":
        return path.name
    if HOME not in path.parents:
        return "recipes"
    return path.relative_to(HOME).parts[0].removesuffix(".py")


def assigned_names(path):
    """Names that a module gives: variables, parameters and attributes, with their lines."""
    for node in nodes_of(path):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def texts(path):
    """The text constants of a module, with their lines; the lines of a page without code."""
    if path.suffix == ".md":
        fenced = False
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            fenced ^= line.lstrip().startswith("```")
            if not fenced:
                yield re.sub(r"`[^`]*`", "", line), number
        return
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno


def vague_names(path):
    return [f"{name} in line {line}" for name, line in assigned_names(path) if name.strip("_") in VAGUE]


def participles(path):
    return [
        f"{node.name} in line {node.lineno}"
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.strip("_") in PARTICIPLES
    ]


def dialect(path):
    return [
        f"{found[0]!r} in line {line} ({instead})"
        for text, line in texts(path)
        for word, instead in DIALECT.items()
        for found in re.finditer(rf"(?i)\b(?:{word})\b", text)
    ]


def flags(path):
    if room_of(path) in TYPED:
        return []
    return [
        f"{flag} near line {line}"
        for text, line in texts(path)
        for part in text.splitlines()
        if "-->" not in part and not COMMANDS.search(part)  # a diagram, or a command as it is typed
        for flag in FLAG.findall(part)
    ]


def wide_lines(path):
    """Lines of prose: tables and code are as wide as they are."""
    lines, fenced, wide = path.read_text("utf-8").splitlines(), False, []
    for number, line in enumerate(lines, 1):
        fenced ^= line.lstrip().startswith("```")
        if len(line) > WIDTH and not fenced and not line.lstrip().startswith("|"):
            wide.append(f"line {number}")
    return wide


RULES = {
    "vague names": (vague_names, MODULES),
    "participles as functions": (participles, MODULES),
    "dialect": (dialect, MODULES + PAGES),
    "flags in the library": (flags, MODULES),
    "wide lines": (wide_lines, PAGES),
}


def breaches(rule):
    """Where a rule is broken, by room."""
    check, paths = RULES[rule]
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(room_of(path), []).extend(f"{path.relative_to(ROOT)}: {text}" for text in check(path))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_no_room_has_more_breaches_than_it_is_allowed(rule):
    allowed = json.loads(ALLOWANCE.read_text("utf-8")).get(rule, {})
    over = [
        f"{room}: {len(places)} where {allowed.get(room, 0)} are allowed\n  " + "\n  ".join(places[-20:])
        for room, places in breaches(rule).items()
        if len(places) > allowed.get(room, 0)
    ]
    assert not over, f"{rule}\n" + "\n".join(over)


def test_allowances_are_of_rooms_that_there_are():
    rooms = {room_of(path) for path in MODULES + PAGES}
    for rule, counts in json.loads(ALLOWANCE.read_text("utf-8")).items():
        assert rule in RULES
        assert set(counts) <= rooms, set(counts) - rooms
        assert all(count > 0 for count in counts.values())


@pytest.mark.parametrize(
    ("rule", "source", "count"),
    [
        ("vague names", "def f(own):\n    place = [one for one in own]\n    self.held = index = 1\n", 4),
        ("participles as functions", "def told():\n    def _drawn(): ...\n    def draw(): ...\n", 2),
        ("dialect", '"""What a model hears, and nobody told it."""\n', 3),
        ("flags in the library", 'X = f"a --call()--> b"\nY = "ser-tl push --yes"\n', 0),
        ("flags in the library", 'X = f"lower --train.epochs to {1}"\nY = "--resume goes on"\n', 2),
    ],
)
def test_rules_see_what_they_are_for(rule, source, count, tmp_path, monkeypatch):
    path = tmp_path / "sample.py"
    path.write_text(source)
    monkeypatch.setitem(globals(), "HOME", tmp_path)
    assert len(RULES[rule][0](path)) == count


def main():
    """Writes the allowances: none may rise."""
    old = json.loads(ALLOWANCE.read_text("utf-8")) if ALLOWANCE.is_file() else None
    new = {}
    for rule in RULES:
        counts = Counter({room: len(places) for room, places in breaches(rule).items() if places})
        if old is not None:
            counts = Counter({room: min(count, old.get(rule, {}).get(room, 0)) for room, count in counts.items()})
        new[rule] = {room: count for room, count in sorted(counts.items()) if count}
    ALLOWANCE.write_text(json.dumps(new, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
