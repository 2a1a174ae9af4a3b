"""Without the extra `serve` nothing here can be imported; `test_extra` says so."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("fastapi") and find_spec("uvicorn") else ["test_[!e]*.py"]
