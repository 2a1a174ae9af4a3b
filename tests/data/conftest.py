"""Short recordings that all differ, corpora made of them, and the real corpora where they are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from datasets import Dataset

from ser_tl.data.schema import build_corpus

Row = tuple[str, str]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes noise of so many seconds as 16-bit WAV at 16 kHz, no two files alike, and gives its path."""
    folder = tmp_path_factory.mktemp("recordings")
    draw = np.random.default_rng(0)

    def write(seconds: float = 0.05) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.wav"
        soundfile.write(path, draw.uniform(-0.3, 0.3, round(seconds * 16000)), 16000)
        return path

    return write


@pytest.fixture(scope="module")
def corpus_of(record: Callable[..., Path]) -> Callable[..., Dataset]:
    """Makes a corpus of (speaker, emotion) pairs, with ids u0, u1 and so on; files are kept for the next corpus."""
    files: list[Path] = []

    def make(pairs: Sequence[Row], **columns: Sequence[object]) -> Dataset:
        files.extend(record() for _ in range(len(pairs) - len(files)))
        rows = [
            {"id": f"u{place}", "audio": path, "emotion": emotion, "speaker": speaker, "corpus": "c", "language": "en"}
            | {name: values[place] for name, values in columns.items()}
            for place, (path, (speaker, emotion)) in enumerate(zip(files, pairs, strict=False))
        ]
        return build_corpus(rows, source="test")

    return make
