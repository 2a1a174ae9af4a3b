"""The classifier fitted anew: on whom, with what, and that it stays with the model."""

from functools import cache

import pytest
import torch

from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import embed_batch
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.discriminant import Discriminant, fit_discriminant
from ser_tl.training import Trainer
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.transfer import AlignmentConfig, Frozen, Full
from tests.combinations import with_default
from tests.training.samples import tiny_model, tone_split, train_config

pytestmark = pytest.mark.slow

CONFIG = train_config(refit="discriminant", epochs=1)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"))


def embeddings(trainer, corpus):
    clips = trainer.features.load_clips(corpus)
    from ser_tl.data.batching import collate

    batch = collate([clips[place] for place in range(len(clips))]).to("cpu")
    with torch.no_grad():
        return embed_batch(trainer.model.eval(), batch), batch.labels


@pytest.fixture(scope="module")
def refitted(split):
    """A trainer of each strategy after its training."""

    @cache
    def train(strategy=Frozen):
        trainer = Trainer(tiny_model(), strategy(), CONFIG)
        trainer.fit(split.train, split.dev)
        return trainer

    return train


@pytest.mark.parametrize("strategy", with_default([Frozen, Full], [Frozen]))
def test_the_head_is_the_discriminant_of_training_and_dev_speakers(strategy, split, refitted):
    trainer = refitted(strategy)
    (train, first), (dev, second) = embeddings(trainer, split.train), embeddings(trainer, split.dev)
    rows, labels = torch.cat([train, dev]), torch.cat([first, second])
    order = sorted(range(len(labels)), key=[*split.train["id"], *split.dev["id"]].__getitem__)
    speakers = [*split.train["speaker"], *split.dev["speaker"]]
    expected = fit_discriminant(rows[order], labels[order], [speakers[place] for place in order], 3)
    assert isinstance(trainer.model.head, Discriminant)
    torch.testing.assert_close(trainer.model.head(rows), expected.discriminant(rows), atol=1e-3, rtol=1e-3)
    report = trainer.evaluate(split.test)
    assert report.facts["refit"]["shrinkage"] == expected.shrinkage
    assert 0 <= report.facts["refit"]["held_out_uar"] <= 1


@pytest.mark.exhaustive
def test_a_refitted_model_comes_back_from_the_disk(split, refitted, tmp_path):
    trainer = refitted()
    trainer.model.save_pretrained(tmp_path)
    again = EmotionModel.from_pretrained(tmp_path)
    assert again.config.head == "discriminant"
    path = split.test[0]["audio"]["path"]
    assert again.predict(path).probabilities == pytest.approx(trainer.model.predict(path).probabilities, abs=1e-6)


def test_without_it_the_head_stays_the_trained_one(split):
    trainer = Trainer(tiny_model(), Frozen(), train_config(epochs=1))
    trainer.fit(split.train, split.dev)
    assert not isinstance(trainer.model.head, Discriminant)
    assert "refit" not in trainer.facts


@pytest.mark.exhaustive
def test_each_layer_can_have_a_discriminant_of_its_own(split):
    model = tiny_model()
    trainer = Trainer(model, Frozen(), train_config(refit="layer-discriminants", epochs=1))
    trainer.fit(split.train, split.dev)
    (train, first), (dev, second) = embeddings(trainer, split.train), embeddings(trainer, split.dev)
    rows, labels = torch.cat([train, dev]), torch.cat([first, second])
    order = sorted(range(len(labels)), key=[*split.train["id"], *split.dev["id"]].__getitem__)
    speakers = [*split.train["speaker"], *split.dev["speaker"]]
    speakers = [speakers[place] for place in order]
    expected = fit_discriminant(rows[order], labels[order], speakers, 3, model.layer_channels())
    together = fit_discriminant(rows[order], labels[order], speakers, 3)
    torch.testing.assert_close(trainer.model.head(rows), expected.discriminant(rows), atol=1e-3, rtol=1e-3)
    assert (expected.discriminant(rows) - together.discriminant(rows)).abs().max() > 0.1


