"""Without the extra `serve` nothing here can be imported; `test_extra` says so."""

import logging
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("fastapi") and find_spec("uvicorn") else ["test_[!e]*.py"]


@pytest.fixture(autouse=True)
def restore_logs():
    """Leaves no handler behind that writes to a test's own standard error, which is closed after the test."""
    loggers = [logging.getLogger(name) for name in ("ser_tl.serving", "uvicorn.error")]
    handlers = [list(logger.handlers) for logger in loggers]
    yield
    for logger, before in zip(loggers, handlers, strict=True):
        logger.handlers[:] = before
