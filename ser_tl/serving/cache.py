"""Answers by the content of recordings: the same bytes again cost nothing. No audio is kept."""

import hashlib
from collections import OrderedDict

from ser_tl.inference import Prediction

Key = tuple[str, str, bytes]
"""A model's name and version, and the SHA-256 of a recording."""


class AnswerCache:
    """The answers that were used last.

    Args:
        most: so many of them; none if 0
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Key, Prediction] = OrderedDict()

    def key(self, model: str, version: str, content: bytes) -> Key:
        """What an answer is found by."""
        return model, version, hashlib.sha256(content).digest()

    def find(self, key: Key) -> Prediction | None:
        """The answer, if it is there."""
        if key in self._answers:
            self._answers.move_to_end(key)
            return self._answers[key]
        return None

    def keep(self, key: Key, answer: Prediction) -> None:
        """Keeps an answer; the one that wasn't used for longest goes."""
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)
