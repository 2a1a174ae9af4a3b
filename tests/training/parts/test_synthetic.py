"""Synthetic clips lie between two training clips of one class, and nowhere else."""

import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from ser_tl.data.batching import collate
from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import forward_batch
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.training import Trainer
from ser_tl.training.objective import Objective
from ser_tl.training.parts.balance import BalanceConfig, ClassBalance
from ser_tl.training.parts.dimensions import DimensionConfig
from ser_tl.training.parts.synthetic import SyntheticClips, synthesize_clips
from ser_tl.transfer import Frozen, Partial
from tests.combinations import with_default
from tests.training.samples import TONES, rated, tiny_model, train_config, training_clips, uneven_split

pytestmark = pytest.mark.slow

LABELS = list(TONES)
SMOTE = BalanceConfig(synthesise="smote")
METHODS = ["smote", "borderline-smote", "adasyn"]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return uneven_split(tmp_path_factory.mktemp("tones"))


def trainer(balance=SMOTE, *, strategy=None, pooling="stats", **options):
    model = tiny_model(pooling=pooling)
    return Trainer(model, strategy or Frozen(), train_config(epochs=1, **options), balance=balance)


def made(split, balance=SMOTE, pooling="stats") -> SyntheticClips:
    """The training clips of a fit, and synthetic ones."""
    own = trainer(balance, pooling=pooling)
    return training_clips(own, split)


def vectors(clips, places) -> np.ndarray:
    """What is left of clips, flat (n, L T D)."""
    states = [clips[place].states for place in places]
    return np.stack(
        [torch.cat([(one.mean + one.residual).flatten() for one in own.values()]).numpy() for own in states]
    )


@pytest.mark.parametrize("pooling", ["mean", "stats", "max", "last"])
def test_a_synthetic_clip_lies_between_two_training_clips_of_its_class(split, pooling):
    clips = made(split, pooling=pooling)
    real = vectors(clips, range(24))
    classes = np.array([clips[place].label for place in range(24)])
    new = range(24, len(clips))
    assert [clips[place].label for place in new] == [1] * 4 + [2] * 8
    for vector, place in zip(vectors(clips, new), new, strict=True):
        own = real[classes == clips[place].label]
        steps = own[None] - own[:, None]  # from each to each
        length = np.maximum((steps**2).sum(axis=-1), 1e-12)
        share = ((vector - own[:, None]) * steps).sum(axis=-1) / length
        nearest = own[:, None] + share.clip(0, 1)[..., None] * steps
        assert np.abs(vector - nearest).max(axis=-1).min() < 1e-4 * np.abs(vector).max()


def test_deviations_stay_deviations(split):
    clips = made(split)
    for place in range(24, len(clips)):
        for state in clips[place].states.values():
            low, high = state.residual
            assert (high >= low - 1e-6).all()


@pytest.mark.parametrize("method", METHODS)
def test_classes_become_as_large_as_the_largest(split, method):
    clips = made(split, BalanceConfig(synthesise=method, neighbours=2))
    counts = Counter(clips[place].label for place in range(len(clips)))
    assert counts[0] == 12
    if method == "smote":
        assert counts == {0: 12, 1: 12, 2: 12}
    assert all(least <= counts[number] <= 14 for number, least in ((1, 8), (2, 4)))  # adasyn's shares are rounded
    assert len(clips.seconds) == len(clips)


def test_synthetic_clips_batch_with_real_ones_and_a_model_hears_both(split):
    clips = made(split)
    batch = collate([clips[place] for place in (0, 30, 5, 35)]).to("cpu")
    assert batch.ids[1::2] == ["synthetic_6", "synthetic_11"]
    assert batch.targets is None
    assert forward_batch(tiny_model(pooling="stats").eval(), batch).logits.isfinite().all()
    clips.epoch = 3
    assert (clips.epoch, clips.real.epoch) == (3, 3)


@pytest.mark.parametrize("method", with_default(METHODS, METHODS[:1]))
def test_a_training_on_them_leaves_dev_and_test_alone_and_says_what_was_made(split, method):
    own = trainer(BalanceConfig(synthesise=method, neighbours=2))
    own.fit(split.train, split.dev)
    report = own.evaluate(split.test)
    assert report.predictions.ids == list(split.test["id"])
    facts = report.facts["balance"]
    assert facts["synthesise"] == method
    assert facts["utterances"] == {"anger": 12, "neutral": 8, "sadness": 4}
    assert facts["heard"]["sadness"] >= 4
    assert f"synthetic clips ({method}); clips of each: anger 12, neutral 8" in report.notes[0]


