"""Dimensions learned beside emotions and alone: what they are trained on, chosen by, and told in."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ser_tl.cache.cached import CachedClips
from ser_tl.cache.pooled import PooledClips
from ser_tl.data.dimensions import read_annotations
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Report
from ser_tl.options import Options, parse
from ser_tl.training import TrainConfig, Trainer
from ser_tl.training.parts.dimensions import DimensionConfig, dimension_loss, fit_scale
from ser_tl.training.progress import Progress, format_dev_scores
from ser_tl.transfer import ALIGNMENTS, AlignmentConfig, Frozen, Full, Progressive
from tests.combinations import with_default
from tests.training.samples import (
    BRIEF,
    interrupted,
    rated,
    split_tones,
    tiny_model,
    tone_corpus,
    train_config,
    untimed,
)

pytestmark = pytest.mark.slow

NAMES = ["arousal", "valence"]
ALONE = DimensionConfig(NAMES, weight=1.0)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Tones with arousal and valence; of seven training clips the valence is unknown."""
    whole = split_tones(rated(tone_corpus(tmp_path_factory.mktemp("tones"))))
    return replace(whole, train=_without_valence(whole.train, 7))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A clip of each emotion and speaker; of two training clips the valence is unknown."""
    whole = split_tones(rated(tone_corpus(tmp_path_factory.mktemp("tones"), takes=1)))
    return replace(whole, train=_without_valence(whole.train, 2))


def _without_valence(corpus, count):
    valence = [None] * count + list(corpus["valence"])[count:]
    return corpus.remove_columns("valence").add_column("valence", valence)


def model_of(*, alone=False, **options):
    return tiny_model(dropout=0.0, dimensions=NAMES, **({"labels": []} if alone else {}), **options)


def train(split, config, folder=None, *, alone=False, strategy=None, **changes):
    trainer = Trainer(model_of(alone=alone), strategy or Full(), train_config(**changes), folder, dimensions=config)
    return trainer, trainer.fit(split.train, split.dev)


def test_the_scale_is_mean_and_deviation_of_what_is_annotated(split):
    model = model_of()
    fit_scale(model, split.train)
    table = read_annotations(split.train, NAMES)
    scale = model.dimension_head.scale
    assert scale.mean.tolist() == pytest.approx(np.nanmean(table, axis=0), rel=1e-5)
    assert scale.deviation.tolist() == pytest.approx(np.nanstd(table, axis=0), rel=1e-3)


@pytest.mark.parametrize("kind", ["ccc", "mse"])
def test_a_loss_is_the_same_whatever_scale_a_corpus_rates_on(kind):
    """The second corpus rates the same clips from 0 to 100 in the place of 1 to 5."""
    head = model_of().dimension_head.eval()
    embedding = torch.randn(4, head.head.layers[0].normalized_shape[0], generator=torch.Generator().manual_seed(0))
    annotated = torch.tensor([[1.0, math.nan], [2.5, math.nan], [5.0, math.nan], [math.nan, math.nan]])
    found = []
    for factor, offset in ((1.0, 0.0), (25.0, -25.0)):
        head.scale.mean.copy_(torch.tensor([3.0, 0.0]) * factor + offset)
        head.scale.deviation.copy_(torch.tensor([1.2, 1.0]) * factor)
        found.append(dimension_loss(kind, head, head(embedding), annotated * factor + offset).item())
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] > 0.1


@pytest.mark.parametrize("loss", with_default(["ccc", "mse"], ["ccc"]))
def test_dimensions_are_learned_beside_emotions(split, loss):
    trainer, history = train(split, DimensionConfig(NAMES, loss=loss), epochs=8)
    report = trainer.evaluate(split.test)
    assert report.uar > 0.8
    assert {name: own.support for name, own in report.dimensions.items()} == dict.fromkeys(NAMES, len(split.test))
    assert all(own.ccc > 0.7 for own in report.dimensions.values())
    best = max(history, key=lambda record: (record["dev_uar"], -record["dev_loss"]))
    assert [record["epoch"] for record in history if record["best"]] == [best["epoch"]]
    assert (
        "valence is unknown of 7 of the 36 training utterances, which are left out of what is said of it"
        in report.notes
    )
    assert report.facts["dimensions"] == {"names": NAMES, "loss": loss, "weight": 0.5}


@pytest.mark.exhaustive
def test_alone_they_choose_the_epoch_by_their_ccc_and_nothing_is_said_of_emotions(split, tmp_path):
    trainer, history = train(split, ALONE, alone=True, epochs=12)
    assert all(record.keys().isdisjoint({"dev_uar", "dev_war"}) for record in history)
    best = max(history, key=lambda record: (record["dev_ccc"], -record["dev_loss"]))
    assert [record["epoch"] for record in history if record["best"]] == [best["epoch"]]
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert best["dev_loss"] == pytest.approx(1 - best["dev_ccc"], abs=1e-4)
    report = trainer.evaluate(split.test)
    assert report.ccc > 0.7
    assert report.scores is None
    assert "UAR" not in str(report)
    report.save(tmp_path)
    assert "uar" not in report.as_json()
    assert "UAR" not in (tmp_path / "report.md").read_text()
    assert Report.load(tmp_path).as_json() == report.as_json()
    with pytest.raises(ConfigError, match="trained on arousal, valence alone and has no UAR"):
        _ = report.uar


@pytest.mark.exhaustive
def test_a_weight_of_almost_nothing_leaves_the_emotions_as_they_are_without(small):
    def probabilities(dimensions, config):
        model = tiny_model(dropout=0.0, dimensions=dimensions)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # the second head would draw as well
        trainer = Trainer(model, Full(), train_config(**BRIEF), dimensions=config)
        trainer.fit(small.train, small.dev)
        return trainer.evaluate(small.test).predictions.probabilities

    beside = probabilities(NAMES, DimensionConfig(NAMES, weight=1e-9))
    np.testing.assert_allclose(beside, probabilities([], None), atol=1e-4)
    half = probabilities(NAMES, DimensionConfig(NAMES, weight=0.5))
    assert np.abs(half - beside).max() > 1e-3


@pytest.mark.exhaustive
def test_cached_and_condensed_clips_bring_annotations_too(small, monkeypatch):
    monkeypatch.setattr(PooledClips, "seconds", CachedClips.seconds)  # the same batches on both sides

    def history(pooling, *, cache):
        model = model_of(alone=True, pooling=pooling)
        trainer = Trainer(model, Frozen(), train_config(**BRIEF, cache=cache), dimensions=ALONE)
        return untimed(trainer.fit(small.train, small.dev)), trainer.evaluate(small.test)

    for pooling in ("attentive-stats", "stats"):
        cached, decoded = (history(pooling, cache=cache) for cache in (True, False))
        for one, other in zip(cached[0], decoded[0], strict=True):
            assert one["train_loss"] == pytest.approx(other["train_loss"], abs=2e-3), pooling
            assert one["dev_ccc"] == pytest.approx(other["dev_ccc"], abs=6e-3), pooling  # of three clips
        assert cached[1].ccc == pytest.approx(decoded[1].ccc, abs=6e-3)


@pytest.mark.parametrize("alone", with_default([False, True], [False]))
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(small, tmp_path, alone):
    config = ALONE if alone else DimensionConfig(NAMES)

    def fit(folder, strategy, *, resume=False):
        trainer = Trainer(model_of(alone=alone), strategy, train_config(**BRIEF), folder, dimensions=config)
        return untimed(trainer.fit(small.train, small.dev, resume=resume)), trainer.evaluate(small.test)

    whole, report = fit(tmp_path / "whole", Full())
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Full(), 8))
    resumed, again = fit(tmp_path / "stopped", Full(), resume=True)
    assert resumed == whole
    assert again.as_json()["dimensions"] == report.as_json()["dimensions"]


def test_a_step_of_clips_without_annotations_passes(small):
    """One clip a batch: no batch has a correlation, nor any gradient of one."""
    _, history = train(small, ALONE, alone=True, epochs=1, batch_seconds=0.1)
    assert history[0]["train_loss"] == 0.0


def test_progressive_unfreezing_waits_for_the_ccc_where_there_is_no_uar():
    strategy = Progressive(trigger="plateau", every=1)
    scores = [0.1, 0.3, 0.2, 0.4]
    assert strategy.unfreeze_epochs([{"dev_ccc": score} for score in scores]) == [3]
    assert strategy.unfreeze_epochs([{"dev_ccc": score} for score in scores]) == strategy.unfreeze_epochs(
        [{"dev_uar": score} for score in scores]
    )


def test_an_epoch_is_told_by_the_score_that_chooses_it():
    assert format_dev_scores({"dev_uar": 0.5, "dev_ccc": 0.25}) == "UAR 50.0, CCC 0.250"
    assert format_dev_scores({"dev_ccc": -0.25}) == "CCC -0.250"
    progress = Progress()
    assert progress.end_epoch({"dev_ccc": -0.2, "dev_loss": 1.2}, TrainConfig())
    assert not progress.end_epoch({"dev_ccc": -0.3, "dev_loss": 1.0}, TrainConfig())


@pytest.mark.exhaustive
def test_the_head_of_emotions_is_refitted_and_that_of_dimensions_stays(split, tmp_path):
    trainer = Trainer(model_of(), Frozen(), train_config(epochs=1, refit="discriminant"))
    trainer.fit(split.train, split.dev)
    report = trainer.evaluate(split.test)
    trainer.model.save_pretrained(tmp_path)
    again = type(trainer.model).from_pretrained(tmp_path)
    files = [row["path"] for row in split.test["audio"]]
    assert [one.dimensions["valence"] for one in again.predict(files)] == pytest.approx(
        report.predictions.ratings.predicted[:, 1].tolist(), rel=1e-3
    )


def test_a_corpus_without_annotations_is_refused_before_anything_is_trained(split):
    bare = split.train.remove_columns("valence")
    with pytest.raises(ConfigError, match=r"tones: no annotations of valence"):
        Trainer(model_of(), Frozen()).fit(bare, split.dev)
    empty = _without_valence(split.dev, len(split.dev))
    with pytest.raises(ConfigError, match=r"0 of the 9 dev utterances have an annotation of valence"):
        Trainer(model_of(), Frozen()).fit(split.train, empty)


def test_a_test_set_without_annotations_is_predicted_and_says_so(split):
    trainer = Trainer(model_of(), Frozen())
    report = trainer.evaluate(split.test.remove_columns(["arousal", "valence"]))
    assert {own.ccc for own in report.dimensions.values()} == {None}
    assert np.isfinite(report.predictions.ratings.predicted).all()
    assert "arousal is unknown of 9 of the 9 test utterances, which are left out of what is said of it" in report.notes


def test_emotions_own_refit_and_alignment_are_refused_where_there_are_none(split):
    for config, alignment in ((train_config(refit="discriminant"), None), (None, AlignmentConfig(method="mmd"))):
        trainer = Trainer(model_of(alone=True), Frozen(), config, alignment=alignment)
        with pytest.raises(ConfigError, match=r"about the head of emotions, and dimensions.weight 1 learns none"):
            trainer.fit(split.train, split.dev, split.test)
    assert "mmd" in ALIGNMENTS


@pytest.mark.parametrize(
    ("config", "alone"), [(DimensionConfig(["arousal"]), False), (ALONE, False), (DimensionConfig(NAMES), True)]
)
def test_options_and_model_have_to_mean_the_same(config, alone):
    with pytest.raises(ConfigError, match=r"build it with the same names, and without labels if and only if"):
        Trainer(model_of(alone=alone), Frozen(), dimensions=config)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": ["activation"]}, r"expected some of arousal, valence, dominance"),
        ({"names": NAMES, "weight": 0.0}, r"dimensions.weight is 0.0: expected a share above 0"),
        ({"names": NAMES, "weight": 1.1}, r"dimensions.weight is 1.1: expected a share"),
        ({"weight": 1.0}, r"no dimension is to be learned: say which"),
        ({"loss": "mse"}, r"no dimension is to be learned: say which"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        DimensionConfig(**options)


def test_the_command_line_takes_them():
    arguments = ["--dimensions.names", "[arousal, valence]", "--dimensions.weight", "1", "--dimensions.loss", "mse"]
    found = parse(Options, "", arguments).dimensions
    assert found == DimensionConfig(NAMES, "mse", 1.0)
    assert found.alone
    assert not Options().dimensions.names
