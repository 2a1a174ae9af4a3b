"""A tiny model with everything that an export can have, and its export in other settings."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from ser_tl.data.audio import AudioConfig
from ser_tl.inference.manifest import read_manifest
from ser_tl.model import EmotionModel, ModelConfig
from tests.encoders.tiny import tiny
from tests.test_model import LABELS

SAMPLE_LAYERS = 1  # of its encoder: recording a graph takes seconds a layer


def sample_model(name="whisper", *, pooling="attentive-stats", dimensions=("arousal", "valence"), **config):
    """A tiny random model, no statistic or weight of which is left as it begins."""
    torch.manual_seed(3)
    model = EmotionModel(
        tiny(name, **{"encoder_layers" if name == "whisper" else "num_hidden_layers": SAMPLE_LAYERS}),
        LABELS,
        pooling=pooling,
        dimensions=dimensions,
        config=ModelConfig(**({"hidden": 8} | config)),
        audio=AudioConfig(normalise="rms", max_seconds=4.0),
    )
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.startswith("encoder."):
                tensor.add_(0.3 * torch.rand_like(tensor))
    model.known_speakers = ["tones/1", "tones/2"]
    return model.eval()


def with_manifest(folder: Path, copy: Path, **changes) -> Path:
    """A copy of an export whose manifest says something else, and has the digest of that."""
    shutil.copytree(folder, copy)
    replace(read_manifest(folder), **changes).write(copy)
    return copy
