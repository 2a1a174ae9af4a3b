"""Every training ends calibrated, on speakers whom its weights never saw, and every surface says so."""

import json

import numpy as np
import pytest

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.inference import Predictor
from ser_tl.inference.calibration import DEV, fit_calibration
from ser_tl.inference.refit_calibration import HELD_OUT
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import NEVER, Calibration
from ser_tl.training import TrainConfig, Trainer
from ser_tl.transfer import Frozen
from tests.combinations import with_default
from tests.export.samples import sample_model
from tests.training.samples import split_tones, tiny_model, tone_corpus, tone_split

pytestmark = pytest.mark.slow

CHEAP = {"epochs": 1, "tracker": "none", "cache": False}


def over_confident(n=2000, classes=4, by=3.0, seed=0):
    """Logits that are three times too large."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 1.5, (n, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([draw.choice(classes, p=row) for row in shares])
    return by * logits, labels, shares


def names(n):
    return [str(row) for row in range(n)], [f"speaker_{row % 12}" for row in range(n)]


def test_a_temperature_finds_how_much_too_sure_logits_are():
    logits, labels, shares = over_confident()
    found = fit_calibration(logits, labels, *names(len(labels)), source=DEV)
    assert found.temperature == pytest.approx(3.0, rel=0.08)
    assert np.abs(found.apply(logits) - shares).max() < 0.05
    assert (found.apply(logits).argmax(axis=1) == logits.argmax(axis=1)).all()
    assert found.log_loss_after < found.log_loss_before
    assert (found.clips, found.speakers) == (2000, 12)


def test_vector_scaling_mends_a_prior_that_a_temperature_cannot():
    logits, labels, shares = over_confident(by=1.0)
    logits = logits - np.array([1.5, 0.0, 0.0, 0.0])
    one, each = (
        fit_calibration(logits, labels, *names(len(labels)), source=DEV, method=method)
        for method in ("temperature", "vector")
    )
    assert np.abs(each.apply(logits) - shares).mean() < 0.02 < np.abs(one.apply(logits) - shares).mean()
    assert each.bias[0] - np.mean(each.bias[1:]) == pytest.approx(1.5, abs=0.2)


def test_clips_that_are_all_told_right_do_not_ask_for_certainty():
    logits = np.eye(3)[[0, 1, 2] * 4] * 2.0
    found = fit_calibration(logits, np.array([0, 1, 2] * 4), *names(12), source=DEV)
    assert 0.1 < found.temperature < 1.0


@pytest.mark.parametrize("refit", with_default(["none", "discriminant"], ["discriminant"]))
def test_every_training_ends_calibrated_and_the_folder_keeps_it(tmp_path, refit):
    split = tone_split(tmp_path / "tones")
    model = tiny_model()
    trainer = Trainer(model, Frozen(), TrainConfig(refit=refit, **CHEAP))
    trainer.fit(split.train, split.dev)
    found = model.calibration
    assert found is not None
    assert found.source == (DEV if refit == "none" else HELD_OUT)
    people = {*split.dev["speaker"][:]} if refit == "none" else {*split.train["speaker"][:], *split.dev["speaker"][:]}
    assert found.speakers == len(people)
    # Of nine dev clips nothing tells the score that one in twenty exceeds; of 45 held-out ones something does.
    assert (found.outlier_threshold is None) == (refit == "none")
    model.save_pretrained(tmp_path / "model")
    loaded = EmotionModel.from_pretrained(tmp_path / "model")
    assert loaded.calibration == found
    report = trainer.evaluate(split.test)
    assert report.facts["calibration"]["method"] == "temperature"
    clips = [row["audio"]["path"] for row in split.test]
    predictions = Predictor(loaded, coverage=0.9).predict(clips)
    assert all(one.outlier_score > 0 for one in predictions)
    (noise,) = Predictor(loaded, coverage=0.9).predict([np.random.default_rng(0).normal(0, 0.9, 16_000)])
    assert noise.outlier_score > max(one.outlier_score for one in predictions)
    assert noise.unlike_training == (refit != "none")
    assert noise.abstained or refit == "none"
    rows = np.array([list(one.probabilities.values()) for one in predictions])
    assert np.abs(rows - report.predictions.probabilities).max() < 1e-5
    assert all(one.calibrated and one.prediction_set for one in predictions)
    assert all(
        one.abstained == (len(one.prediction_set) > 1) and one.label == one.prediction_set[0] for one in predictions
    )


@pytest.mark.exhaustive
def test_the_likeliest_emotion_stays_the_likeliest(tmp_path):
    split = tone_split(tmp_path / "tones", takes=1)
    labels = []
    for calibration in ("none", "temperature"):
        model = tiny_model()
        trainer = Trainer(model, Frozen(), TrainConfig(calibration=calibration, **CHEAP))
        trainer.fit(split.train, split.dev)
        labels.append(trainer.evaluate(split.test).predictions.predictions)
        assert (model.calibration is None) == (calibration == "none")
    assert labels[0] == labels[1]


@pytest.mark.exhaustive
def test_training_again_forgets_the_calibration_of_the_weights_before(tmp_path):
    split = tone_split(tmp_path / "tones", takes=1)
    model = tiny_model()
    model.calibration = Calibration("temperature", [9.0], [], "another corpus", 1, 1, 1.0, 1.0)
    Trainer(model, Frozen(), TrainConfig(calibration="none", **CHEAP)).fit(split.train, split.dev)
    assert model.calibration is None


def test_a_model_that_never_was_calibrated_says_so():
    predictor = Predictor(sample_model())
    assert predictor.calibration == NEVER
    with pytest.raises(ConfigError, match=r"never calibrated.*train it anew"):
        Predictor(sample_model(), coverage=0.9)


@pytest.mark.parametrize("change", [{"scale": [0.0]}, {"scale": [1, 2]}, {"bias": [1.0]}, {"sets": 3}, {"other": 1}])
def test_a_damaged_calibration_is_refused(tmp_path, change):
    model = sample_model()
    model.calibration = Calibration("temperature", [2.0], [], DEV, 10, 2, 1.0, 0.9)
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    content["calibration"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"config.json: its calibration can't be used"):
        EmotionModel.from_pretrained(tmp_path)


@pytest.mark.exhaustive
def test_speakers_of_a_refit_are_judged_by_the_classifier_of_others(tmp_path):
    """The in-sample logits of a refitted discriminant would look far surer than held-out ones."""
    split = split_tones(tone_corpus(tmp_path / "tones", takes=1))
    model = tiny_model()
    Trainer(model, Frozen(), TrainConfig(refit="discriminant", **CHEAP)).fit(split.train, split.dev)
    assert model.calibration.clips == len(split.train) + len(split.dev)
