"""Clips that are read from the feature cache, in the place of decoded ones.

    Utterances, files of each clip's windows --CachedClips[index]--> Clip(states of some layers)

Knows nothing of keys, nor of how the files came about.
"""

from pathlib import Path

import numpy as np
import torch

from ser_tl.data.batching import Clip, State, Utterances
from ser_tl.training.entries import read_state


class CachedClips:
    """Clips that bring states of an encoder instead of their waveform.

    In training, a clip longer than `AudioConfig.max_seconds` is one of its evaluation windows, drawn anew each epoch.

    Args:
        clips: the clips; their crops, seed and epoch are followed
        files: of each clip's windows, by layer
    """

    def __init__(self, clips: Utterances, files: list[list[dict[int, Path]]]) -> None:
        self.clips = clips
        self.files = files

    @property
    def seconds(self) -> list[float]:
        """The length of each clip."""
        return self.clips.seconds

    @property
    def epoch(self) -> int:
        """Chooses windows, together with the seed."""
        return self.clips.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.clips.epoch = epoch

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        states = self.read(index, self.window(index))
        clips, (row, _, _) = self.clips, self.clips.parts[index]
        told = (clips.classes[row], clips.ids[row], states, clips.domains[row], clips.targets[row])
        return Clip(torch.empty(0), *told, dimensions=clips.annotation(row))

    @property
    def layers(self) -> set[int]:
        """Places of the states that the clips bring."""
        return set(self.files[0][0])

    def window(self, index: int) -> int:
        """Which of a clip's windows it is in this epoch."""
        count = len(self.files[index])
        if count == 1:
            return 0
        return int(np.random.default_rng((self.clips.seed, self.clips.epoch, index)).integers(count))

    def read(self, index: int, window: int) -> dict[int, State]:
        """The states of a clip's window, by layer."""
        return {layer: read_state(path) for layer, path in self.files[index][window].items()}
