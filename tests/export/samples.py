"""Tiny models with everything that an export can have, and their exports, shared and in other settings."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ser_tl.data.audio import AudioConfig
from ser_tl.encoders import Encoder, load_encoder
from ser_tl.inference.manifest import read_manifest
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets
from ser_tl.modules.outliers import OutlierScore
from tests.encoders.tiny import tiny
from tests.test_model import LABELS

SAMPLE_LAYERS = 1  # of its encoder: recording a graph takes seconds a layer


def sample_model(name="whisper", *, pooling="attentive-stats", dimensions=("arousal", "valence"), **config):
    """A tiny random model, no statistic or weight of which is left as it begins."""
    torch.manual_seed(3)
    encoder = tiny(name, **{"encoder_layers" if name == "whisper" else "num_hidden_layers": SAMPLE_LAYERS})
    audio = AudioConfig(normalise="rms", max_seconds=4.0)
    return _shaken(
        encoder, pooling=pooling, dimensions=dimensions, config=ModelConfig(**({"hidden": 8} | config)), audio=audio
    )


def gated_model() -> EmotionModel:
    """A random model that leaves out what is no speech, on an encoder of which a graph is quickly recorded."""
    torch.manual_seed(4)
    audio = AudioConfig(normalise="rms", max_seconds=4.0, gate="energy")
    return _shaken(load_encoder("logmel-40"), pooling="mean", config=ModelConfig(hidden=8), audio=audio)


def _shaken(encoder: Encoder, **options) -> EmotionModel:
    model = EmotionModel(encoder, LABELS, **options)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.startswith("encoder."):
                tensor.add_(0.3 * torch.rand_like(tensor))
    model.known_speakers = ["tones/1", "tones/2"]
    return model.eval()


def calibrated_model(method: str = "vector", *, distance: bool = True) -> EmotionModel:
    """The gated model with a calibration of each kind, sets of thresholds that split its answers, and a score."""
    model = gated_model()
    draw = np.random.default_rng(0)
    rows = draw.dirichlet(np.ones(3), 200)
    sets = PredictionSets.fit(rows, rows.argmax(axis=1), [f"s{row % 20}" for row in range(200)])
    scale, bias = ([2.5], []) if method == "temperature" else ([2.5, 0.5, 1.0], [0.3, -0.2, 0.0])
    known = {"outlier_threshold": 0.1, "distance": 2.0} if distance else {"outlier_threshold": 1.5}
    model.calibration = Calibration(method, scale, bias, "tones", 200, 20, 1.0, 0.8, sets, **known)
    labels = torch.arange(60) % 3
    model.outliers = OutlierScore.fit(torch.randn(60, model.embedding_dim) + labels[:, None], labels, 3)
    return model


def export_once(make: Callable[[], EmotionModel], name: str, factory: pytest.TempPathFactory) -> Path:
    """The folder of a model as ONNX, made once for all of pytest's processes: an export takes many seconds."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra: pip install 'ser_tl[export]'")
    from filelock import FileLock

    from ser_tl.export import export_model

    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            export_model(make(), folder)
    return folder


def with_manifest(folder: Path, copy: Path, **changes) -> Path:
    """A copy of an export whose manifest says something else, and has the digest of that."""
    shutil.copytree(folder, copy)
    replace(read_manifest(folder), **changes).write(copy)
    return copy
