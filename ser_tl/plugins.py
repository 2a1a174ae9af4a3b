"""Your own modules, imported so that the names they register can be used: `--import my_part.py`.

    module or file --import_plugin--> its registrations are in `POOLINGS`, `PARTS`, ...

What is installed needs no `--import`: its entry points are found (`ser_tl.registry`).
"""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from ser_tl.errors import ConfigError


def import_plugin(name: str) -> None:
    """Imports a module once.

    Args:
        name: dotted, or the path of a Python file

    Raises:
        ConfigError: there is no such module or file, or importing it fails
    """
    try:
        if name.endswith(".py"):
            _import_file(Path(name))
        else:
            import_module(name)
    except ConfigError:
        raise
    except Exception as error:  # whatever a module of somebody else does
        kind = type(error).__name__
        raise ConfigError(
            f"--import {name}: {kind}: {error}. Expected is the name of a module that Python finds, or the path of "
            f"a file that ends with .py"
        ) from error


def take_imports(arguments: list[str]) -> list[str]:
    """Imports what a command line asks for by --import; what is left of it.

    Raises:
        ConfigError: as of `import_plugin`
    """
    left: list[str] = []
    names = iter(arguments)
    for argument in names:
        flag, equals, value = argument.partition("=")
        if flag != "--import":
            left.append(argument)
            continue
        name = value if equals else next(names, "")
        if not name or name.startswith("--"):
            raise ConfigError("--import needs the name of a module, or the path of a Python file")
        import_plugin(name)
    return left


def _import_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"--import {path}: there is no such file")
    resolved = path.resolve()
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(resolved):
        return
    if loaded is not None:
        raise ConfigError(
            f"--import {path}: a module called {path.stem} is imported already, from "
            f"{getattr(loaded, '__file__', None) or 'Python itself'}: give the file another name"
        )
    spec = spec_from_file_location(path.stem, resolved)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--import {path}: Python can't import that")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module  # first: dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception:
        del sys.modules[path.stem]
        raise
