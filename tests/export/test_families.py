"""Contract: every encoder, network and pooling gives its answers as a graph, in every format, or says why it can't.

Recording takes many seconds, however small the model: here are two traced (in ONNX, there is the sample model of the
other tests), more of them with `-m exhaustive`, and all in every format with SER_TL_SLOW=1.
"""

import os
import shutil

import pytest
import torch

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import ExportError
from ser_tl.export import EXPORTERS, export_model
from ser_tl.inference import Predictor
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.pooling import POOLINGS
from tests.encoders.tiny import FEW, KINDS, clip, tiny
from tests.test_model import LABELS

pytestmark = pytest.mark.slow

ALL = bool(os.environ.get("SER_TL_SLOW"))
minutes = pytest.mark.skipif(not ALL, reason="takes minutes: SER_TL_SLOW=1 runs it")

DEFAULT = {("moonshine", "torchscript"), ("mfcc", "torchscript")}
EXHAUSTIVE = {
    *((kind, "onnx") for kind in ("wav2vec2", "moonshine", "soundnet")),
    *((kind, "torchscript") for kind in ("soundnet", "vggish", "fused")),
    ("moonshine-feed-forward", "torch-export"),
}
FEWEST = {"wav2vec2": FEW, "moonshine": {"encoder_num_hidden_layers": 1}}
"""Of families that are recorded often: the fewest layers."""


def model_on(kind, *, pooling="stats", **config):
    """A model on a tiny encoder, no statistic or weight of which is left as it begins."""
    torch.manual_seed(2)
    encoder = tiny(kind, **FEWEST[kind]) if kind in FEWEST else KINDS[kind].make(0)
    options = ModelConfig(**({"hidden": 8, "projection": 8 if encoder.dim > 100 else 0} | config))
    longest = min(5.0, encoder.max_seconds or 5.0)
    model = EmotionModel(encoder, LABELS, pooling=pooling, config=options, audio=AudioConfig(max_seconds=longest))
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.startswith("encoder.") and tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand_like(tensor))
    return model.eval()


def check(model, folder, format):
    for name in EXPORTERS[format].packages:
        pytest.importorskip(name, reason="needs the extra: pip install 'ser_tl[export]'")
    options = {}
    if EXPORTERS[format].has_environment:
        if not os.environ.get("SER_TL_LITERT"):
            pytest.skip("needs an environment with litert-torch, which SER_TL_LITERT names")
        options = {"python": os.environ["SER_TL_LITERT"]}
    if format == "aotinductor" and shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler: apt-get install g++")
    if model.encoder.why_not_exportable:
        with pytest.raises(ExportError, match=f"encoder {model.encoder.family}: "):
            export_model(model, folder, format, **options)
        assert not folder.exists()
        return
    rows = export_model(model, folder, format, **options).parity
    assert max(row["probabilities"] for row in rows) < EXPORTERS[format].tolerance
    if options:  # computed by that environment alone
        return
    samples = [clip(700 + 9000 * seed, seed=seed).numpy() for seed in range(4)]
    for found, expected in zip(Predictor(folder).predict(samples), model.predict(samples), strict=True):
        assert list(found.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        pytest.param(kind, format, marks=[] if ALL or (kind, format) in DEFAULT else [pytest.mark.exhaustive])
        for kind in KINDS
        for format in EXPORTERS
        if ALL or (kind, format) in DEFAULT | EXHAUSTIVE
    ],
)
def test_every_encoder(kind, format, tmp_path):
    check(model_on(kind), tmp_path / "out", format)


@minutes
@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_network(network, tmp_path):
    check(model_on("mfcc", network=network), tmp_path / "out", "onnx")


@minutes
@pytest.mark.parametrize("pooling", list(POOLINGS))
def test_every_pooling(pooling, tmp_path):
    check(model_on("logmel-64", pooling=pooling), tmp_path / "out", "onnx")


@minutes
@pytest.mark.parametrize(
    "config",
    [{"join": "sum"}, {"head": "linear"}, {"head": "discriminant"}, {"projection": 4}, {"standardise": False}],
    ids=str,
)
def test_every_way_to_join_and_head(config, tmp_path):
    check(model_on("whisper", **config), tmp_path / "out", "onnx")
