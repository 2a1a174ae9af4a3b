"""The main recipe from options to run folder: what it leaves, what it refuses, how it goes on."""

import json
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

import ser_tl as ser
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.splits import SplitConfig
from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import AudioError, ConfigError, SplitError
from ser_tl.options import parse
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.training.parts.dimensions import DimensionConfig
from tests.combinations import with_default
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import tiny_model, train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]

CALIBRATED = train_config(epochs=1, calibration="temperature")
LEFT = {"config.yaml", "split.json", "model", "report.json", "report.md", "confusion.png", "predictions.csv"}


@pytest.fixture
def recipe():
    return load_recipe("finetune_wav2vec2")


def build_options(folder, **changes):
    """Options of a quick run on tones."""
    usual = {"corpus": "csv", "root": folder / "tones" / "tones.csv", "output": folder / "run", "strategy": "full"}
    return ser.Options(**(usual | {"train": train_config(epochs=1)} | changes))


@contextmanager
def tiny_encoder():
    """The encoder of every run is a tiny one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
        yield


@pytest.fixture
def options(tmp_path):
    """Options of a quick run on tones; the encoder is a tiny one."""
    tone_manifest(tmp_path / "tones", takes=2)
    with tiny_encoder():
        yield partial(build_options, tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run and of its data, and its report; to be read alone."""
    return _run(tmp_path_factory.mktemp("finished"), train=CALIBRATED)


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """The same of a run with two folds."""
    return _run(tmp_path_factory.mktemp("folds"), protocol="kfold", split=SplitConfig(k=2))


def _run(folder, **changes):
    tone_manifest(folder / "tones", takes=2)
    with tiny_encoder():
        return folder, load_recipe("finetune_wav2vec2").main(build_options(folder, **changes))


def test_a_run_leaves_all_it_takes_to_trust_and_repeat_it(recipe, finished, tmp_path):
    home, report = finished
    folder = home / "run"
    assert {path.name for path in folder.iterdir()} >= LEFT | {"history.json", "training_curves.png"}
    assert not (folder / "states").exists()
    assert json.loads((folder / "report.json").read_text())["uar"] == report.uar
    assert ser.EmotionModel.from_pretrained(folder / "model").labels == ["anger", "neutral", "sadness"]

    again = parse(ser.Options, "", ["--config", str(folder / "config.yaml"), "--output", str(tmp_path / "again")])
    with tiny_encoder():
        assert recipe.main(again).as_json()["per_speaker"] == report.as_json()["per_speaker"]
    ids = [json.loads((place / "split.json").read_text()) for place in (folder, tmp_path / "again")]
    assert ids[0] == ids[1]


