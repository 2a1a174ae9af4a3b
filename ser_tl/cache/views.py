"""Fixed augmented views of clips, for an encoder to hear once and the feature cache to keep.

    windows of training clips --Views.of--> ViewedClips: view 0, 1, ... of the first, then those of the second --> cache

A view follows from what is heard in its window, from the transforms' options, from its number, and from recordings
that are mixed in. Nothing else has a part in it: seeds, folds and batches share views, and any number of processes
makes the same ones. So each clip is changed by itself, on the CPU, whose noise is not a GPU's.
"""

from torch import Tensor

from ser_tl.augment import AugmentConfig, BatchRng, Chain
from ser_tl.augment.chain import VOICES
from ser_tl.cache.keys import clip_keys, view_keys
from ser_tl.data.batching import Clip, UtteranceDataset, collate
from ser_tl.encoders import OnMel

_MASKS = 1  # of a view are drawn apart from its waveform: another process may make that


class Views:
    """What the views of a training are.

    Args:
        config: which transforms, and how many views of each clip
        longest: seconds of the longest view; slower speech is cropped to it
    """

    def __init__(self, config: AugmentConfig, longest: float) -> None:
        self.number = config.views
        self.chain = Chain(config.select(on_audio=True), 0, longest=longest)

    def of(self, windows: UtteranceDataset) -> "ViewedClips":
        """The views of a training part's windows, the only clips that babble is made of."""
        return ViewedClips(windows, self.chain, self.number)


class ViewedClips:
    """Views of clips, made when they are asked for.

    Args:
        windows: what they are views of, as they are in evaluation
        chain: the transforms, which are made ready
        number: of views of each window
    """

    def __init__(self, windows: UtteranceDataset, chain: Chain, number: int) -> None:
        self.windows = windows
        self.chain = chain
        self.number = number
        self.epoch = 0
        contents = clip_keys(windows)
        # Whatever the order of the corpus: the same clips are babbled with wherever the same are trained on.
        voices = sorted(range(len(windows)), key=contents.__getitem__)[:VOICES]
        chain.prepare_from([windows[place].waveform for place in voices] if chain.needs_voices else [])
        self._places = [int(content, 16) for content in contents]
        self.keys = view_keys(contents, chain, number)

    @property
    def seconds(self) -> list[float]:
        """About the length of each view: that of its window, which speed and tempo change."""
        return [seconds for seconds in self.windows.seconds for _ in range(self.number)]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Clip:
        window, view = divmod(index, self.number)
        clip = self.windows[window]
        batch, _ = self.chain(collate([clip]), self._places[window], view)
        return clip._replace(waveform=batch.waveform[0, : batch.lengths[0]])

    def mask(self, index: int) -> OnMel | None:
        """What blanks parts of a view's log-mel spectrogram, where the encoder hears it alone; None for nothing."""
        if not self.chain.on_mel:
            return None
        window, view = divmod(index, self.number)
        draws = BatchRng(self.chain.seed, self._places[window], view, _MASKS)

        def masked(mel: Tensor, counts: Tensor) -> Tensor:
            return self.chain.mask_mel(mel, counts, draws)

        return masked
