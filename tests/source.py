"""The package's source as Python reads it, once for all the tests that look at it."""

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All nodes of a module's tree: each check looks at some of them."""
    return list(ast.walk(tree_of(path)))
