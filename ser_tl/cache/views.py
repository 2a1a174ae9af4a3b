"""Fixed augmented views of clips, encoded once and cached.

    windows of training clips --Views.view--> ViewedClips: views of the first, then of the second --> cache

A view depends on its window's audio, the transforms' options, its number and the recordings that are mixed in, and on
nothing else: seeds, folds and batches share views, and any number of processes makes the same ones. So each clip is
augmented by itself, on the CPU, whose random numbers are not a GPU's.
"""

from torch import Tensor

from ser_tl.augment import AugmentConfig, BatchRng, Chain
from ser_tl.augment.chain import VOICES
from ser_tl.cache.keys import hash_clips, hash_views
from ser_tl.data.batching import Clip, UtteranceDataset, collate
from ser_tl.encoders import OnMel

_MASKS = 1  # of a view are drawn apart from its waveform: another process may make that


class Views:
    """The transforms and number of a training's views.

    Args:
        config: which transforms, and how many views of each clip
        longest: seconds of the longest view; slower speech is cropped to it
    """

    def __init__(self, config: AugmentConfig, longest: float) -> None:
        self.number = config.views
        self.chain = Chain(config.select(on_audio=True), 0, longest=longest)

    def view(self, windows: UtteranceDataset) -> "ViewedClips":
        """The views of a training part's windows, the only clips that babble is made of."""
        return ViewedClips(windows, self.chain, self.number)


class ViewedClips:
    """Views of clips, computed on access.

    Args:
        windows: the original clips' windows of evaluation
        chain: the transforms, which are prepared here
        number: of views of each window
    """

    def __init__(self, windows: UtteranceDataset, chain: Chain, number: int) -> None:
        self.windows = windows
        self.chain = chain
        self.number = number
        self.epoch = 0
        contents = hash_clips(windows)
        # Whatever the order of the corpus: the same clips are babbled with wherever the same are trained on.
        voices = sorted(range(len(windows)), key=contents.__getitem__)[:VOICES]
        chain.prepare_from([windows[index].waveform for index in voices] if chain.needs_voices else [])
        self._seeds = [int(content, 16) for content in contents]
        self.keys = hash_views(contents, chain, number)

    @property
    def seconds(self) -> list[float]:
        """About the length of each view: that of its window, which speed and tempo change."""
        return [seconds for seconds in self.windows.seconds for _ in range(self.number)]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Clip:
        window, view = divmod(index, self.number)
        clip = self.windows[window]
        batch, _ = self.chain(collate([clip]), self._seeds[window], view)
        return clip._replace(waveform=batch.waveform[0, : batch.lengths[0]])

    def mask(self, index: int) -> OnMel | None:
        """The mask of a view's log-mel spectrogram, applied inside the encoder; None for none."""
        if not self.chain.on_mel:
            return None
        window, view = divmod(index, self.number)
        draws = BatchRng(self.chain.seed, self._seeds[window], view, _MASKS)

        def mask_mel(mel: Tensor, counts: Tensor) -> Tensor:
            return self.chain.mask_mel(mel, counts, draws)

        return mask_mel
