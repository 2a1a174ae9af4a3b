"""The adapters' recipe, end to end on tones and a tiny encoder: what it leaves, and that the two savings agree."""

import json

import pytest
import torch

import ser_tl as ser
from ser_tl.options import parse
from tests.combinations import with_default
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import tiny_model, tone_corpus, train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("lora")


@pytest.fixture
def options(recipe, tmp_path, monkeypatch):
    """Options of a quick run on tones; the encoder is a tiny one."""
    manifest = tone_manifest(tmp_path / "tones", takes=2)
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)

    def make(**changes):
        usual = {"corpus": "csv", "root": manifest, "output": tmp_path / "run"}
        return recipe.Options(**(usual | {"train": train_config(epochs=1)} | changes))

    return make


@pytest.mark.parametrize("kind", with_default(["lora", "ia3"], ["lora"]))
def test_a_run_leaves_the_model_and_its_adapter_which_agree(recipe, options, tmp_path, kind):
    report = recipe.main(options(strategy=kind))
    folder = tmp_path / "run"
    saved = folder / "adapter" / "adapter.safetensors"
    facts = json.loads((folder / "report.json").read_text())["facts"]
    assert facts["adapter_bytes"] == saved.stat().st_size
    assert facts["strategy"] == kind
    assert report.notes[-1].startswith(f"{facts['trainable_parameters']} of {facts['parameters']} parameters")
    whole = ser.EmotionModel.from_pretrained(folder / "model")
    adapted = ser.load_adapter(folder / "adapter", tiny_model().encoder)
    assert adapted.known_speakers == whole.known_speakers
    clips = [row["audio"]["path"] for row in tone_corpus(tmp_path / "more", speakers=1, takes=1)]
    for one, other in zip(whole.predict(clips), adapted.predict(clips), strict=True):
        found, expected = (torch.tensor(list(heard.probabilities.values())) for heard in (one, other))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.exhaustive
def test_the_adapters_options_reach_them_from_the_command_line(recipe, options, tmp_path):
    arguments = ["--corpus", "csv", "--root", str(tmp_path / "tones" / "tones.csv"), "--output", str(tmp_path / "run")]
    options()
    parsed = parse(
        recipe.Options,
        "",
        [*arguments, "--strategy.rank", "2", "--strategy.dora", "--train.epochs", "1"],
    )
    recipe.main(parsed)
    adapters = json.loads((tmp_path / "run" / "adapter" / "adapter.json").read_text())["adapters"]
    assert adapters["options"] | {"r": 2, "use_dora": True} == adapters["options"]
    assert len(adapters["modules"]) == 4
