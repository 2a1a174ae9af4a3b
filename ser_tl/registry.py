"""One table of names for each family of parts: corpora, encoders, poolings, strategies.

    POOLINGS = Registry("pooling")
    @POOLINGS.register("mean")  ->  POOLINGS["mean"]  ->  "ser-tl encoders", --help and the contract tests follow

A name means one thing: registering it twice is an error, and an unknown name's error lists the near ones.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar, cast

from ser_tl.errors import UnknownNameError

Entry = TypeVar("Entry")
Registered = TypeVar("Registered")


class Registry(Mapping[str, Entry]):
    """Names to entries, in the order of registration.

    Args:
        kind: what an entry is, in the singular, for messages ("corpus", "encoder")
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        self._homes: dict[str, str] = {}  # modules of entries that aren't imported yet
        self._order: dict[str, None] = {}

    def register(self, name: str) -> Callable[[Registered], Registered]:
        """A decorator that enters what it decorates under `name`, and leaves its type as it is.

        Raises:
            ValueError: the name is taken
        """

        def enter(entry: Registered) -> Registered:
            home = self._homes.get(name, getattr(entry, "__module__", ""))
            if name in self._entries or home != getattr(entry, "__module__", ""):
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
        if name in self._homes:
            import_module(self._homes[name])
        if name not in self._entries:
            near = difflib.get_close_matches(name, list(self), n=3)
            hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise UnknownNameError(f"there is no {self.kind} called {name!r}: {hint}known are {', '.join(self)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:  # Mapping's own would build the error message on every miss
        return name in self._order

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)
