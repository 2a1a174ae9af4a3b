"""schemathesis against a running server: whatever its OpenAPI description allows, and what it doesn't, never 5xx.

Kept apart from the lock: `python -m venv V && V/bin/pip install schemathesis`, then SCHEMATHESIS=V/bin/schemathesis.
"""

import os
import shutil
import subprocess

import pytest

from tests.serving.running import Running

PROGRAM = shutil.which(os.environ.get("SCHEMATHESIS", "schemathesis"))

CHECKS = "not_a_server_error,content_type_conformance,status_code_conformance,response_schema_conformance"


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="needs schemathesis in an environment of its own: see the module")
@pytest.mark.timeout(600)
def test_what_the_schema_allows_is_never_a_server_error(tmp_path):
    with Running(memory_mb=200) as server:
        command = [PROGRAM, "run", f"{server.url}/openapi.json", "--checks", CHECKS, "--no-color", "--seed", "1"]
        command += ["--max-examples", os.environ.get("SER_TL_EXAMPLES", "40")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "cases" in done.stdout
