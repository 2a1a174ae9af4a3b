"""Clips that are read from the feature cache, in the place of decoded ones.

    UtteranceDataset, files of each clip's windows or views --CachedClips[index]--> Clip(states of some layers)

Independent of keys, and of how the files came about.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ser_tl.cache.entry import read_state, read_summary
from ser_tl.cache.summaries import Reduce, shorten
from ser_tl.data.batching import Clip, PackedState, UtteranceDataset


class CachedClips:
    """Clips with states of an encoder instead of their waveform.

    In training, a clip longer than `AudioConfig.max_seconds` is one of its evaluation windows, drawn anew each epoch;
    an augmented clip is one of its views, or one of its windows' views, likewise.

    Args:
        clips: the clips; their crops, seed and epoch are followed
        files: of each clip's windows or views, by layer
        lengths: of each of them, seconds; that of the clip if None
        reduce: makes frames of the files' summaries; None where the files have all frames
    """

    def __init__(
        self,
        clips: UtteranceDataset,
        files: list[list[dict[int, Path]]],
        lengths: list[list[float]] | None = None,
        reduce: Reduce | None = None,
    ) -> None:
        self.clips = clips
        self.files = files
        self.reduce = reduce
        self.lengths = lengths or [
            [long] * len(files_of_clip) for long, files_of_clip in zip(clips.seconds, files, strict=True)
        ]

    @property
    def seconds(self) -> list[float]:
        """The length of each clip, in this epoch."""
        return [lengths[self.window(index)] for index, lengths in enumerate(self.lengths)]

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
        return self.clip(index, self.window(index))

    def clip(self, index: int, window: int) -> Clip:
        """A clip with the states of one of its windows or views."""
        row, _, _ = self.clips.segments[index]
        return self.clips.describe(row)._replace(states=self.read(index, window))

    @property
    def layers(self) -> set[int]:
        """Indices of the states of the clips."""
        return set(self.files[0][0])

    def window(self, index: int) -> int:
        """The index of a clip's window or view in this epoch."""
        count = len(self.files[index])
        if count == 1:
            return 0
        return int(np.random.default_rng((self.clips.seed, self.clips.epoch, index)).integers(count))

    def read(self, index: int, window: int) -> dict[int, PackedState]:
        """The states of a clip's window, by layer."""
        reduce = self.reduce
        return {
            layer: read_state(path) if reduce is None else shorten(read_summary(path), reduce)
            for layer, path in self.files[index][window].items()
        }


class AllViews:
    """All windows or views of cached clips, each as a clip of its own.

    Args:
        cached: the clips
        ids: of the clips; all if None
    """

    def __init__(self, cached: CachedClips, ids: Collection[str] | None = None) -> None:
        self.cached = cached
        self.epoch = 0
        wanted = set(cached.clips.ids if ids is None else ids)
        self._positions = [
            (clip, window)
            for clip, files_of_clip in enumerate(cached.files)
            if cached.clips.ids[cached.clips.segments[clip][0]] in wanted
            for window in range(len(files_of_clip))
        ]

    @property
    def seconds(self) -> list[float]:
        """The length of each."""
        return [self.cached.lengths[clip][window] for clip, window in self._positions]

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> Clip:
        return self.cached.clip(*self._positions[index])
