"""One table of names for each family of parts: corpora, encoders, poolings, strategies.

    POOLINGS = Registry("pooling")
    @POOLINGS.register("mean")  ->  POOLINGS["mean"]  ->  "ser-tl encoders", --help and the contract tests follow

Installed packages add names by entry points (group `ser_tl.poolings`, name = module): the module is imported when the
name is asked for, and registers it as the package's own do.

A name means one thing: registering it twice is an error, and an unknown name's error lists the near ones.
"""

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar, cast

from ser_tl.errors import ConfigError, UnknownNameError

Entry = TypeVar("Entry")
Registered = TypeVar("Registered")


class Registry(Mapping[str, Entry]):
    """Names to entries, in the order of registration.

    Args:
        kind: what an entry is, in the singular, for messages ("corpus", "encoder")
        group: of the entry points by which installed packages add names; empty for none
    """

    def __init__(self, kind: str, group: str = "") -> None:
        self.kind = kind
        self.group = group
        self._sought = not group  # whether installed packages were asked
        self._entries: dict[str, Entry] = {}
        self._homes: dict[str, str] = {}  # modules of entries that aren't imported yet
        self._order: dict[str, None] = {}

    def register(self, name: str) -> Callable[[Registered], Registered]:
        """A decorator that enters what it decorates under `name`, and leaves its type as it is.

        Raises:
            ValueError: the name is taken
        """

        def enter(entry: Registered) -> Registered:
            module_name = (
                getattr(entry, "__module__", "") if hasattr(entry, "__qualname__") else ""
            )  # an instance has none
            home = self._homes.get(name, module_name)
            if name in self._entries or (module_name and not _same_package(home, module_name)):
                raise ValueError(
                    f"the {self.kind} {name!r} is registered already, as {self._entries.get(name, home)!r}"
                )
            self._homes.pop(name, None)
            self._entries[name] = cast(Any, entry)
            self._order.setdefault(name)
            return entry

        return enter

    def register_lazily(self, module: str, *names: str) -> None:
        """Enters names whose entries a module registers when the first of them is asked for.

        Args:
            module: dotted; it takes long to import, and most uses need none of its entries
            names: that it registers
        """
        for name in names:
            if name not in self._entries:
                self._homes[name] = module
            self._order.setdefault(name)

    def __getitem__(self, name: str) -> Entry:
        """The entry called `name`.

        Raises:
            UnknownNameError: no entry has that name; the message lists near ones
        """
        self._ask_packages()
        if name in self._homes:
            self._load(name)
        if name not in self._entries:
            near = difflib.get_close_matches(name, list(self), n=3)
            hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise UnknownNameError(f"there is no {self.kind} called {name!r}: {hint}known are {', '.join(self)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:  # Mapping's own would build the error message on every miss
        self._ask_packages()
        return name in self._order

    def __iter__(self) -> Iterator[str]:
        self._ask_packages()
        return iter(self._order)

    def __len__(self) -> int:
        self._ask_packages()
        return len(self._order)

    def _load(self, name: str) -> None:
        """Imports the module that registers a name.

        Raises:
            ConfigError: a package's module can't be imported, or doesn't register it
        """
        module = self._homes[name]
        whose = f"the {self.kind} {name!r} comes from the module {module} of an installed package"
        try:
            import_module(module)
        except ImportError as error:
            if module.startswith("ser_tl."):
                raise
            raise ConfigError(f"{whose}, which can't be imported ({error}): mend or uninstall that package") from error
        if name not in self._entries:
            raise ConfigError(f"{whose}, which registers no {self.kind} of that name: mend or uninstall that package")

    def _ask_packages(self) -> None:
        """Enters the names that installed packages add, once.

        Raises:
            ConfigError: one of them is taken
        """
        if self._sought:
            return
        self._sought = True
        for entry in sorted(installed().select(group=self.group), key=lambda entry: entry.name):
            if entry.name in self._entries and entry.module in sys.modules:
                continue  # imported before, and has registered it
            registered = self._entries.get(entry.name)
            home = self._homes.get(
                entry.name, "" if registered is None else getattr(registered, "__module__", "another module")
            )
            if home and not _same_package(home, entry.module):
                raise ConfigError(
                    f"an installed package adds the {self.kind} {entry.name!r} (module {entry.module}), a name that is "
                    f"taken by {home}: uninstall it, or have it take another name"
                )
            self.register_lazily(entry.module, entry.name)


@cache
def installed() -> Any:  # noqa: ANN401 - of Python 3.11 and 3.12 another class, which has select() in both
    """The entry points of all installed packages; read once for all groups, as it looks at every package."""
    return entry_points()


def _same_package(module: str, other: str) -> bool:
    """Whether one of two modules is, or is in the same package as, the other; ser_tl's own have to be the same."""
    if module.startswith("ser_tl."):
        return module == other
    return module.partition(".")[0] == other.partition(".")[0]
