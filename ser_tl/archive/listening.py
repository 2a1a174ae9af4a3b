"""The sound of rows, beside the page that plays them.

rows --write_clips--> FOLDER/clips/000.flac, ...: 16 kHz, at most half a minute of each
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser_tl.archive.clip import Clip
from ser_tl.archive.description import Archive
from ser_tl.archive.recordings import open_recordings
from ser_tl.archive.report import UncertainRow
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.errors import AudioError
from ser_tl.files import write_atomically
from ser_tl.inference.recordings import Recording, cut_recording

SECONDS = 30.0


def write_clips(archive: Archive, rows: Sequence[UncertainRow], folder: Path) -> list[str | None]:
    """Writes the sound of rows.

    Args:
        archive: whose rows
        rows: any
        folder: where the page is

    Returns:
        Each file, relative to the folder; None where the recording can't be read any more.

    Raises:
        StorageError: the folder can't be written to, or a remote storage doesn't answer
    """
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    shards = {row.shard: {clip.id: clip for clip in archive.read_clips(row.shard)} for row in rows}
    clips = [shards[row.shard][row.id] for row in rows]
    files: list[str | None] = []
    for number, (row, clip, recording) in enumerate(zip(rows, clips, open_recordings(clips), strict=True)):
        samples = None if isinstance(recording, AudioError) else _read_samples(recording, row, clip)
        name = f"clips/{number:03}.flac"
        if samples is not None:
            _write_flac(folder / name, samples)
        files.append(name if samples is not None else None)
    return files


def _read_samples(recording: Recording, row: UncertainRow, clip: Clip) -> np.ndarray | None:
    first = row.start - (clip.start or 0.0)

    def cut_part(seconds: float) -> list[tuple[float, float]]:
        return [(first, min(seconds, first + min(SECONDS, row.end - row.start)))]

    try:
        return np.concatenate([window.samples for window in cut_recording(recording, cut_part)])
    except (AudioError, ValueError):
        return None


def _write_flac(path: Path, samples: np.ndarray) -> None:
    import soundfile

    with write_atomically(path, durable=False) as part:
        soundfile.write(part, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, format="FLAC")
