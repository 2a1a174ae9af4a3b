"""From a clip to a predictor's input: one open file at a time, remote ones fetched ahead.

clips --open_recordings--> recordings, in the clips' order: paths, bytes, samples; an AudioError where there is none
"""

import json
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from ser_tl.archive.clip import Clip
from ser_tl.archive.sources import arrow, tar
from ser_tl.archive.storage import call_filesystem, find_parent, is_remote, join_path, open_file, read_file, read_range
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.decoding.containers import open_audio
from ser_tl.data.decoding.resampling import resample_blocks
from ser_tl.errors import AudioError, CorpusError
from ser_tl.inference import Recording

AHEAD = 16
"""Remote recordings that are fetched at once: a storage's answer takes longer than a clip's prediction."""


class RecordingReader:
    """Opens clips one after the other, and keeps the container of the last one open.

    Clips of a shard lie beside each other: a tar, a table is opened once for many of them.
    """

    def __init__(self) -> None:
        self._path: str | None = None
        self._container: Any = None

    def open(self, clip: Clip, content: bytes | None = None) -> Recording:
        """What the predictor takes for a clip.

        Args:
            clip: of which archive it may be
            content: its file or member, where it has been fetched

        Raises:
            AudioError: it can't be read
            StorageError: a remote storage doesn't answer
        """
        if clip.problem is not None:
            raise AudioError(clip.problem)
        if clip.reader == "lhotse":
            return {"array": _load_cut(clip), "sampling_rate": SAMPLE_RATE}
        source = content if content is not None else self._find_source(clip)
        if clip.channel is not None:
            return {"array": _decode_channel(source, clip), "sampling_rate": SAMPLE_RATE}
        if clip.start is None and clip.end is None:
            return source
        audio = {"bytes": source} if isinstance(source, bytes) else source
        return {"audio": audio, "start": clip.start, "end": clip.end}

    def close(self) -> None:
        """Closes what is open."""
        if hasattr(self._container, "close"):
            self._container.close()
        self._path, self._container = None, None

    def _find_source(self, clip: Clip) -> str | bytes:
        if clip.reader == "file":
            return fetch(clip) if is_remote(clip.file) else clip.file
        read = {"tar": self._read_member, "arrow": self._read_arrow, "parquet": self._read_parquet}[clip.reader]
        if is_remote(clip.file):
            return call_filesystem(clip.file, lambda: read(clip))
        try:
            return read(clip)
        except (OSError, EOFError, ValueError, CorpusError, zlib.error) as error:  # Arrow's errors are ValueErrors
            raise AudioError(f"{clip.name}: can't be read ({error}): copy the file again") from error

    def _read_member(self, clip: Clip) -> bytes:
        with self._keep(clip.file, tar.open_tar) as stream:
            stream.seek(clip.offset or 0)
            content = stream.read(clip.size or 0)
        if len(content) < (clip.size or 0):
            raise AudioError(f"{clip.name}: cut short, the tar ends before: copy the tar again")
        return content

    def _read_arrow(self, clip: Clip) -> str | bytes:
        with self._keep(clip.file, arrow.open_arrow) as table:
            return _read_cell(table, int(clip.member or 0), arrow.audio_column(clip.path, table.schema), clip)

    def _read_parquet(self, clip: Clip) -> str | bytes:
        with self._keep(clip.file, _RowGroups) as groups:
            return _read_cell(*groups.find(int(clip.member or 0)), clip)

    @contextmanager
    def _keep(self, path: str, opener: Callable[[str], Any]) -> Generator[Any]:
        """The container at a path, opened where it isn't; closed after a failure, so that the next try begins anew."""
        if path != self._path:
            self.close()
            self._container, self._path = opener(path), path
        try:
            yield self._container
        except Exception:
            self.close()
            raise


class _RowGroups:
    """A Parquet file, of which one row group's audio is in memory."""

    def __init__(self, path: str) -> None:
        self._stream = open_file(path)
        self._file = arrow.open_parquet(path, self._stream)
        self._column = arrow.audio_column(path, self._file.schema_arrow)
        self._first, self._group = 0, -1
        counts = [self._file.metadata.row_group(index).num_rows for index in range(self._file.num_row_groups)]
        self._starts = np.cumsum([0, *counts])
        self._table: Any = None

    def find(self, row: int) -> tuple[Any, int, str]:
        """The table that holds a row, the row's place in it, and the column."""
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if group != self._group:
            self._table = self._file.read_row_group(group, columns=[self._column])
            self._group = group
        return self._table, row - int(self._starts[group]), self._column

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