@pytest.mark.exhaustive
def test_other_dev_and_test_speakers_leave_the_same_synthetic_clips(split, monkeypatch):
    """No way leads from dev or test into them, and they never come out as rows that are scored."""
    found, scored = [], []

    def watch(*arguments):
        found.append(synthesize_clips(*arguments))
        return found[-1]

    def score(model, corpus, clips, *rest):
        scored.append((type(clips), len(clips), len(corpus)))
        return predict(model, corpus, clips, *rest)

    from ser_tl.inference.evaluation import score_clips as predict

    monkeypatch.setattr("ser_tl.training.parts.synthetic.synthesize_clips", watch)
    monkeypatch.setattr("ser_tl.training.loop.score_clips", score)
    monkeypatch.setattr("ser_tl.inference.evaluation.score_clips", score)
    for dev, test in ((split.dev, split.test), (split.test, split.dev), (split.dev.select([0, 4]), split.test)):
        own = trainer()
        own.fit(split.train, dev)
        own.evaluate(test)
    assert torch.equal(found[0].frames, found[1].frames)
    assert torch.equal(found[0].frames, found[2].frames)
    assert all(kind is not SyntheticClips and clips == rows for kind, clips, rows in scored)
    assert len(scored) == 6


@pytest.mark.exhaustive
def test_the_refit_hears_real_clips_only(split, monkeypatch):
    embedded = []

    def watch(model, train, dev, *rest, views, **options):
        embedded.extend([train, dev])
        assert views is None
        return {}

    monkeypatch.setattr("ser_tl.training.parts.refit.refit_discriminant", watch)
    own = trainer(refit="discriminant")
    own.fit(split.train, split.dev)
    assert [len(clips) for clips in embedded] == [len(split.train), len(split.dev)]
    assert "the refitted classifier takes every real clip once" in own.notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "attentive-stats"}, "needs a model without other input"),
        ({"strategy": Partial(1)}, "strategy. frozen"),
        ({"cache": False}, "train.cache true"),
        ({"cache_gib": 1e-6}, "the feature cache can't hold the training clips: raise train.cache_gib"),
    ],
)
def test_where_there_are_no_vectors_the_error_says_what_is_needed(split, options, message):
    with pytest.raises(ConfigError, match=message):
        trainer(**options).fit(split.train, split.dev)


def test_speakers_own_statistics_and_votes_are_refused(split, monkeypatch):
    monkeypatch.setattr("ser_tl.inference.speaker_norm.FEWEST_CLIPS", 1)
    model = EmotionModel(tiny_model().encoder, LABELS, pooling="stats", config=ModelConfig(statistics="speaker"))
    with pytest.raises(ConfigError, match="a clip between two speakers is of no speaker"):
        Trainer(model, Frozen(), train_config(), balance=SMOTE).fit(split.train, split.dev)
    voted = Trainer(tiny_model(), Frozen(), train_config(), balance=SMOTE, labels=AnnotationConfig(targets="votes"))
    with pytest.raises(ConfigError, match="a synthetic clip has no such targets"):
        voted.fit(split.train, split.dev)


def test_a_class_of_one_clip_is_refused_with_the_way_out(split):
    sad = [row for row, emotion in enumerate(split.train["emotion"]) if emotion == "sadness"]
    few = split.train.select([row for row in range(len(split.train)) if row not in sad[1:]])
    with pytest.raises(ConfigError, match=r"only one training clip of sadness.*merge the class"):
        trainer().fit(few, split.dev)


def test_without_imbalanced_learn_the_error_names_the_extra(split, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(ConfigError, match=r'pip install "ser_tl\[imbalance\]"'):
        trainer().fit(split.train, split.dev)


@pytest.mark.exhaustive
def test_nobody_has_annotated_a_synthetic_clip(tmp_path):
    tones = uneven_split(tmp_path)
    annotated = replace(tones, train=rated(tones.train), dev=rated(tones.dev))
    config = DimensionConfig(["arousal"], weight=0.5)
    own = Trainer(
        tiny_model(pooling="stats", dimensions=["arousal"], dropout=0.0),
        Frozen(),
        train_config(epochs=1),
        balance=SMOTE,
        dimensions=config,
    )
    clips = training_clips(own, annotated)
    batch = collate([clips[place] for place in range(24, len(clips))])  # of synthetic ones alone
    assert batch.dimensions.shape == (12, 1)
    assert batch.dimensions.isnan().all()
    terms = {part.name: part.loss(own.training) for part in own.parts}
    losses = Objective(own.model.eval(), own.strategy, terms)(batch)
    criterion = own.part(ClassBalance).balance.build_criterion(own.config.label_smoothing)
    plain = criterion(forward_batch(own.model, batch).logits, batch.labels)
    torch.testing.assert_close(losses.utterances, 0.5 * plain)
