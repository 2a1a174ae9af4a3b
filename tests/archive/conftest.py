"""A model that tells how loud recordings are, and recordings for it: good ones, long ones and every kind of bad one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

for name in ("onnx", "onnxruntime"):
    pytest.importorskip(name, reason="needs the extra: pip install 'ser_tl[export]'")

from tests.loudness import LABELS, RATE, write_model  # noqa: E402, F401


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The folder of the exported model; read it and leave it as it is."""
    return write_model(tmp_path_factory.mktemp("archive") / "model")


def make_speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Something like syllables: noise in bursts, of a loudness of its own."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    bursts = 0.5 + 0.5 * np.sin(2 * np.pi * (3 + seed % 3) * time)
    return (rng.uniform(0.02, 0.6) * bursts * rng.uniform(-1, 1, len(time))).astype(np.float32)


def write_clip(path: Path, seconds: float = 1.0, seed: int = 0, channels: int = 1) -> Path:
    """A recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.stack([make_speech(seconds, seed + channel) for channel in range(channels)], axis=1)
    soundfile.write(path, samples, RATE)
    return path


BAD = 5


def write_recordings(folder: Path, count: int = 40) -> Path:
    """Recordings of 0.2 to 5 s in folders, and BAD ones among them; beside them what is no recording."""
    for index in range(count):
        kind = ("wav", "flac", "ogg")[index % 3]
        write_clip(
            folder / f"call{index % 4}" / f"2026-11-{1 + index % 5:02}_{index:03}.{kind}", 0.2 + index % 7 * 0.8, index
        )
    good = (folder / "call0" / "2026-11-01_000.wav").read_bytes()
    (folder / "call1" / "cut short.wav").write_bytes(good[: len(good) // 2])
    (folder / "call1" / "empty.wav").write_bytes(b"")
    (folder / "call2" / "page.mp3").write_text("<html><body>404</body></html>")
    (folder / "call2" / "voice.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    (folder / "call3" / "noise.flac").write_bytes(b"fLaC" + bytes(range(256)) * 8)
    soundfile.write(folder / "call3" / "silence.wav", np.zeros(RATE, np.float32), RATE)
    (folder / "notes.txt").write_text("not a recording\n")
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """A folder of recordings; read it and leave it as it is."""
    return write_recordings(tmp_path_factory.mktemp("archive") / "recordings")


def read_rows(folder: Path) -> list[dict]:
    """All rows of an archive, in order."""
    from pyarrow import parquet

    return [
        row for path in sorted((folder / "shards").glob("*/*.parquet")) for row in parquet.read_table(path).to_pylist()
    ]


def read_bytes(folder: Path) -> dict[str, bytes]:
    """The bytes of everything that has to be the same in two runs."""
    paths = [*sorted((folder / "shards").glob("*/*.parquet")), folder / "manifest.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