def _read_cell(table: Any, row: int, column: str, clip: Clip) -> str | bytes:  # noqa: ANN401 - pyarrow's
    cell = table[column][row].as_py() or {}
    if cell.get("bytes") is not None:
        return cell["bytes"]
    if cell.get("path"):
        path = join_path(find_parent(clip.path), cell["path"])
        return read_file(path) if is_remote(path) else path
    raise AudioError(f"{clip.name}: a row without audio")


def _decode_channel(source: str | bytes, clip: Clip) -> np.ndarray:
    """One channel of a recording, or of a part of it, at 16 kHz."""
    channel = clip.channel or 0
    with open_audio(source) as audio:
        first = round((clip.start or 0.0) * audio.rate)
        last = audio.frames if clip.end is None else min(round(clip.end * audio.rate), audio.frames)
        if first >= last:
            raise AudioError(f"{clip.name}: no audio from {clip.start} s to {clip.end} s: correct start and end")
        blocks = [_pick(block, channel, clip) for block in audio.read_blocks(first, last)]
        return np.concatenate([np.zeros(0, np.float32), *resample_blocks(blocks, audio.rate)])


def _pick(block: np.ndarray, channel: int, clip: Clip) -> np.ndarray:
    if not 0 <= channel < block.shape[1]:
        raise AudioError(
            f"{clip.name}: channel {channel}, and the recording has {block.shape[1]}, counted from 0: correct the list"
        )
    return block[:, channel].astype(np.float32)


def _load_cut(clip: Clip) -> np.ndarray:
    """The samples of a cut that lhotse puts together."""
    from lhotse import Recording as LhotseRecording
    from lhotse.serialization import deserialize_item

    try:
        item = deserialize_item(json.loads(clip.member or "{}"))
        cut = item.to_cut() if isinstance(item, LhotseRecording) else item
        samples = cut.resample(SAMPLE_RATE).load_audio()
    except Exception as error:  # of any library below lhotse
        raise AudioError(f"{clip.name}: lhotse can't load the cut ({error})") from error
    return np.asarray(samples, np.float32).mean(axis=0)


def open_recordings(clips: Sequence[Clip]) -> Iterator[Recording | AudioError]:
    """What the predictor takes for each clip, in order; the error where it can't be read.

    Raises:
        StorageError: a remote storage doesn't answer
    """
    reader = RecordingReader()
    contents = _fetch_ahead(clips) if any(map(_is_fetched, clips)) else ((clip, None) for clip in clips)
    try:
        for clip, content in contents:
            try:
                yield reader.open(clip, content.result() if content is not None else None)
            except AudioError as error:
                yield error
    finally:
        reader.close()


def fetch(clip: Clip) -> bytes:
    """The bytes of a clip's remote file, or of its member of a remote tar.

    Raises:
        AudioError: there is no such file
        StorageError: the storage doesn't answer
    """
    if clip.reader == "tar":
        return read_range(clip.file, clip.offset or 0, clip.size or 0)
    return read_file(clip.file)


def _is_fetched(clip: Clip) -> bool:
    """Whether a clip is one request to a remote storage."""
    if clip.problem is not None or not is_remote(clip.path):
        return False
    return clip.reader == "file" or (clip.reader == "tar" and clip.path.lower().endswith(".tar"))


def _fetch_ahead(clips: Sequence[Clip]) -> Iterator[tuple[Clip, Future[bytes] | None]]:
    """Each clip with its bytes on their way; clips of one file that follow each other share them."""
    waiting: deque[tuple[Clip, Future[bytes] | None]] = deque()
    last: tuple[tuple[str, int | None], Future[bytes]] | None = None
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="fetch") as threads:
        try:
            for clip in clips:
                content = None
                if _is_fetched(clip):
                    position = (clip.path, clip.offset)
                    content = last[1] if last is not None and last[0] == position else threads.submit(fetch, clip)
                    last = (position, content)
                waiting.append((clip, content))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
