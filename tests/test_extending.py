"""docs/extending.md: its encoder and its corpus, each a file to copy, do what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ser_tl.corpora import CORPORA, load_corpus
from ser_tl.encoders import ENCODERS, FAMILIES, load_encoder
from ser_tl.model import EmotionModel
from ser_tl.plugins import import_plugin
from ser_tl.training import Trainer
from ser_tl.transfer import Full
from tests.training.samples import tone_split, train_config

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.fixture
def plugin(tmp_path):
    """Imports a block of the page by its file's name; what it registers goes when the test ends."""
    registries = (CORPORA, ENCODERS, FAMILIES)
    before = [dict(registry._entries) for registry in registries]

    def load(name: str) -> None:
        block = next(text for text in re.findall(r"```python\n(.*?)```", PAGE, re.S) if text.startswith(f'"""{name}'))
        (tmp_path / name).write_text(block, "utf-8")
        import_plugin(str(tmp_path / name))

    yield load
    for registry, entries in zip(registries, before, strict=True):
        for name in set(registry._entries) - set(entries):
            del registry._entries[name], registry._order[name]


def test_its_corpus_is_read(plugin, tmp_path):
    plugin("my_corpus.py")
    root = tmp_path / "corpus"
    (root / "audio").mkdir(parents=True)
    lines = ["a1 happy anna", "b1 sad ben"]
    (root / "labels.txt").write_text("\n".join(lines), "utf-8")
    for line in lines:
        soundfile.write(root / "audio" / f"{line.split()[0]}.wav", np.zeros(1600), 16_000)
    corpus = load_corpus("my-corpus", root)
    assert corpus["emotion"][:] == ["happiness", "sadness"]
    assert corpus["speaker"][:] == ["my-corpus_anna", "my-corpus_ben"]


@pytest.mark.slow
def test_its_encoder_has_the_same_states_alone_and_padded_and_can_be_trained(plugin, tmp_path):
    plugin("my_encoder.py")
    encoder = load_encoder("my-filters")
    clip = torch.randn(1, 8000)
    alone = encoder(clip, torch.tensor([8000])).states
    padded = encoder(torch.nn.functional.pad(clip, (0, 4000)), torch.tensor([8000])).states
    assert torch.allclose(alone, padded[:, :, : alone.shape[2]], atol=1e-5)
    split = tone_split(tmp_path)
    model = EmotionModel(encoder, sorted(set(split.train["emotion"][:])), encoder_name="my-filters")
    trainer = Trainer(model, Full(), train_config(epochs=1))
    trainer.fit(split.train, split.dev)
    assert trainer.evaluate(split.test).facts["encoder"] == "my-filters"
