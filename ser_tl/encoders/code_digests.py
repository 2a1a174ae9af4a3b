"""A digest of a class' source code, for cache keys.

    class -> its module, its bases', and what these use of their own package --code_digest--> 32 hexadecimal digits

What is computed without weights follows from code alone, so the code belongs in whatever its results are found by. The
source says all of it, helpers and constants too. The byte code of the class' own functions stands beside it: in a
notebook a file may have been changed since it was loaded. Where there is no file (an interactive session), byte code
has to do, with the functions and constants of the session that it names.
"""

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

_CONSTANTS = (str, bytes, int, float, complex, bool, tuple, frozenset, type(None))


@cache
def code_digest(kind: type, base: type) -> str:
    """The BLAKE2 digest of a class' code, as it was when this was first asked.

    Args:
        kind: the class
        base: of its bases the first that isn't part of it, nor what that is made of
    """
    key = hashlib.blake2b(digest_size=16)
    classes = [defined for defined in kind.__mro__ if defined not in base.__mro__]
    modules = {
        defined.__module__: sys.modules[defined.__module__] for defined in classes if defined.__module__ in sys.modules
    }
    for name, module in sorted(_with_helpers(modules).items()):
        key.update(f"{name if name != '__main__' else ''} ".encode())
        path = _source(module)
        key.update(b"" if path is None else path.read_bytes())
    for defined in classes:
        key.update(defined.__qualname__.encode())
        _add_class(key, defined, set())
    return key.hexdigest()


def _source(module: ModuleType) -> Path | None:
    given = getattr(module, "__file__", None)
    path = None if given is None else Path(given)
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _with_helpers(modules: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """The modules, and those of their own package or folder that their functions, classes and modules come from."""
    modules_by_name, new = dict(modules), list(modules.values())
    while new:
        module = new.pop()
        for other in _referenced_modules(module):
            if other.__name__ not in modules_by_name and _source(other) is not None and _belongs(other, module):
                modules_by_name[other.__name__] = other
                new.append(other)
    return modules_by_name


def _referenced_modules(module: ModuleType) -> Iterator[ModuleType]:
    for value in list(vars(module).values()):
        if isinstance(value, ModuleType):
            yield value
        elif isinstance(value, FunctionType | type) and value.__module__ in sys.modules:
            yield sys.modules[value.__module__]


def _belongs(other: ModuleType, module: ModuleType) -> bool:
    """Whether it is of the same package; in ser_tl, of the same room."""
    depth = 2 if module.__name__.startswith("ser_tl.") else 1
    if other.__name__.split(".")[:depth] == module.__name__.split(".")[:depth]:
        return True
    here, there = _source(module), _source(other)
    if here is None or there is None or "site-packages" in there.parts:
        return False
    return here.parent == there.parent and not (here.parent / "__init__.py").exists()  # scripts side by side


def _add_class(key: hashlib.blake2b, kind: type, seen: set[int]) -> None:
    for name, value in sorted(vars(kind).items()):
        functions = [value.fget, value.fset] if isinstance(value, property) else [getattr(value, "__func__", value)]
        for function in functions:
            if isinstance(function, FunctionType):
                key.update(name.encode())
                _add_function(key, function, seen)
            elif isinstance(function, _CONSTANTS) and not name.startswith("__"):
                key.update(f"{name}={_text(function)}".encode())


def _add_function(key: hashlib.blake2b, function: FunctionType, seen: set[int]) -> None:
    function = getattr(function, "__wrapped__", function)  # under a decorator such as torch.no_grad
    if id(function) in seen:
        return
    seen.add(id(function))
    key.update(_text((function.__defaults__, tuple((function.__kwdefaults__ or {}).items()))).encode())
    _add_code(key, function.__code__)
    if _source(sys.modules.get(function.__module__ or "", ModuleType(""))) is None:
        for name in sorted(_names(function.__code__)):
            value = function.__globals__.get(name)
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                _add_function(key, value, seen)
            elif isinstance(value, _CONSTANTS) and value is not None:
                key.update(f"{name}={_text(value)}".encode())


def _add_code(key: hashlib.blake2b, code: CodeType) -> None:
    key.update(code.co_code)
    key.update(_text(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(key, constant)
        else:
            key.update(_text(constant).encode())


def _names(code: CodeType) -> set[str]:
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def _text(value: object) -> str:
    """A constant as text that is the same in every process: no addresses, no order of hashes."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    return repr(value) if isinstance(value, _CONSTANTS) else type(value).__qualname__