@pytest.mark.exhaustive
def test_pictures_are_written_in_other_formats_too(recipe, options, tmp_path):
    recipe.main(options(pictures=["pdf", "svg"]))
    for name in ("confusion", "reliability", "training_curves"):
        assert (tmp_path / "run" / f"{name}.png").is_file()
        assert (tmp_path / "run" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (tmp_path / "run" / f"{name}.svg").read_text()
    recipe.main(options(output=tmp_path / "other"))
    assert not list((tmp_path / "other").glob("*.svg"))


@pytest.mark.exhaustive
def test_folds_have_a_folder_each_and_a_report_over_all(folds):
    folder, report = folds[0] / "run", folds[1]
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["fold_1", "fold_2"]
    assert all({path.name for path in (folder / f"fold_{k}").iterdir()} >= LEFT - {"config.yaml"} for k in (1, 2))
    assert set(report.folds) == {"fold_1", "fold_2"}
    assert len(report.predictions) == 36
    saved = json.loads((folder / "report.json").read_text())
    assert saved["folds_mean"]["uar"]["std"] is not None


def test_a_resumed_run_keeps_finished_folds(recipe, folds, monkeypatch):
    folder, first = folds[0] / "run", folds[1]
    (folder / "fold_1" / "report.json").unlink()  # as if two machines ran a fold each, and one was killed
    fitted = []
    fit = ser.Trainer.fit
    monkeypatch.setattr(ser.Trainer, "fit", lambda self, *a, **k: fitted.append(self.folder.name) or fit(self, *a, **k))
    resumed = parse(ser.Options, "", ["--config", str(folder / "config.yaml"), "--resume"])
    with tiny_encoder():
        second = recipe.main(resumed)
    assert fitted == ["fold_1"]
    assert second.as_json()["confusion"] == first.as_json()["confusion"]


def test_a_finished_run_is_not_overwritten(recipe, finished):
    with pytest.raises(ConfigError, match=r"isn't empty: add `resume` .* or choose another `output`"):
        recipe.main(build_options(finished[0]))


def test_resume_refuses_other_options_and_a_folder_without_a_run(recipe, finished, tmp_path):
    with pytest.raises(ConfigError, match="name the interrupted run"):
        recipe.main(build_options(finished[0], resume=True, output=tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"other values of seed: go on with `config`"):
        recipe.main(build_options(finished[0], resume=True, seed=5, train=CALIBRATED))


@pytest.mark.exhaustive
def test_without_output_a_run_gets_a_folder_of_its_own(recipe, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe.main(options(output=None))
    (folder,) = (tmp_path / "runs").iterdir()
    assert "wav2vec2-mini_csv" in folder.name
    assert yaml.safe_load((folder / "config.yaml").read_text())["output"] == str(Path("runs") / folder.name)
    assert len({ser.start_run(options(output=None, seed=seed)) for seed in range(4)}) == 4  # in one second


def test_broken_audio_stops_the_run_before_it_begins(recipe, options, tmp_path):
    broken = tmp_path / "tones" / "audio" / "anger_0_0.wav"
    broken.write_bytes(b"")
    with pytest.raises(AudioError, match=r"1 of 36 utterances can't be used(.|\n)*`skip_unreadable`(.|\n)*anger_0_0"):
        recipe.main(options())
    assert not (tmp_path / "run").exists()
    recipe.main(options(skip_unreadable=True))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert any("anger_0_0.wav" in note for note in report["notes"])


@pytest.mark.exhaustive
def test_emotions_are_merged_and_dropped_as_the_config_says(recipe, options, tmp_path):
    recipe.main(options(emotions=EmotionMap(merge={"low": ["neutral", "sadness"]})))
    assert json.loads((tmp_path / "run" / "report.json").read_text())["labels"] == ["anger", "low"]


def test_too_many_folds_for_the_speakers_are_refused(recipe, options):
    with pytest.raises(SplitError, match=r"lower split.k or use `protocol` loso"):
        recipe.main(options(protocol="kfold", split=SplitConfig(k=9)))


@pytest.mark.exhaustive
def test_a_run_that_stopped_at_a_wrong_option_leaves_its_folder_free(recipe, options):
    with pytest.raises(ConfigError, match="3 blocks that reach the head"):
        recipe.main(options(strategy="partial", strategy_options={"blocks": 9}))
    recipe.main(options(strategy="partial", strategy_options={"blocks": 1}))


@pytest.mark.exhaustive
def test_what_is_done_about_classes_and_votes_stands_in_the_report(recipe, options, tmp_path):
    manifest = tmp_path / "tones" / "tones.csv"
    usual = options(
        balance=BalanceConfig(sampling="under", focal=1.0), labels=AnnotationConfig("majority", targets="votes")
    )
    lines = manifest.read_text().splitlines()
    emotions = [line.split(",")[1] for line in lines[1:]]
    votes = [f"{own};{own};neutral" for own in emotions[:-1]] + ["neutral;anger"]
    manifest.write_text("\n".join(f"{line},{vote}" for line, vote in zip(lines, ["votes", *votes], strict=True)))
    report = recipe.main(usual)
    text = " ".join(report.notes)
    assert "undersampling and focal loss (gamma 1)" in text
    assert "1 with tied votes were left out" in text
    assert "training targets are the shares of the annotators' votes" in text
    assert report.facts["balance"]["sampling"] == "under"
    assert len(set(report.facts["balance"]["heard"].values())) == 1
    assert json.loads((tmp_path / "run" / "report.json").read_text())["facts"]["balance"] == report.facts["balance"]


@pytest.mark.parametrize("weight", with_default([0.5, 1.0], [0.5]))
def test_dimensions_go_from_the_options_to_report_model_and_card(recipe, options, tmp_path, weight):
    dimensions = DimensionConfig(["arousal", "valence"], weight=weight)
    alone = weight == 1.0
    split = SplitConfig(k=2)
    report = recipe.main(options(dimensions=dimensions, protocol="kfold", split=split))
    assert list(report.dimensions) == ["arousal", "valence"]
    assert {own.support for own in report.dimensions.values()} == {36}
    assert (report.scores is None) is alone
    fold = tmp_path / "run" / "fold_1"
    for folder in (tmp_path / "run", fold):
        left = {path.name for path in folder.iterdir()}
        assert "dimensions.png" in left
        assert ("confusion.png" in left) is not alone
    assert (fold / "training_curves.png").is_file()
    model = ser.EmotionModel.from_pretrained(fold / "model")
    assert model.dimensions == ["arousal", "valence"]
    assert (model.labels == []) is alone
    card = (fold / "model" / "README.md").read_text(encoding="utf-8")
    assert "prediction.dimensions" in card
    assert "CCC (concordance correlation) of valence" in card
    assert ("UAR" in card) is ("prediction.label" in card) is not alone
    again = parse(ser.Options, "", ["--config", str(tmp_path / "run" / "config.yaml"), "--resume"])
    assert again.dimensions == dimensions
    assert recipe.main(again).as_json() == report.as_json()


@pytest.mark.exhaustive
def test_systems_without_emotions_are_not_compared_by_their_uar(recipe, options):
    dimensions = DimensionConfig(["arousal"], weight=1.0)
    report = recipe.main(options(dimensions=dimensions))
    with pytest.raises(ConfigError, match="trained on arousal alone and has no UAR"):
        ser.Comparison.of({"one": report})


def without_speakers(manifest: Path) -> Path:
    """The same table, file and label only."""
    lines = [",".join(line.split(",")[:2]) for line in manifest.read_text().splitlines()]
    path = manifest.with_name("nobody.csv")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.exhaustive
def test_clips_of_nobody_known_are_tested_by_clip_and_marked_everywhere(recipe, options, tmp_path):
    own = options(protocol="clips", split=SplitConfig(k=2), root=without_speakers(tmp_path / "tones" / "tones.csv"))
    with pytest.raises(SplitError, match=r"the speaker is unknown.*`protocol` clips"):
        recipe.main(own.changed({"protocol": "loso"}))
    report = recipe.main(own)
    assert len(report.predictions) == 36
    assert report.interval is None
    told = str(report)
    assert told.count("NOT speaker-independent: the speakers ") == 1  # of all folds at once
    assert "the speaker of 36 of 36 test clips is unknown" in told.lower()
    for fold in ("fold_1", "fold_2"):
        said = json.loads((tmp_path / "run" / fold / "report.json").read_text())
        assert "(NOT speaker-independent)" in said["title"]
        assert said["facts"]["speaker_independent"] is False
        card = (tmp_path / "run" / fold / "model" / "README.md").read_text()
        assert "> **NOT speaker-independent**" in card
        assert "NOT speaker-independent" in (tmp_path / "run" / fold / "report.md").read_text().splitlines()[0]
    assert json.loads((tmp_path / "run" / "report.json").read_text())["facts"]["speaker_independent"] is False


@pytest.mark.exhaustive
def test_two_speakers_are_trained_and_tested_with_a_classifier_in_closed_form(recipe, options, tmp_path):
    manifest = tone_manifest(tmp_path / "two", speakers=2, takes=4)
    train = train_config(epochs=1, refit="discriminant")
    report = recipe.main(options(protocol="loso", root=manifest, train=train, split=SplitConfig(only=["speaker_1"])))
    assert set(report.per_speaker) == {"speaker_1"}
    assert "speaker_independent" not in report.facts
    assert any(
        note.startswith("The epoch was chosen on clips of a speaker that was trained on") for note in report.notes
    )
