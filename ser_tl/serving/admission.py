"""How much is taken on at once: requests, and memory for what they bring. What would be too much is refused."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from ser_tl.serving.request_error import GONE, RequestError


class Hold:
    """The memory that one request holds.

    Args:
        admission: from whose budget
    """

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self.size = 0
        self.ended = False

    def reserve(self, size: int) -> None:
        """Takes so many bytes more.

        Raises:
            RequestError: 429, others hold them; 499, the request has ended meanwhile
        """
        self._admission.take(self, size)


class Admission:
    """Counts requests and bytes. Threads may share it.

    Args:
        requests: the most at once
        size: the most bytes at once
    """

    def __init__(self, requests: int, size: int) -> None:
        self.requests = 0
        self.reserved = 0
        self._most_requests = requests
        self._most_bytes = size
        self._lock = threading.Lock()

    @contextmanager
    def admit(self) -> Generator[Hold]:
        """A place for one request, and what it holds, until the block is left.

        Raises:
            RequestError: 429, too many requests are in progress
        """
        hold = Hold(self)
        with self._lock:
            if self.requests >= self._most_requests:
                raise RequestError(429, f"{self.requests} requests are in progress: try again in a second", 1)
            self.requests += 1
        try:
            yield hold
        finally:
            with self._lock:
                hold.ended = True
                self.requests -= 1
                self.reserved -= hold.size

    def take(self, hold: Hold, size: int) -> None:
        """Takes bytes from the budget; see `Hold.reserve`."""
        with self._lock:
            if hold.ended:  # its decoding thread goes on for a moment
                raise RequestError(GONE, "the request has ended")
            if self.reserved + size > self._most_bytes:
                raise RequestError(429, "other requests hold the memory that this one needs: try again in a second", 1)
            self.reserved += size
            hold.size += size
