"""The model that is trained on all speakers after the splits: what it learns from, and what its card claims."""

import json
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

import ser_tl as ser
from ser_tl.data.splits import SplitConfig
from ser_tl.errors import ConfigError, SplitError
from ser_tl.options import parse
from tests.recipe_samples import load_recipe
from tests.test_recipe import options, recipe  # noqa: F401 - fixtures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


def test_the_final_model_learns_from_all_speakers_and_cites_the_folds(recipe, options, tmp_path):  # noqa: F811
    report = recipe.main(options(protocol="kfold", split=SplitConfig(k=2), final=True))
    final = tmp_path / "run" / "final"
    parts = json.loads((final / "split.json").read_text())
    fold = json.loads((tmp_path / "run" / "fold_1" / "split.json").read_text())
    assert sorted(parts["train"]) == sorted(fold["train"] + fold["test"])
    assert parts["dev"] == fold["dev"]

    card = (final / "model" / "README.md").read_text()
    assert "This model has no score of its own" in card
    assert f"{100 * report.uar:.1f} %" in card
    assert f"{100 * report.interval.low:.1f} to {100 * report.interval.high:.1f}" in card
    assert f"{100 * report.folds_mean['uar']['mean']:.1f} \N{PLUS-MINUS SIGN}" in card
    speakers = [len({name.split("_")[1] for name in parts[part]}) for part in ("train", "dev")]  # anger_SPEAKER_TAKE
    learned = (
        f"Trained on {len(parts['train'])} utterances of {speakers[0]} speakers, the epoch chosen on {speakers[1]}"
    )
    assert learned in card
    assert ModelCard.load(final / "model" / "README.md").data.eval_results is None  # what a hub would list as its score
    assert not (final / "report.json").exists()
    assert not (final / "states").exists()

    model = ser.EmotionModel.from_pretrained(final / "model")
    with pytest.raises(SplitError, match="knows 6 of the 6 speakers"):
        ser.Trainer(model, ser.build_strategy(options())).evaluate(ser.load_checked(options())[0])


@pytest.mark.exhaustive
def test_a_finished_run_gets_its_final_model_afterwards_and_once(recipe, options, tmp_path, monkeypatch):  # noqa: F811
    recipe.main(options())
    fitted = []
    fit = ser.Trainer.fit
    monkeypatch.setattr(ser.Trainer, "fit", lambda self, *a, **k: fitted.append(self.folder.name) or fit(self, *a, **k))
    again = parse(ser.Options, "", ["--config", str(tmp_path / "run" / "config.yaml"), "--resume", "--final", "true"])
    recipe.main(again)
    recipe.main(again)
    assert fitted == ["final"]


@pytest.mark.exhaustive
def test_adapters_lie_beside_the_final_model_too(options, tmp_path):  # noqa: F811
    lora = load_recipe("lora")
    lora.main(lora.Options(**{**vars(options(strategy="lora", final=True)), "root": options().root}))
    assert (tmp_path / "run" / "final" / "adapter" / "adapter.safetensors").is_file()


@pytest.mark.exhaustive
def test_an_estimate_on_known_speakers_says_so(recipe, options, tmp_path):  # noqa: F811
    recipe.main(options(protocol="clips", split=SplitConfig(k=2), final=True))
    card = (tmp_path / "run" / "final" / "model" / "README.md").read_text()
    assert "**NOT speaker-independent**" in card.split("## Score")[1].split("## ")[0]


def test_who_has_no_use_for_a_final_model_says_so(options):  # noqa: F811
    with pytest.raises(ConfigError, match=r"split\.tail 0\.5 leaves some out"):
        options(final=True, split=SplitConfig(tail=0.5))
    for kind in (ser.ComparisonOptions, ser.ModelDistillationOptions, ser.DomainOptions, ser.SearchOptions):
        with pytest.raises(ConfigError, match="final is for recipes that train one system"):
            replace(kind(), final=True)
