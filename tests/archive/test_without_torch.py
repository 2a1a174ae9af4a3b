"""With an exported model an archive needs numpy, soundfile, soxr, onnxruntime and pyarrow, and nothing else."""

import json

import pytest

from ser_tl.archive import annotate
from tests.archive.conftest import read_bytes, write_recordings
from tests.inference.test_without_torch import BLOCKED, BLOCKER, COMMAND, run

pytestmark = pytest.mark.slow

PROGRAM = COMMAND.replace("from ser_tl.cli", f"Blocker.names = {BLOCKED - {'pyarrow'}!r}\nfrom ser_tl.cli").replace(
    "sys.exit(main(sys.argv[1:]))",
    "status = main(sys.argv[1:])\nimport json\n"
    'print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))\nsys.exit(status)',
)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_an_archive_needs_the_runtime_and_pyarrow(model, tmp_path, monkeypatch, workers):
    home = write_recordings(tmp_path / "in", 6)
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(blocked=BLOCKED - {"pyarrow"}))  # for the workers
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run(
        PROGRAM, "annotate", home, "--model", model, "--output", tmp_path / "out", "--workers", workers,
        "--allow-errors", "--shard-clips", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])) & BLOCKED <= {"pyarrow"}
    annotate(home, tmp_path / "here", model, workers=0, shard_clips=4)
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "here")


@pytest.mark.exhaustive
def test_what_is_missing_is_named(model, tmp_path):
    done = run(COMMAND, "annotate", tmp_path, "--model", model, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert 'pip install "ser_tl[archive]"' in done.stderr
    program = COMMAND.replace("from ser_tl.cli", "Blocker.names = {'fsspec', 'jsonargparse'}\nfrom ser_tl.cli")
    done = run(program, "annotate", "s3://bucket/x", "--model", model, "--output", tmp_path / "out", "--workers", "0")
    assert done.returncode == 1
    assert "pip install fsspec" in done.stderr
