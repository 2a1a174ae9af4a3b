"""The recipes of progressive unfreezing and of alignment, end to end on tones and a tiny encoder."""

import json
from pathlib import Path

import pytest

import ser_tl as ser
from ser_tl.data.splits import SplitConfig
from ser_tl.errors import ConfigError
from ser_tl.model import ModelConfig
from ser_tl.options import parse
from ser_tl.transfer import AlignmentConfig
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import tiny_model, train_config

pytestmark = pytest.mark.slow

SPEAKERS = ["speaker_4", "speaker_5"]


@pytest.fixture
def tones(tmp_path, monkeypatch):
    """A manifest of tones; every encoder is a tiny one."""
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "cache"))
    return tone_manifest(tmp_path / "tones")  # nine clips of a speaker: statistics of its own take eight


@pytest.mark.exhaustive
def test_progressive_unfreezing_leaves_its_pictures_and_what_moved_when(tones, tmp_path):
    module = load_recipe("progressive_unfreezing")
    options = module.Options(corpus="csv", root=tones, output=tmp_path / "run", train=train_config(epochs=3))
    report = module.main(options)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [len(record["moving_blocks"]) for record in history] == [0, 1, 2]
    assert report.facts["strategy"] == "progressive"
    for picture in ("unfreezing.png", "travel.png", "training_curves.png"):
        assert (tmp_path / "run" / picture).stat().st_size > 5000


@pytest.fixture
def aligned(tones, tmp_path):
    module = load_recipe("mmd_alignment")

    def make(**changes):
        usual = {"corpus": "csv", "root": tones, "target": "csv", "target_root": tones, "target_speakers": SPEAKERS}
        usual |= {"output": tmp_path / "run", "split": SplitConfig(dev=0.3), "train": train_config(epochs=1)}
        return module.main(module.Options(**(usual | changes)))

    return make


def test_alignment_reports_on_the_target_alone_and_says_how(aligned, tmp_path):
    report = aligned()
    assert set(report.per_speaker) == set(SPEAKERS)
    assert report.facts["alignment"] == {"method": "mmd", "weight": 0.3, "schedule": "constant"}
    assert any(note.startswith("Across domains: learned on") for note in report.notes)
    ids = json.loads((tmp_path / "run" / "split.json").read_text())
    assert len(ids["test"]) == 2 * 3 * 3
    assert not set(ids["test"]) & {*ids["train"], *ids["dev"]}


@pytest.mark.exhaustive
def test_self_training_on_speakers_own_statistics(aligned, tmp_path):
    config = train_config(epochs=1, refit="self-training")
    model = ModelConfig(hidden=16, statistics="speaker")
    report = aligned(alignment=AlignmentConfig("none"), model=model, train=config, pooling="stats")
    assert report.facts["refit"]["shrinkage"] > 0
    assert any(note.startswith("Adapted without labels") for note in report.notes)
    assert ser.EmotionModel.from_pretrained(tmp_path / "run" / "model").config.statistics == "speaker"


def test_self_training_without_a_target_tells_where_there_is_one(tones, tmp_path):
    module = load_recipe("finetune_wav2vec2")
    options = ser.Options(corpus="csv", root=tones, output=tmp_path / "run", train=train_config(refit="self-training"))
    with pytest.raises(ConfigError, match=r"recipes/mmd_alignment.py has the option"):
        module.main(options)


@pytest.mark.parametrize("name", ["mmd_alignment", "progressive_unfreezing", "lora"])
def test_without_arguments_a_recipe_needs_neither_data_nor_network(name):
    options = parse(load_recipe(name).Options, "", [])
    assert (options.corpus, options.root, options.encoder) == ("emodb-mini", None, "wav2vec2-mini")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"protocol": "loso"}, "protocol"),
        ({"folds": Path("nowhere")}, "folds"),
        ({"split": SplitConfig(only=["fold_1"], k=3)}, "split.k, split.only"),
    ],
)
def test_options_of_protocols_are_refused_where_there_is_none(options, named):
    with pytest.raises(ConfigError, match=f"{named}: the target's speakers are all tested, so there is no protocol"):
        load_recipe("mmd_alignment").Options(**options)
