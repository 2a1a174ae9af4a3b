"""Connections that are given so much time to say what they want, and no more."""

from asyncio import Transport
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADERS = 1 << 16
"""Bytes of headers in one request."""

_GRACE = 2.0  # seconds: the application answers a slow body itself, before the connection is closed
_FIRST = 1.0  # seconds that a server which ends gives a connection to send its first request


def bound_protocol(
    header_timeout: float, body_timeout: float, changed: Callable[[], None] = lambda: None
) -> type[HttpToolsProtocol]:
    """HTTP with a clock: uvicorn itself waits for a request's headers for ever.

    Args:
        header_timeout: seconds from a connection, or a request's first byte, to the end of its headers
        body_timeout: seconds from there to the end of its body
        changed: is called when a connection has begun or ended
    """

    class BoundProtocol(HttpToolsProtocol):
        """Closes the connection of a client that is too slow."""

        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
            super().__init__(*arguments, **options)
            self._clock = None
            self._header_bytes = 0
            self._ending = False

        def connection_made(self, transport: Transport) -> None:
            super().connection_made(transport)
            changed()
            self._start_clock(header_timeout)

        def on_message_begin(self) -> None:
            self._start_clock(header_timeout)
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            self._header_bytes += len(name) + len(value)
            if self._header_bytes > MOST_HEADERS:
                self.transport.abort()
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._header_bytes = 0
            self._start_clock(body_timeout + _GRACE)
            super().on_headers_complete()
            if self._ending and self.cycle is not None:
                self.cycle.keep_alive = False

        def on_message_complete(self) -> None:
            self._stop_clock()
            super().on_message_complete()

        def handle_websocket_upgrade(self) -> None:
            self._stop_clock()
            super().handle_websocket_upgrade()

        def shutdown(self) -> None:
            """Ends after the request under way; one that is on its way over a new connection is waited for."""
            if self.cycle is None and not self._ending:
                self._ending = True
                self._start_clock(min(_FIRST, header_timeout))
            else:
                super().shutdown()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)
            changed()

        def _start_clock(self, seconds: float) -> None:
            self._stop_clock()
            self._clock = self.loop.call_later(seconds, self.transport.abort)

        def _stop_clock(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

    return BoundProtocol
