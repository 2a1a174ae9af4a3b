"""A corpus with added white noise, to test a model's robustness.

    corpus, SNR --add_noise_to_corpus()--> the same rows, whose audio is the bytes of noisy clips

The noise of a clip follows from its id and the seed: it is the same for all models, and another level changes its
loudness alone.
"""

import io
import zlib

import numpy as np
import soundfile
from datasets import Dataset, Features, Value

from ser_tl.augment.augment_config import AugmentConfig
from ser_tl.augment.preview import Augmenter
from ser_tl.data import audio
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.checks import audio_source


def add_noise_to_corpus(corpus: Dataset, snr: float, *, seed: int = 0) -> Dataset:
    """The corpus with white noise added to each clip.

    Args:
        corpus: rows with the columns of `data.schema`; it is decoded into memory, 64 kB a second
        snr: speech to noise, dB, over the whole clip
        seed: of the noise

    Raises:
        AudioError: a clip can't be decoded
        ConfigError: a level outside of -20 to 80 dB
    """
    add = Augmenter(AugmentConfig(transforms={"noise": {"probability": 1.0, "snr": snr}}), seed=seed)
    encoded = []
    for row in corpus:
        waveform = audio.decode(audio_source(row), row["start"], row["end"])
        (changed,) = add([waveform], zlib.crc32(row["id"].encode()))
        encoded.append({"path": row["audio"]["path"], "bytes": _encode_wav(changed)})
    columns = corpus.remove_columns(["audio", "start", "end"]).to_dict()
    columns |= {"audio": encoded, "start": [0.0] * len(encoded), "end": [None] * len(encoded)}
    # As a struct first: the Audio feature would encode what it is given, with torchcodec.
    struct = {"bytes": Value("binary"), "path": Value("string")}
    features = Features(corpus.features | {"audio": struct})
    dataset = Dataset.from_dict({name: columns[name] for name in features}, features=features)
    return dataset.cast_column("audio", corpus.features["audio"])


def _encode_wav(waveform: np.ndarray) -> bytes:
    """A WAV file of 32-bit floats, in which nothing is clipped."""
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE, subtype="FLOAT", format="WAV")
    return file.getvalue()
