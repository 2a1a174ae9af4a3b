"""Around every request: an id, a line in the log, figures, headers that keep browsers careful; and who may come in.

Access(app): ASGI middleware, the outermost. check_access(...): what routes demand before they read anything.
"""

import hmac
import logging
import re
import secrets
import time

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser_tl.serving.logs import log_event, request_id
from ser_tl.serving.metrics import Metrics
from ser_tl.serving.request_error import GONE, RequestError
from ser_tl.serving.settings import Settings

NOTICE_HEADER = "X-Notice-Given"

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {  # as ASGI has them: bytes, names in lower case
    b"content-security-policy": b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    b"form-action 'self'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
}


class Access:
    """Middleware around the whole application.

    Args:
        app: the application
        metrics: what is counted
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        identity = given if _SAFE_ID.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(identity)
        begin, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message.get("headers", []), (b"x-request-id", identity.encode())]
                names = {name for name, _ in headers}
                headers += [header for header in _HEADERS.items() if header[0] not in names]
            await send(message)

        self.metrics.in_progress.inc()
        try:
            await self.app(scope, receive, answer)
        except Exception:  # a bug: the log has its stack, the client doesn't
            log_event("error", logging.ERROR, error=True)
            if not status:
                reason = "the server made a mistake, which its log has under this id"
                await JSONResponse(describe_error(reason), 500)(scope, receive, answer)
        finally:
            self.metrics.in_progress.dec()
            self._record(scope, status, time.perf_counter() - begin)
            request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")  # its pattern: what clients make up is no label
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.latency.labels(route).observe(seconds)
        if route not in ("/healthz", "/readyz", "/metrics"):
            log_event("request", method=scope["method"], route=route, status=status, ms=round(1000 * seconds, 1))


def describe_error(reason: str) -> dict[str, str]:
    """An `ErrorAnswer` as plain values."""
    return {"error": reason, "request_id": request_id.get()}


def answer_error(error: RequestError) -> JSONResponse:
    """The answer to a request that is refused."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == 408:
        headers["Connection"] = "close"
    status = 400 if error.status == GONE else error.status
    return JSONResponse(describe_error(str(error)), status, headers=headers)


def check_access(connection: HTTPConnection, settings: Settings, key: str = "") -> None:
    """Refuses who brings none of the server's keys.

    Args:
        connection: a request, or a WebSocket
        settings: with the keys; none are needed if there are none
        key: one that came in another way than by header

    Raises:
        RequestError: 401
    """
    if not settings.api_keys:
        return
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else connection.headers.get("x-api-key", key)
    # All are compared, so that the time it takes tells nothing.
    equal = [hmac.compare_digest(given.encode(), key_of_server.encode()) for key_of_server in settings.api_keys]
    if not any(equal):
        raise RequestError(401, "a key of this server is needed: send it as `Authorization: Bearer KEY`")


def check_notice(connection: HTTPConnection, settings: Settings) -> None:
    """Refuses who doesn't state that the people in the recordings were informed, where the server demands it.

    Raises:
        RequestError: 428
    """
    if settings.require_notice and connection.headers.get(NOTICE_HEADER, "").lower() not in ("true", "1", "yes"):
        raise RequestError(
            428,
            f"people whose emotions are recognised have to be informed of it: do so, and say so by the header "
            f"`{NOTICE_HEADER}: true`",
        )
