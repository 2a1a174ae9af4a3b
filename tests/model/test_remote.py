"""A shared model folder in transformers' own pipeline."""

import pytest
import torch
from transformers import AutoModelForAudioClassification, dynamic_module_utils, pipeline

from ser_tl.model.serialization import write_remote
from tests.encoders.tiny import clip
from tests.test_model import build, in_order

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    build().save_pretrained(tmp_path / "model")
    write_remote(tmp_path / "model")
    return str(tmp_path / "model")


def test_the_pipeline_says_what_predict_says(folder):
    classify = pipeline("audio-classification", model=folder, trust_remote_code=True)
    for samples in (clip(20_000).numpy(), clip(14 * 16_000, seed=1).numpy()):  # the second one in two windows
        found = {one["label"]: one["score"] for one in classify({"raw": samples, "sampling_rate": 16_000}, top_k=None)}
        assert found == pytest.approx(build().predict(samples).probabilities, abs=1e-6)


def test_padding_is_left_out_by_the_attention_mask(folder):
    model = AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True)
    waveform, mask = torch.zeros(2, 9000), torch.zeros(2, 9000, dtype=torch.long)
    for row, length in enumerate((5000, 9000)):
        waveform[row, :length], mask[row, :length] = clip(length, seed=row), 1
    heard = model(waveform, attention_mask=mask).logits.softmax(dim=-1)
    alone = torch.stack([in_order(build().predict(clip(n, seed=row).numpy())) for row, n in enumerate((5000, 9000))])
    torch.testing.assert_close(heard, alone, atol=1e-6, rtol=0)
