"""Logs as JSON, a line an event, on standard error. Never what was sent: no audio, names of files, queries or keys.

{"time": ..., "level": "info", "event": "request", "request_id": ..., "route": "/v1/predict", "status": 200, ...}
"""

import json
import logging
import sys
import time
from contextvars import ContextVar

LOGGER = logging.getLogger("ser_tl.serving")
request_id: ContextVar[str] = ContextVar("request_id", default="")


def log_event(event: str, level: int = logging.INFO, *, error: bool = False, **fields: object) -> None:
    """Logs one event.

    Args:
        event: what happened, in a word or two
        level: of `logging`
        error: add the stack of the exception that is being handled
        fields: what else is known of it
    """
    if LOGGER.isEnabledFor(level):  # not `LOGGER.log`, which looks for its caller, and no line of the log has that
        details = sys.exc_info() if error else None
        extra = {"fields": fields}
        LOGGER.handle(LOGGER.makeRecord(LOGGER.name, level, "", 0, event, (), details, extra=extra))


class JsonFormatter(logging.Formatter):
    """Records as lines of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {"time": f"{stamp}.{record.msecs:03.0f}Z", "level": record.levelname.lower()}
        line |= {"event": record.getMessage(), "process": record.process}
        if request_id.get():
            line["request_id"] = request_id.get()
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logs() -> None:
    """Sends the logs of this package's server and of uvicorn to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in (("ser_tl.serving", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(level)
