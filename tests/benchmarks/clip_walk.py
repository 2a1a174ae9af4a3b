"""How far a clip walks from `Trainer.fit` to the loss, read from the source: functions, files and names it passes.

    python -m tests.benchmarks.clip_walk [PACKAGE_FOLDER]

A stop is a function that takes or returns clips and that `fit` reaches by calls; names are those that clips have as its
parameters and variables. A method is looked for in all classes of the package: where several have it, in those that
inherit it from none of the others; where that leaves more than two classes, the call is left alone.
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
        for path in sorted(home.rglob("*.py")):
            file = path.relative_to(home).as_posix()
            for node in ast.parse(path.read_text("utf-8")).body:
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

    def targets(self, call: ast.Call) -> list[tuple[str, str]]:
        """The functions that a call may mean."""
        if isinstance(call.func, ast.Name):
            return self.plain.get(call.func.id, [])
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


def walk(home: Path) -> tuple[int, set[str], set[str]]:
    """Stops, files and names."""
    source = Source(home)
    seen, left = {START}, [START]
    while left:
        key = left.pop()
        for node in ast.walk(source.functions[key]):
            for target in source.targets(node) if isinstance(node, ast.Call) else []:
                if target not in seen and not target[0].startswith(
                    ("cli/", "serving/", "distill/", "generate/", "corpora/")
                ):
                    seen.add(target)
                    left.append(target)
    stops = [key for key in seen if source.is_stop(key)]
    names: set[str] = set()
    for key in stops:
        node = source.functions[key]
        names |= {one.arg for one in [*node.args.args, *node.args.kwonlyargs] if carries(one.annotation)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.AnnAssign) and carries(inner.annotation):
                names.add(ast.unparse(inner.target))
            if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Call):
                made = [target for target in source.targets(inner.value) if carries(source.functions[target].returns)]
                names |= {ast.unparse(one) for one in inner.targets} if made else set()
    return len(stops), {file for file, _ in stops}, names


if __name__ == "__main__":
    count, files, names = walk(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "ser_tl")
    print(f"{count} stops, {len(files)} files, {len(names)} names")
    if "-v" in sys.argv:
        print(*sorted(files), sep="\n")
        print(*sorted(names))
