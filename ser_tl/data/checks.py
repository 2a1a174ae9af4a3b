"""Reading a corpus through before anything is trained on it.

    corpus --check_audio--> corpus with the column `digest`, or one AudioError that lists every file that can't be used

Every file is decoded once: broken files are reported in the first seconds and not in the third hour. Keys are equal
where content is: `file_keys` of files, `content_keys` of files and parts of them, the column `digest` of decoded
samples, whatever file they came from. Digests and lengths of files are remembered, by the time of their last change.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from datasets import Dataset

from ser_tl.data import audio
from ser_tl.data.schema import DERIVED, DIGEST
from ser_tl.errors import AudioError, listing

_ROWS = 64  # read at once


def audio_source(row: dict[str, Any]) -> str | bytes:
    """Where the audio of a corpus row is: its bytes if the corpus carries them, else its path."""
    content = row["audio"]["bytes"]
    return row["audio"]["path"] if content is None else content


def check_audio(corpus: Dataset, *, skip_unreadable: bool = False) -> tuple[Dataset, list[str]]:
    """Decodes every utterance once.

    A `Split` compares the column `digest` of its parts: of checked corpora it refuses a FLAC of a WAV, and one part
    of a file written in two ways.

    Args:
        corpus: rows with the columns of `data.schema`
        skip_unreadable: leave broken utterances out instead of raising

    Returns:
        The corpus without broken utterances and with a digest of each one's samples in the column `digest`, and a
        line for each utterance that was left out (for the report).

    Raises:
        AudioError: some files can't be used; all of them are listed, with their count
    """
    rows = corpus.select_columns(["id", "audio", "start", "end"])
    with ThreadPoolExecutor() as pool:  # libsndfile and soxr work outside the interpreter's lock
        # Indices and not rows, which may carry the bytes of their files: all of them would wait in memory.
        readings = list(pool.map(lambda row: _decode(rows[row]), range(len(rows))))
    broken = [problem for problem, _ in readings if problem is not None]
    if broken and (not skip_unreadable or len(broken) == len(corpus)):
        raise AudioError(
            f"{len(broken)} of {len(corpus)} utterances can't be used. Restore the files or take them out of the "
            f"corpus; `skip_unreadable` leaves them out and says so in the report\n{listing(broken, most=len(broken))}"
        )
    if DIGEST in corpus.column_names:
        corpus = corpus.remove_columns(DIGEST)
    corpus = corpus.add_column(DIGEST, [digest for _, digest in readings], feature=DERIVED[DIGEST])
    if broken:
        corpus = corpus.select([index for index, (problem, _) in enumerate(readings) if problem is None])
    return corpus, broken


def _decode(row: dict[str, Any]) -> tuple[str | None, str | None]:
    """What is wrong with an utterance, and the digest of its samples; one of the two is None."""
    encoded = audio_source(row)
    try:
        waveform = audio.decode(encoded, row["start"], row["end"])
    except AudioError as error:
        # bytes have no name of their own
        return f"{row['id']}: {error}" if isinstance(encoded, bytes) else str(error), None
    return None, _digest(waveform.data)


def file_keys(corpus: Dataset) -> list[str]:
    """A key per utterance, equal where the file's bytes are: a copy under another name shows."""
    return [_file_key(row) for row in _rows(corpus, ["audio"])]


def content_keys(corpus: Dataset) -> list[str]:
    """A key per utterance, equal where the file's bytes and the part of it are."""
    return [_segment_key(*facts) for facts in zip(file_keys(corpus), corpus["start"][:], corpus["end"][:], strict=True)]


def _segment_key(file: str, start: float, end: float | None) -> str:
    return f"{file}@{start}-{end}"


def _file_key(row: dict[str, Any]) -> str:
    encoded = audio_source(row)
    return _digest(encoded) if isinstance(encoded, bytes) else _file_digest(encoded, _stamp(encoded))


def _digest(content: bytes | memoryview) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _stamp(path: str | Path) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1_000_000)  # folds ask for the same files again and again
def _file_digest(path: str, stamp: tuple[int, int]) -> str:  # noqa: ARG001 - the stamp renews the entry of a changed file
    return _digest(Path(path).read_bytes())


def measure_durations(corpus: Dataset) -> Sequence[float]:
    """Seconds of each utterance, from the files' headers (nothing is decoded)."""

    def seconds(row: dict[str, Any]) -> float:
        encoded = audio_source(row)
        if row["end"] is not None:
            return row["end"] - row["start"]
        if isinstance(encoded, bytes):
            return audio.duration(encoded) - row["start"]
        return _file_seconds(encoded) - row["start"]

    return [seconds(row) for row in _rows(corpus, ["audio", "start", "end"])]


def _file_seconds(path: str) -> float:
    try:
        return _stamped_seconds(path, _stamp(path))
    except (OSError, ValueError):
        return audio.duration(path)  # which says what is wrong with it


@lru_cache(maxsize=1_000_000)  # train, dev and test of each fold ask for the same files again
def _stamped_seconds(path: str, stamp: tuple[int, int]) -> float:  # noqa: ARG001 - as of `_file_digest`
    return audio.duration(path)


def _rows(corpus: Dataset, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of some columns, read a few at a time: one by one takes ten times as long, and all may hold files' bytes."""
    for columns_read in corpus.select_columns(columns).iter(batch_size=_ROWS):
        for values in zip(*columns_read.values(), strict=True):
            yield dict(zip(columns_read, values, strict=True))