@pytest.mark.parametrize("mixing", [{"join": "sum"}, {"projection": 8}, {"network": "bilstm"}])
def test_layers_that_are_mixed_before_the_pooling_are_refused_before_the_training(mixing, split):
    plain = tiny_model()
    model = EmotionModel(plain.encoder, plain.labels, config=ModelConfig(**mixing))
    trainer = Trainer(model, Frozen(), train_config(refit="layer-discriminants"))
    with pytest.raises(ConfigError, match=f"model.{next(iter(mixing))} is .*take train.refit discriminant"):
        trainer.fit(split.train, split.dev)
    assert trainer.history == []


def test_speakers_who_cannot_be_held_out_are_told_before_the_training(split, tmp_path):
    rows = zip(split.train["speaker"], split.train["emotion"], strict=True)
    alone = [row for row, (speaker, emotion) in enumerate(rows) if emotion != "anger" or speaker == "speaker_0"]
    alone = alone if "speaker_0" in split.train["speaker"] else None
    train = split.train.select(alone)
    dev = split.dev.select([row for row, emotion in enumerate(split.dev["emotion"]) if emotion != "anger"])
    with pytest.raises(ConfigError, match="one group has all utterances of some emotion"):
        Trainer(tiny_model(), Frozen(), CONFIG, tmp_path).fit(train, dev)
    assert not (tmp_path / "states").exists()


def test_a_model_of_one_layer_has_no_layers_apart(split):
    trainer = Trainer(tiny_model(layers=[1]), Frozen(), train_config(refit="layer-discriminants"))
    with pytest.raises(ConfigError, match=r"this model has one .*take train\.refit discriminant"):
        trainer.fit(split.train, split.dev)


@pytest.mark.exhaustive
def test_what_becomes_of_an_alignment_is_said(split):
    trainer = Trainer(tiny_model(), Frozen(), CONFIG, alignment=AlignmentConfig("mmd"))
    trainer.fit(split.train, split.dev, unlabelled=split.test)
    assert any("the alignment (mmd) acted in the hidden layer of a head that the refit" in one for one in trainer.notes)


def test_auto_is_a_discriminant_where_speakers_can_be_held_out(split):
    trainer = Trainer(tiny_model(), Frozen(), train_config(refit="auto", epochs=1))
    trainer.fit(split.train, split.dev)
    assert isinstance(trainer.model.head, Discriminant)
    assert trainer.facts["refit"]["shrinkage"] > 0
    assert not any("train.refit" in note for note in trainer.notes)


def test_auto_keeps_the_trained_head_elsewhere_and_says_why(split):
    """One speaker has all clips of an emotion: without them there is nothing to hold that emotion out by."""
    speakers = [
        "all of anger" if emotion == "anger" else name
        for name, emotion in zip(split.train["speaker"], split.train["emotion"], strict=True)
    ]
    train = split.train.remove_columns("speaker").add_column("speaker", speakers)
    keep = [row for row, emotion in enumerate(split.dev["emotion"]) if emotion != "anger"]
    trainer = Trainer(tiny_model(), Frozen(), train_config(refit="auto", epochs=1))
    trainer.fit(train, split.dev.select(keep))
    assert not isinstance(trainer.model.head, Discriminant)
    assert "refit" not in trainer.facts
    assert "trained by gradients, which train.refit auto kept" in trainer.training.refit_note
    assert trainer.training.refit_note in trainer.notes
    assert "all utterances of some emotion" in trainer.training.refit_note
    with pytest.raises(ConfigError, match="all utterances of some emotion"):
        Trainer(tiny_model(), Frozen(), train_config(refit="auto", epochs=0)).fit(train, split.dev.select(keep))


def test_recipes_of_one_system_refit_and_trainers_of_others_do_not():
    from ser_tl.options import DomainOptions, FineTuningOptions, Options

    refits = [kind().train.refit for kind in (FineTuningOptions, Options, DomainOptions)]
    assert refits == ["auto", "none", "none"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"balance": BalanceConfig(focal=2.0, weights="none")}, "balance.weights, balance.focal"),
        ({"labels": AnnotationConfig(targets="recognised")}, "labels.targets"),
        ({"balance": BalanceConfig(neighbours=5)}, ""),
    ],
)
def test_auto_leaves_a_classifier_that_an_option_shapes(split, options, named):
    trainer = Trainer(tiny_model(), Frozen(), train_config(refit="auto"), **options)
    trainer.check(split.train, split.dev)
    assert trainer.training.refits == (not named)
    assert f"{named} would lose its effect" in trainer.training.refit_note if named else not trainer.training.refit_note
