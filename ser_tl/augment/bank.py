"""Recordings held in memory, from which batches of stretches are cut.

    folder of recordings --a seeded sample--> Bank --stretches(which, from where)--> (B, N)

Everything is on one device and one tensor: a stretch is a gather, and no file is read while training goes on.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ser_tl.data.audio import FORMATS, SAMPLE_RATE, decode
from ser_tl.errors import ConfigError

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff"}


class Bank:
    """Recordings, one behind the other.

    Args:
        recordings: (N,) each, of any length
    """

    def __init__(self, recordings: Sequence[Tensor]) -> None:
        self.samples = torch.cat(list(recordings))
        self.lengths = torch.tensor([len(recording) for recording in recordings])
        self.starts = self.lengths.cumsum(0) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def stretches(self, which: Tensor, begins: Tensor, samples: int, device: torch.device) -> Tensor:
        """A stretch of a recording for each; a recording that ends within it begins again.

        Args:
            which: places of recordings, of any shape
            begins: samples into each, of the same shape
            samples: of each stretch
            device: where they are wanted; the recordings move there and stay

        Returns:
            (*shape, samples)
        """
        self.samples = self.samples.to(device)
        lengths, starts = (one[which][..., None].to(device) for one in (self.lengths, self.starts))
        places = (begins[..., None].to(device) + torch.arange(samples, device=device)) % lengths
        return self.samples[starts + places]


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
    held: list[Tensor] = []
    left = round(seconds * SAMPLE_RATE)
    for place in np.random.default_rng(seed).permutation(len(paths)):
        held.append(torch.from_numpy(decode(paths[place]))[:left])
        left -= len(held[-1])
        if left <= 0:
            break
    return held
