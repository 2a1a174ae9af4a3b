"""Training loops of one's own, as docs/own_loop.md shows them: they learn, and a model that isn't ready says so."""

import re
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from ser_tl.model import EmotionModel
from tests.training.samples import TONES, split_tones, tiny_model, tone_corpus

pytestmark = pytest.mark.slow

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "docs/own_loop.md").read_text("utf-8"), re.S)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return split_tones(tone_corpus(tmp_path_factory.mktemp("tones"), takes=1))


def test_statistics_are_those_that_the_trainer_measures(split):
    model = tiny_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not model.standardise_states.is_fitted
    model.fit_statistics(split.train)
    assert model.standardise_states.is_fitted
    assert model.standardise_embedding.is_fitted
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in changed} == {"standardise_states", "standardise_embedding"}
    assert model.training


def run(model):
    return model(torch.randn(2, 4000), torch.tensor([4000, 3000]))


def test_a_training_without_statistics_warns_once(split):
    model = tiny_model().train()
    with pytest.warns(UserWarning, match=r"call model\.fit_statistics\(training_corpus\) first"):
        run(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(model)
        run(tiny_model().eval())
        with torch.no_grad():
            run(tiny_model().train())
        ready = tiny_model().train()
        ready.fit_statistics(split.train)
        run(ready)


def program(*blocks):
    """Blocks of the page, on a small model and corpus."""
    text = "\n".join(blocks).replace('ser.make_splits(ser.load_corpus("emodb-mini"), "holdout", seed=0)[0]', "SPLIT")
    return text.replace('ser.EmotionModel.build("wav2vec2-mini", ser.emotions(split.train))', "MODEL")


def execute(text, **names):
    exec(compile(text, "own_loop.md", "exec"), names)
    return names


@pytest.mark.exhaustive
def test_a_plain_loop_learns(split):
    torch.manual_seed(0)
    found = execute(program(BLOCKS[1]), SPLIT=split, MODEL=tiny_model(), EPOCHS=200)
    assert found["loss"] < 0.6 < torch.log(torch.tensor(float(len(TONES))))  # chance
    assert found["recall"] > 1.5 / len(TONES)
    assert isinstance(found["model"], EmotionModel)


def test_transformers_trainer_learns(split, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    start = "from ser_tl.data.batching import collate\n"
    found = execute(start + program(BLOCKS[1], BLOCKS[2]), SPLIT=split, MODEL=tiny_model(), EPOCHS=2)
    losses = [record["loss"] for record in found["trainer"].state.log_history if "loss" in record]
    assert EmotionModel.from_pretrained("runs/transformers/model").labels == list(TONES)
    assert all(loss > 0 for loss in losses)
    assert found["trainer"].state.global_step == 4


@pytest.mark.skipif(find_spec("lightning") is None, reason="needs the package lightning")
def test_lightning_runs(split, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = "from ser_tl.data.batching import collate\n"
    collator = "def collate_clips" + BLOCKS[2].partition("def collate_clips")[2].partition("\n\n\n")[0] + "\n"
    execute(start + program(BLOCKS[1]) + collator + program(BLOCKS[3]), SPLIT=split, MODEL=tiny_model(), EPOCHS=1)
