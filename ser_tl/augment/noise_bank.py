"""Recordings in memory, from which batches of random segments are cut.

    folder of recordings --a seeded sample--> NoiseBank --random_segments(...)--> (R, N)

All of them are one tensor on one device: a segment is copied, and no file is read during training.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import FORMATS, SAMPLE_RATE, SUFFIXES, decode
from ser_tl.errors import ConfigError


class NoiseBank:
    """Recordings, one behind the other on a tape whose end meets its beginning.

    Args:
        recordings: (N,) each, of any length
    """

    def __init__(self, recordings: Sequence[Tensor]) -> None:
        self._tape = torch.cat(list(recordings))
        self._lengths = torch.tensor([len(recording) for recording in recordings])
        self._starts = self._lengths.cumsum(0) - self._lengths

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def content(self) -> list[Tensor]:
        """All recordings, one behind the other (N,), and their lengths (M,)."""
        return [self._tape[: int(self._lengths.sum())], self._lengths]

    def random_segments(self, count: int, samples: int, draws: BatchRng) -> tuple[Tensor, Tensor]:
        """Random segments, each of a random recording, beyond whose end it goes only where that is too short.

        Args:
            count: of segments, R
            samples: of each
            draws: the batch's; the recordings move to their device and stay there

        Returns:
            Segments (R, samples), and indices of the recordings in which they begin (R,).
        """
        which = draws.choice(count, len(self))
        begins = self._starts[which] + draws.randint_below((self._lengths[which] - samples + 1).clamp_min(1))
        total = int(self._lengths.sum())
        if len(self._tape) < total + samples:  # its beginning once more, so that no segment runs over the end
            again = -(-(total + samples) // total)
            self._tape = self._tape[:total].repeat(again)[: total + samples]
        self._tape = self._tape.to(draws.device)
        return self._tape.unfold(0, samples, 1)[begins.to(draws.device)], which


def check_folder(option: str, folder: object) -> None:
    """Refuses what is no folder.

    Args:
        option: what it was given for
        folder: what was given; None for none

    Raises:
        ConfigError: there is no such folder
    """
    if folder is not None and not (isinstance(folder, str | Path) and Path(folder).is_dir()):
        raise ConfigError(f"{option} is {str(folder)!r}, which is no folder: name one that has {FORMATS} in it")


def read_folder(option: str, folder: str | Path, seconds: float, seed: int) -> list[Tensor]:
    """Recordings of a folder and those in it, in a seeded order, until they are long enough together.

    Args:
        option: what the folder was given for
        folder: where they are
        seconds: of audio at most; a recording that would exceed it is cut
        seed: the order

    Raises:
        ConfigError: there are no recordings
        AudioError: one of them is broken
    """
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise ConfigError(f"{option} is {str(folder)!r}, where no recording is: put {FORMATS} there, or leave it out")
    recordings: list[Tensor] = []
    left = round(seconds * SAMPLE_RATE)
    for index in np.random.default_rng(seed).permutation(len(paths)):
        recordings.append(torch.from_numpy(decode(paths[index]))[:left])
        left -= len(recordings[-1])
        if left <= 0:
            break
    return recordings
