"""--dry-run: what it refuses, what it says, and that it leaves nothing."""

import pytest

import ser_tl as ser
from ser_tl.data.splits import SplitConfig
from ser_tl.errors import ConfigError, StorageError
from ser_tl.rehearsal import describe_splits
from ser_tl.training.timing import draw_sample
from tests.combinations import with_default
from tests.recipe_samples import load_recipe
from tests.test_recipe import options, recipe  # noqa: F401 - fixtures
from tests.training.samples import tone_split, train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("strategy", with_default(["frozen", "full", "progressive"], ["frozen"]))
def test_a_dry_run_says_what_a_run_would_do_and_leaves_nothing(recipe, options, tmp_path, capsys, strategy):  # noqa: F811
    kfold = options(strategy=strategy, protocol="kfold", split=SplitConfig(k=3), dry_run=True, final=True)
    assert recipe.main(kfold) is None
    said = capsys.readouterr().out
    splits = ser.load_splits(kfold)
    for split in splits:
        assert f"dev speakers: {', '.join(f'{name} (6)' for name in sorted(set(split.dev['speaker'][:])))}" in said
    assert "time: about " in said
    assert "4 models" in said  # three folds and the final one
    model = ser.build_model(kfold, ser.emotions(splits[0].train))
    assert f"{sum(one.numel() for one in model.parameters()):,} parameters" in said
    assert ("unfrozen later" in said) == (strategy == "progressive")
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.mark.exhaustive
def test_it_ends_with_what_the_run_would_end_with(recipe, options, tmp_path, monkeypatch):  # noqa: F811
    with pytest.raises(ConfigError, match="3 blocks that reach the head"):
        recipe.main(options(strategy="partial", strategy_options={"blocks": 9}, dry_run=True))
    (tmp_path / "run" / "model").mkdir(parents=True)
    with pytest.raises(ConfigError, match="isn't empty: add `resume`"):
        recipe.main(options(dry_run=True))
    (tmp_path / "run" / "model").rmdir()
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 1000}))
    with pytest.raises(StorageError, match="make room there, or name another folder"):
        recipe.main(options(dry_run=True))


@pytest.mark.exhaustive
def test_other_recipes_rehearse_too_or_say_that_they_cannot(options, capsys):  # noqa: F811
    compare = load_recipe("compare_encoders")
    shared = {name: getattr(options(), name) for name in ("corpus", "root", "output", "train")}
    systems = {"a": {}, "b": {"pooling": "mean"}}
    assert compare.main(ser.ComparisonOptions(**shared, systems=systems, dry_run=True)) is None
    said = capsys.readouterr().out
    assert said.count("time: about ") == 2
    assert "b\nholdout" in said
    align = load_recipe("mmd_alignment")
    target = {"target": "csv", "target_root": options().root, "target_speakers": ["speaker_0", "speaker_1"]}
    assert align.main(align.Options(**shared, **target, dry_run=True)) is None
    assert "test speakers: speaker_0" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="dry_run is for recipes that train one system"):
        ser.ModelDistillationOptions(dry_run=True)


def test_a_sample_has_every_emotion_and_no_more_audio_than_it_takes(tmp_path):
    split = tone_split(tmp_path)
    sample = draw_sample(split.train, 2.0, seed=0)
    assert set(sample["emotion"][:]) == set(split.train["emotion"][:])
    assert len(sample) < len(split.train)
    assert len(draw_sample(split.train, 1e9, seed=0)) == len(split.train)
    assert len(describe_splits([split] * 30)) < 120


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_frozen_encoder_is_not_counted_as_trainable(recipe, options, capsys, epochs):  # noqa: F811
    fitted = train_config(epochs=epochs, refit="discriminant", calibration="none")
    frozen = options(strategy="frozen", pooling="mean", train=fitted, dry_run=True)
    recipe.main(frozen)
    said = capsys.readouterr().out
    model = ser.build_model(frozen, ser.emotions(ser.load_splits(frozen)[0].train))
    whole, encoder = (sum(weight.numel() for weight in part.parameters()) for part in (model, model.encoder))
    assert f"{whole:,} parameters, {whole - encoder:,} trainable\n" in said
    assert ("time: not estimated" in said) == (epochs == 0)  # without epochs there is nothing to time
