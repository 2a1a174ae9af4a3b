"""The comparison recipe, end to end on tones and computed features."""

import json
from itertools import product

import pytest
import torch
import yaml

import ser_tl as ser
from ser_tl.encoders import ENCODERS, load_encoder
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from tests.recipe_samples import RECIPES, load_recipe, tone_manifest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("compare_encoders")


@pytest.fixture(scope="module")
def options(recipe, tmp_path_factory):
    manifest = tone_manifest(tmp_path_factory.mktemp("tones"), takes=1)
    quick = {"train.epochs": 1, "train.tracker": "none", "train.calibration": "none", "model.hidden": 0}
    return ser.ComparisonOptions(corpus="csv", root=manifest).changed(quick)


@pytest.fixture(scope="module")
def finished(recipe, options, tmp_path_factory):
    """The options of a comparison, its folder and what it found."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    systems = {"pooled": {"encoder": "mfcc"}, "in order": {"encoder": "prosody", "model.network": "bilstm"}}
    own = options.changed({"systems": systems, "output": str(folder)})
    return own, folder, recipe.main(own)


def test_every_system_is_trained_and_stands_in_one_table(finished):
    _, folder, comparison = finished
    assert {row.system for row in comparison.rows} == {"pooled", "in order"}
    assert (folder / "comparison.md").read_text().count("\n| ") >= 3
    for number in ("01", "02"):
        assert (folder / number / "report.json").is_file()
        assert (folder / number / "model" / "model.safetensors").is_file()


@pytest.mark.exhaustive
def test_a_grid_is_trained_with_every_seed_and_has_a_page(recipe, options, tmp_path):
    grid = {"encoder": ["mfcc"], "pooling": ["mean", "max"]}
    own = options.changed({"grid": grid, "seeds": [3, 4], "output": str(tmp_path / "run")})
    comparison = recipe.main(own)
    assert {row.system for row in comparison.rows} == {"mfcc, mean", "mfcc, max"}
    assert {row.seeds for row in comparison.rows} == {2}
    for row in comparison.rows:
        each = [report.uar for report in comparison.reports[row.system]]
        assert row.uar == pytest.approx(sum(each) / 2)
        assert row.model_mib > 0
    for number, seed in product(("01", "02"), (3, 4)):
        assert (
            json.loads((tmp_path / "run" / number / f"seed_{seed}" / "report.json").read_text())["facts"]["seed"]
            == seed
        )
    assert "data:image/png" in (tmp_path / "run" / "comparison.html").read_text()


@pytest.mark.exhaustive
def test_a_system_that_the_data_cant_serve_is_found_first_and_the_others_give_their_table(recipe, options, tmp_path):
    options = options.changed({"root": str(tone_manifest(tmp_path / "tones", takes=2))})  # six clips a speaker
    served = {"pooled": {"encoder": "mfcc"}}
    systems = {
        "speakers": {"encoder": "mfcc", "model.statistics": "speaker"},  # with a handful of clips each
        "voted": {"encoder": "mfcc", "labels.targets": "votes"},  # of nobody
        "rated": {"encoder": "mfcc", "dimensions.names": ["dominance"]},
        "unlike": {"encoder": "mfcc", "split.k": 400, "protocol": "kfold"},
    }
    with pytest.raises(ConfigError, match="the data can serve none of the 4 systems") as error:
        recipe.main(options.changed({"systems": systems, "output": str(tmp_path / "none")}))
    assert all(f"  {name}: " in str(error.value) for name in systems)
    assert not (tmp_path / "none").exists()
    comparison = recipe.main(options.changed({"systems": systems | served, "output": str(tmp_path / "run")}))
    assert [row.system for row in comparison.rows] == ["pooled"]
    for note, name in zip(comparison.notes, systems, strict=False):
        assert note.startswith(f"{name} wasn't trained: ")
    assert "model.statistics is speaker, which takes at least 8 utterances" in comparison.notes[0]
    assert "speakers wasn't trained" in (tmp_path / "run" / "comparison.md").read_text()
    assert {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()} == {"05"}


@pytest.mark.exhaustive
def test_each_system_is_pushed_to_a_branch_of_its_own(recipe, options, tmp_path):
    (tmp_path / "teamhub").mkdir()
    repo = f"file://{tmp_path}/teamhub/team/tones"
    systems = {"mean": {"encoder": "mfcc", "pooling": "mean"}, "max": {"encoder": "mfcc", "pooling": "max"}}
    recipe.main(options.changed({"systems": systems, "output": str(tmp_path / "run"), "push_to_hub": repo}))
    poolings = [EmotionModel.from_pretrained(repo, revision=number).pooling_name for number in ("01", "02")]
    assert poolings == ["mean", "max"]


@pytest.mark.exhaustive
def test_a_resumed_comparison_keeps_what_is_finished(recipe, finished):
    own, folder, _ = finished
    reports = [folder / number / "report.json" for number in ("01", "02")]
    before = [report.stat().st_mtime_ns for report in reports]
    recipe.main(own.changed({"resume": True}))
    assert [report.stat().st_mtime_ns for report in reports] == before


def test_a_wrong_option_of_a_system_stops_before_anything_is_trained(recipe, options, tmp_path):
    systems = {"good": {"encoder": "mfcc"}, "bad": {"train.epoch": 3}}
    with pytest.raises(ConfigError, match=r"no option 'train.epoch'"):
        recipe.main(options.changed({"systems": systems, "output": str(tmp_path / "run")}))
    assert not (tmp_path / "run" / "01").exists()


def test_the_recipes_soundnet_hears_the_level_that_a_corpus_was_recorded_at(recipe):
    """At one level alone it loses where levels tell emotions, as recorded alone where gains are mixed."""
    told = yaml.safe_load((RECIPES / "compare_encoders.yaml").read_text("utf-8"))
    options = ser.ComparisonOptions().changed(told["systems"]["soundnet"])
    assert options.audio.normalise == "none"
    encoder = load_encoder("soundnet", **options.encoder_options).eval()
    loud = 0.1 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        states = [encoder(gain * loud, torch.tensor([16_000])).states for gain in (1.0, 0.1)]
    recorded, even = (states[0] - states[1]).abs().amax(dim=(0, 1, 2)).chunk(2)
    assert recorded.max() > 1
    assert even.max() < 1e-2


@pytest.mark.exhaustive
def test_every_system_of_the_joined_encoders_is_options_of_the_recipe(recipe):
    settings = yaml.safe_load((RECIPES / "compare_joined.yaml").read_text("utf-8"))
    for name, system in settings["systems"].items():
        options = ser.ComparisonOptions().changed(system)
        parts = options.encoder.split("+")
        assert all(part in ENCODERS for part in parts), name
        layers = options.encoder_options["layers"] if len(parts) > 1 else [options.model.layers]
        assert all(max(some) <= ENCODERS[part].layers for part, some in zip(parts, layers, strict=True)), name
