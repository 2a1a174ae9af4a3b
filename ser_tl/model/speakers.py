"""The speakers of a model's training, stored as salted hashes instead of names.

    KnownSpeakers.from_names(["Ann Lee", "speaker_2"]) --as_json()--> {"salt": ["hash", "hash"]} in config.json
    known.among(test speakers) -> those that the model was trained on, who can't be evaluated on

A published model must not publish the names of the people in its corpus. Hashes refuse an evaluation just as well. The
salt is made of all the names together: the same training gives the same file, and one person's hash differs from model
to model. Hashes don't keep a secret: a guessed name can be checked, at a cost (`_ROUNDS`) for each.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ser_tl.errors import CheckpointError

_ROUNDS = 500  # of PBKDF2: under a millisecond a name


class KnownSpeakers:
    """A set of speakers that can be tested for a name, and doesn't contain names.

    Args:
        hashes: hashes of names, by their salt
    """

    def __init__(self, hashes: Mapping[str, Iterable[str]]) -> None:
        self._hashes = {salt: frozenset(salted) for salt, salted in sorted(hashes.items())}

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Self:
        """The set of some names."""
        spellings = sorted({_spelling(name) for name in names})
        if not spellings:
            return cls({})
        salt = _digest("\n".join(spellings), "")
        return cls({salt: [_digest(name, salt) for name in spellings]})

    @classmethod
    def from_json(cls, value: Any, source: object = "config.json") -> Self:  # noqa: ANN401
        """The set that a config holds: hashes, or names as earlier versions wrote them.

        Raises:
            CheckpointError: it is neither
        """
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return cls.from_names(value)
        lists = list(value.values()) if isinstance(value, Mapping) else None
        if lists is None or not all(
            isinstance(salted, list) and all(isinstance(entry, str) for entry in salted) for salted in lists
        ):
            raise CheckpointError(f"{source}: known_speakers is {value!r:.80}: expected lists of hashes by their salt")
        return cls(value)

    def as_json(self) -> dict[str, list[str]]:
        """What `from_json` reads."""
        return {salt: sorted(salted) for salt, salted in self._hashes.items()}

    def among(self, names: Iterable[str]) -> list[str]:
        """Which of some names are known, sorted."""
        return sorted(name for name in set(names) if name in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(
            _digest(_spelling(name), salt) in salted for salt, salted in self._hashes.items()
        )

    def __or__(self, other: "KnownSpeakers") -> "KnownSpeakers":
        salts = {*self._hashes, *other._hashes}
        empty: frozenset[str] = frozenset()
        return KnownSpeakers({salt: self._hashes.get(salt, empty) | other._hashes.get(salt, empty) for salt in salts})

    def __len__(self) -> int:
        """Number of hashes; a person under two salts counts twice."""
        return sum(map(len, self._hashes.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KnownSpeakers) and self._hashes == other._hashes

    def __hash__(self) -> int:
        return hash(tuple(self._hashes.items()))

    def __repr__(self) -> str:
        return f"<{len(self)} known speakers>"


def _spelling(name: str) -> str:
    """One spelling of a name: composed or not, with spaces around or not, in whichever case."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _digest(text: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", text.encode("utf-8", "surrogatepass"), salt.encode(), _ROUNDS, 12).hex()
