"""Why a request gets no answer, as a status and a sentence for who sent it."""

from ser_tl.errors import SerTlError


class RequestError(SerTlError):
    """A request that is refused.

    Args:
        status: of HTTP
        reason: what was found, what was expected, the way out
        retry_after: seconds after which it may be tried again; never if None
    """

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


GONE = 499
"""The client hung up before its answer: this status is in the logs only."""
