"""How far a clip walks from `Trainer.fit` to the loss, read from the source: functions, files and names it passes.

    python -m tests.benchmarks.clip_walk [PACKAGE_FOLDER]

A stop is a function that takes or returns clips and that `fit` reaches by calls; names are those that clips have as its
parameters and variables. A function is looked for where the calling file defines it or imports it from. A method is
looked for in all classes of the package: where several have it, in those that inherit it from none of the others; where
that leaves more than two classes, the call is left alone.

Two walks are counted. Of all that `fit` does with clips: scores, facts, statistics and fingerprints too. And of the way
to the loss alone: functions that hand clips on, because they return or hold them, or call what takes the step.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

CARRIERS = {
    "Dataset",
    "Clips",
    "UtteranceDataset",
    "CachedClips",
    "PooledClips",
    "Clip",
    "Batch",
    "PackedState",
    "Iterator[Batch]",
}
START = ("training/trainer.py", "Trainer.fit")
ELSEWHERE = ("archive/", "cli/", "corpora/", "distill/", "export/", "generate/", "serving/")
"""Rooms that no training passes: what seems to lead there are methods of the same name."""


def carries(node: ast.expr | None) -> bool:
    """Whether an annotation mentions clips."""
    return node is not None and any(
        name in CARRIERS
        for name in ast.unparse(node).replace("[", " ").replace("|", " ").replace("]", " ").replace(",", " ").split()
    )


class Source:
    """The functions of a package."""

    def __init__(self, home: Path) -> None:
        self.functions: dict[tuple[str, str], ast.FunctionDef] = {}
        self.methods: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.bases: dict[str, set[str]] = defaultdict(set)
        self.plain: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.imported: dict[str, dict[str, str]] = defaultdict(dict)
        for path in sorted(home.rglob("*.py")):
            file = path.relative_to(home).as_posix()
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ser_tl"):
                    home_of = "/".join(str(node.module).split(".")[1:])
                    self.imported[file] |= {alias.asname or alias.name: home_of for alias in node.names}
                if isinstance(node, ast.FunctionDef):
                    self._enter(file, node.name, node, self.plain[node.name])
                if isinstance(node, ast.ClassDef):
                    self.bases[node.name] |= {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
                    for inner in node.body:
                        if isinstance(inner, ast.FunctionDef):
                            place = self.plain[node.name] if inner.name == "__init__" else self.methods[inner.name]
                            self._enter(file, f"{node.name}.{inner.name}", inner, place)

    def _enter(self, file: str, name: str, node: ast.FunctionDef, place: list[tuple[str, str]]) -> None:
        self.functions[file, name] = node
        place.append((file, name))

    def targets(self, call: ast.Call, file: str) -> list[tuple[str, str]]:
        """The functions that a call in a file may mean."""
        if isinstance(call.func, ast.Name):
            name = call.func.id
            home = self.imported[file].get(name)
            return [key for key in self.plain.get(name, []) if key[0] == file or (home and key[0].startswith(home))]
        if not isinstance(call.func, ast.Attribute):
            return []
        found = self.methods.get(call.func.attr, [])
        names = {name.split(".")[0] for _, name in found}
        found = [target for target in found if not self.bases[target[1].split(".")[0]] & names]
        return found if len(found) <= 2 else []

    def is_stop(self, key: tuple[str, str]) -> bool:
        """Whether clips go in or out."""
        node = self.functions[key]
        return carries(node.returns) or any(carries(one.annotation) for one in [*node.args.args, *node.args.kwonlyargs])


def reaches_step(source: Source, calls: dict[tuple[str, str], set[tuple[str, str]]]) -> set[tuple[str, str]]:
    """The functions that take an optimizer's step on a loss, or call one that does."""
    ends = {key for key, node in source.functions.items() if key in calls and ".backward(" in ast.unparse(node)}
    while more := {key for key, called in calls.items() if called & ends} - ends:
        ends |= more
    return ends


def hands_on(source: Source, key: tuple[str, str]) -> bool:
    """Whether a function returns clips, or makes what holds them."""
    owner, _, method = key[1].rpartition(".")
    return carries(source.functions[key].returns) or (owner in CARRIERS and method == "__init__")


def walk(home: Path, *, to_loss: bool) -> tuple[list[tuple[str, str]], set[str], set[str]]:
    """Stops, their files, and names."""
    source = Source(home)
    seen, left = {START}, [START]
    calls: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    while left:
        key = left.pop()
        calls[key] = set()
        for node in ast.walk(source.functions[key]):
            for target in source.targets(node, key[0]) if isinstance(node, ast.Call) else []:
                if target not in seen and not target[0].startswith(ELSEWHERE):
                    seen.add(target)
                    left.append(target)
                if target in seen:
                    calls[key].add(target)
    stops = [key for key in seen if source.is_stop(key)]
    if to_loss:
        on_way = reaches_step(source, calls)
        stops = [key for key in stops if key in on_way or hands_on(source, key)]
    names: set[str] = set()
    for key in stops:
        node = source.functions[key]
        names |= {one.arg for one in [*node.args.args, *node.args.kwonlyargs] if carries(one.annotation)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.AnnAssign) and carries(inner.annotation):
                names.add(ast.unparse(inner.target))
            if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Call):
                made = [
                    target
                    for target in source.targets(inner.value, key[0])
                    if carries(source.functions[target].returns)
                ]
                names |= {ast.unparse(one) for one in inner.targets} if made else set()
    return stops, {file for file, _ in stops}, names


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:] if argument != "-v"]
    for title, to_loss in (("all of fit", False), ("to the loss", True)):
        stops, files, names = walk(folders[0] if folders else Path(__file__).parents[2] / "ser_tl", to_loss=to_loss)
        print(f"{title}: {len(stops)} stops, {len(files)} files, {len(names)} names")
        if "-v" in sys.argv:
            print(*(f"{file}: {name}" for file, name in sorted(stops)), sep="\n")
            print(*sorted(names))
