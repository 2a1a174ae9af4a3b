"""Zero epochs: the classifier is fitted in closed form, and nothing takes a step."""

import json

import pytest
import torch

import ser_tl as ser
from ser_tl.errors import ConfigError
from ser_tl.options import Options
from ser_tl.training import TrainConfig, Trainer
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.transfer import AlignmentConfig, Frozen
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import rated, split_tones, tiny_model, tone_corpus, tone_split, train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.mark.exhaustive
def test_zero_epochs_fit_the_classifier_without_a_step(tmp_path, monkeypatch):
    split = tone_split(tmp_path / "tones")
    monkeypatch.setattr(EpochRunner, "run_epoch", lambda *_: pytest.fail("took a step"))
    model = tiny_model(pooling="stats")
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    config = train_config(epochs=0, refit="discriminant")
    trainer = Trainer(model, Frozen(), config, tmp_path / "run")
    assert trainer.fit(split.train, split.dev) == []
    assert model.config.head == "discriminant"
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    report = trainer.evaluate(split.test)
    assert report.uar > 0.9  # tones are told apart by statistics of any encoder
    assert report.facts["epochs"] == 0
    again = Trainer(tiny_model(pooling="stats"), Frozen(), config, tmp_path / "run")
    assert again.fit(split.train, split.dev, resume=True) == []
    assert again.evaluate(split.test).uar == report.uar


def test_a_run_of_zero_epochs_ends_with_report_model_and_card(tmp_path, monkeypatch):
    manifest = tone_manifest(tmp_path / "tones", takes=2)
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
    train = train_config(epochs=0, refit="discriminant")
    usual = {"corpus": "csv", "root": manifest, "strategy": "frozen", "pooling": "stats", "train": train}
    load_recipe("finetune_wav2vec2").main(Options(output=tmp_path / "run", **usual))
    assert json.loads((tmp_path / "run" / "history.json").read_text()) == []
    assert not (tmp_path / "run" / "training_curves.png").exists()
    assert (tmp_path / "run" / "model" / "README.md").is_file()
    assert ser.EmotionModel.from_pretrained(tmp_path / "run" / "model").config.head == "discriminant"


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"pooling": "stats"}, {"refit": "none"}, "train.refit is none.*train.refit discriminant"),
        ({"pooling": "attention"}, {}, r"pooling \(attention\) has weights that nothing would train"),
        ({"pooling": "stats", "dimensions": ["arousal"]}, {}, "head of dimensions has weights"),
        ({"pooling": "stats"}, {"alignment": AlignmentConfig(method="mmd")}, "an alignment acts in the steps"),
    ],
)
def test_what_would_stay_random_is_refused(tmp_path, options, changes, message):
    split = split_tones(rated(tone_corpus(tmp_path, takes=1)))
    changes = {"refit": "discriminant"} | changes
    alignment = changes.pop("alignment", None)
    trainer = Trainer(tiny_model(**options), Frozen(), train_config(epochs=0, **changes), alignment=alignment)
    with pytest.raises(ConfigError, match=f"train.epochs is 0, but .*{message}.*or train for an epoch or more"):
        trainer.fit(split.train, split.dev, split.test if alignment else None)


def test_fewer_than_zero_epochs_are_none():
    with pytest.raises(ConfigError, match=r"train\.epochs is -1: expected 0 or more"):
        TrainConfig(epochs=-1)
