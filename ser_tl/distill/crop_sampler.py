"""Random crops of unlabelled audio, for batches.

    corpus or folder --find_recordings--> files --CropSampler--> .draw(count, draws) -> waveform (B, N), lengths (B,)

A recording is drawn as often as it is long, so every second is drawn equally often. Decoded audio is kept as 16-bit
samples as long as it fits into the memory given; the rest is read from the file where the crop begins. Of a corpus'
rows only the audio is read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soxr
import torch
from torch import Tensor

from ser_tl.augment import BatchRng
from ser_tl.corpora import load_corpus
from ser_tl.corpora.base import find_audio
from ser_tl.data import audio, checks
from ser_tl.data.audio import SAMPLE_RATE

_FULL_SCALE = 32767.0
_BYTES = 2 * SAMPLE_RATE  # a second takes


class AudioSource(NamedTuple):
    """A segment of a file that crops are cut from."""

    source: audio.Source
    start: float  # seconds into the file
    seconds: float


def find_recordings(
    corpus: str, root: Path | None = None, folder: Path | None = None, columns: Mapping[str, str] | None = None
) -> list[AudioSource]:
    """The audio of a corpus or of a folder; labels aren't looked at.

    Args:
        corpus: its name
        root: its folder, manifest or hub id
        folder: of audio files of any length, also in folders below; instead of the corpus if given
        columns: which column of a manifest holds what

    Raises:
        CorpusError: no such corpus or folder, or no audio in it
        AudioError: a file's header can't be read
    """
    if folder is not None:
        files = sorted(find_audio(folder, "a folder of audio files", same_names=True))
        return [AudioSource(path, 0.0, audio.duration(path)) for path in files]
    rows_of_corpus = load_corpus(corpus, root, columns=columns)
    rows = rows_of_corpus.select_columns(["audio", "start", "end"])
    return [
        AudioSource(checks.audio_source(row), row["start"], seconds)
        for row, seconds in zip(rows, checks.measure_durations(rows_of_corpus), strict=True)
    ]


class CropSampler:
    """Audio to cut crops from.

    Args:
        recordings: where it is
        crop: seconds of a crop; a recording that is shorter is taken whole
        memory: GiB that decoded audio may take
        normalise: what each crop's loudness becomes, as of `AudioConfig`
        speed: the range from which each crop's playing speed is drawn; tempo, pitch and formants go with it
    """

    def __init__(
        self,
        recordings: Sequence[AudioSource],
        crop: float,
        memory: float,
        normalise: Literal["none", "peak", "rms"] = "none",
        speed: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.recordings = list(recordings)
        self.crop = crop
        self.normalise = normalise
        self.speed = speed
        self.seconds = sum(recording.seconds for recording in self.recordings)
        self.decoded: dict[int, np.ndarray] = {}  # int16 samples of recordings that were decoded
        self.room = memory * 2**30 / _BYTES  # seconds
        self.ends = torch.tensor([recording.seconds for recording in self.recordings], dtype=torch.float64).cumsum(0)

    def __str__(self) -> str:
        in_memory = min(self.seconds, self.room)
        return (
            f"{self.seconds / 3600:.2f} h in {len(self.recordings)} recordings; decoded audio will take "
            f"{in_memory * _BYTES / 1e6:.0f} MB"
            + (
                f", and {(self.seconds - in_memory) / 3600:.2f} h are read in every step"
                if in_memory < self.seconds
                else ""
            )
        )

    def draw(self, count: int, draws: BatchRng, crop: float | None = None) -> tuple[Tensor, Tensor]:
        """Crops, on the CPU.

        Args:
            count: crops, B
            draws: choose recordings and times
            crop: seconds of each, instead of the usual ones

        Returns:
            Waveform (B, N) at 16 kHz, zeros behind each end, and lengths (B,) in samples.

        Raises:
            AudioError: a recording can't be decoded
        """
        times = draws.uniform(count, 0.0, self.seconds)
        chosen = torch.searchsorted(self.ends, times, right=True).clamp_max(len(self.recordings) - 1)
        shares = draws.uniform(count, 0, 1)
        speeds = draws.uniform(count, *self.speed) if self.speed != (1.0, 1.0) else torch.ones(count)
        crops = [
            self._crop(number, share, speed, crop or self.crop)
            for number, share, speed in zip(chosen.tolist(), shares.tolist(), speeds.tolist(), strict=True)
        ]
        lengths = torch.tensor([len(samples) for samples in crops])
        waveform = torch.zeros(count, int(lengths.max()))
        for row, samples in zip(waveform, crops, strict=True):
            row[: len(samples)] = torch.from_numpy(audio.normalise(samples, self.normalise))
        return waveform, lengths

    def _crop(self, number: int, share: float, speed: float, seconds: float) -> np.ndarray:
        recording, wanted = self.recordings[number], seconds * speed
        start = share * max(0.0, recording.seconds - wanted)
        if number not in self.decoded and recording.seconds > self.room:
            begin = recording.start + start
            end = begin + min(wanted, recording.seconds)
            crop = audio.decode(recording.source, begin, end, silence=True)  # a pause may fill a crop, and a recording
        else:
            if number not in self.decoded:
                waveform = audio.decode(
                    recording.source, recording.start, recording.start + recording.seconds, silence=True
                )
                self.decoded[number] = np.round(waveform * _FULL_SCALE).astype(np.int16)
                self.room -= recording.seconds
            begin = round(start * SAMPLE_RATE)
            crop = self.decoded[number][begin : begin + round(wanted * SAMPLE_RATE)].astype(np.float32) / _FULL_SCALE
        return crop if speed == 1.0 else soxr.resample(crop, speed * SAMPLE_RATE, SAMPLE_RATE)
