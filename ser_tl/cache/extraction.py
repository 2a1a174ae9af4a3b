"""Feature extraction ahead of any training: fills the cache with an encoder's features of a whole corpus.

    encoder, corpus -> clips -> each process its share -> entries of the cache

A killed job loses its last batch, and computes only missing entries when it is started again. A training finds the
entries if its encoder, `audio` options and precision are the same; it may use any of the layers, and train the blocks
above them. Independent of models.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset

from ser_tl.cache.cached import CachedClips
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.data.audio_config import NEW_MODELS, AudioConfig
from ser_tl.data.batching import UtteranceDataset
from ser_tl.encoders import Encoder, select_layers
from ser_tl.errors import CacheError
from ser_tl.runtime.compute_config import ComputeConfig
from ser_tl.runtime.processes import build_accelerator


class Extraction(NamedTuple):
    """The cached features of a corpus.

    Attributes:
        folder: the cache's
        layers: indices of the states, from 0
        clips: number of them; a long utterance is several
        seconds: of audio
        size: bytes on the disk
    """

    folder: Path
    layers: list[int]
    clips: int
    seconds: float
    size: int


def extract_features(
    encoder: Encoder,
    corpus: Dataset,
    *,
    layers: Sequence[int] | None = None,
    audio: AudioConfig | None = None,
    config: ComputeConfig | None = None,
    name: str = "",
) -> Extraction:
    """Caches an encoder's states of a corpus. Every process calls it and does its share.

    Args:
        encoder: from `load_encoder`
        corpus: rows with the columns of `data.schema`
        layers: which of the encoder's states; all if None
        audio: what happens to a clip before the encoder
        config: precision, batch size, workers and the cache's limit
        name: what the encoder was loaded as, for the record

    Raises:
        CacheError: the cache can't hold them
        ConfigError: a layer that the encoder doesn't have
    """
    config = config or ComputeConfig()
    layer_indices = sorted(select_layers(encoder.num_states, layers))
    clips = UtteranceDataset(corpus, [], audio or NEW_MODELS, training=False)
    cache = FeatureCache(gib=config.cache_gib)
    filled = cache.fill(clips, encoder, layer_indices, build_accelerator(config, None), config, name=name)
    if not isinstance(filled, CachedClips):
        raise CacheError(
            f"{cache.folder} may hold {config.cache_gib:g} GiB, too little for layers "
            f"{' '.join(map(str, layer_indices))} of {len(clips)} clips: allow more (`cache_gib`), or take fewer "
            f"`layers`"
        )
    files = [path for windows in filled.files for paths in windows for path in paths.values()]
    size = sum(path.stat().st_size for path in files)
    return Extraction(cache.folder, layer_indices, len(clips), sum(clips.seconds), size)
