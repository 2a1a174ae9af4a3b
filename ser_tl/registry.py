"""One table of names for each family of parts: corpora, encoders, poolings, strategies.

    POOLINGS = Registry("pooling")
    @POOLINGS.register("mean")  ->  POOLINGS["mean"]  ->  "ser-tl encoders", --help and the contract tests follow

A name means one thing: registering it twice is an error, and an unknown name's error lists the near ones.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
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

    def register(self, name: str) -> Callable[[Registered], Registered]:
        """A decorator that enters what it decorates under `name`, and leaves its type as it is.

        Raises:
            ValueError: the name is taken
        """

        def enter(entry: Registered) -> Registered:
            if name in self._entries:
                raise ValueError(f"the {self.kind} {name!r} is registered already, as {self._entries[name]!r}")
            self._entries[name] = cast(Any, entry)
            return entry

        return enter

    def __getitem__(self, name: str) -> Entry:
        """The entry called `name`.

        Raises:
            UnknownNameError: no entry has that name; the message lists near ones
        """
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=3)
            hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise UnknownNameError(f"there is no {self.kind} called {name!r}: {hint}known are {', '.join(self)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:  # Mapping's own would build the error message on every miss
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
