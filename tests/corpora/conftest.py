"""Small trees of real audio files, and the real corpora where they are."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Iterable[str]], Path]:
    """Makes a folder with a tenth of a second of tone in each of the files, and gives the folder."""

    def make(names: Iterable[str]) -> Path:
        root = tmp_path / "corpus"
        tone = 0.1 * np.sin(np.arange(1600) / 10)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kind, subtype = FORMATS[path.suffix.lower()]
            soundfile.write(path, tone, 16000, format=kind, subtype=subtype)
        return root

    return make


@pytest.fixture
def stubs(tmp_path: Path) -> Callable[[Iterable[str]], Path]:
    """Makes a folder with these files, which hold their own names, since readers never open audio; gives the folder."""

    def make(names: Iterable[str]) -> Path:
        root = tmp_path / "corpus"
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        return root

    return make


@pytest.fixture
def listed(shared: Callable[[str], Path]) -> Callable[[str], list[str]]:
    """The paths of a corpus that can't be had here, from its listing in ../shared; skips the test without it."""

    def paths(name: str) -> list[str]:
        lines = shared(f"listings/{name}.tsv").read_text("utf-8").splitlines()
        return [line.split("\t")[0] for line in lines[1:]]

    return paths
