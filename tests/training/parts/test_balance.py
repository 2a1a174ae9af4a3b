"""Classes of different sizes: what is done in training, what is told of it, and what stays as it was."""

from collections import Counter

import pytest
import torch

from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError
from ser_tl.training import Trainer
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.training.loop import score_dev
from ser_tl.training.parts import refit
from ser_tl.training.parts.balance import BalanceConfig, ClassSizes, EmotionLoss
from ser_tl.transfer import Frozen, Full
from tests.training.samples import BRIEF, TONES, interrupted, tiny_model, train_config, uneven_split, untimed

pytestmark = pytest.mark.slow

LABELS = list(TONES)
EMOTIONS = ["anger"] * 12 + ["neutral"] * 8 + ["sadness"] * 4


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return uneven_split(tmp_path_factory.mktemp("tones"))


def balance(*, seed=0, processes=1, **options):
    return ClassSizes.from_emotions(BalanceConfig(**options), EMOTIONS, LABELS, seed, processes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 1.0}, "balance.beta is 1.0: expected 0 to below 1"),
        ({"focal": -1.0}, "balance.focal is -1.0: expected 0 or more"),
        ({"neighbours": 0}, "balance.neighbours is 0: expected 1 or more"),
        ({"alpha": {"fear": 0.0}}, "balance.alpha has fear: 0.0: expected factors above 0"),
        ({"sampling": "over", "synthesise": "smote"}, "both make classes as large as each other: choose one"),
        ({"logit_adjustment": 1.0}, "balance.weights inverse would make up for the same frequencies once more"),
        ({"logit_adjustment": 1.0, "weights": "none", "sampling": "under"}, "balance.sampling under would make up"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        BalanceConfig(**options)


def test_the_default_is_inverse_frequency_and_says_nothing():
    found = balance()
    assert found.weights.tolist() == pytest.approx([24 / (3 * 12), 24 / (3 * 8), 24 / (3 * 4)])
    assert found.draw is None
    assert found.describe(refit=True) == []
    counts = {"anger": 12, "neutral": 8, "sadness": 4}
    assert found.facts == {"weights": "inverse", "utterances": counts, "heard": counts}


def test_weights_are_those_of_what_is_heard():
    assert balance(weights="none").weights is None
    assert balance(sampling="over").weights.tolist() == [1.0, 1.0, 1.0]
    between = balance(weights="effective", beta=0.9).weights
    assert balance().weights[0] < between[0] < 1 < between[2] < balance().weights[2]
    assert balance(weights="none", alpha={"sadness": 3.0}).weights.tolist() == [1.0, 1.0, 3.0]
    assert torch.equal(balance(alpha={"sadness": 3.0}).weights, balance().weights * torch.tensor([1.0, 1.0, 3.0]))


def test_the_criterion_is_what_was_asked_for():
    criterion = balance(weights="none", logit_adjustment=0.5, focal=2.0).build_criterion(0.1)
    assert (criterion.gamma, criterion.smoothing, criterion.weights) == (2.0, 0.1, None)
    assert criterion.shift.exp().square().tolist() == pytest.approx([12 / 24, 8 / 24, 4 / 24])
    assert balance().build_criterion(0.0).shift is None


def test_factors_need_a_class_and_processes_a_clip():
    with pytest.raises(ConfigError, match=r"balance\.alpha names fear: the classes are anger, neutral, sadness"):
        balance(alpha={"fear": 2.0})
    with pytest.raises(ConfigError, match=r"sampling under leaves 12 clips in an epoch.* 13 processes.*sampling over"):
        balance(sampling="under", processes=13)
    balance(sampling="under", processes=12)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"sampling": "over"}, "oversampling; clips of each: anger 12, neutral 8 to 12, sadness 4 to 12"),
        ({"weights": "none"}, "their sizes were not balanced; clips of each: anger 12, neutral 8, sadness 4"),
        ({"weights": "effective"}, "weights by the effective number of utterances (beta 0.999);"),
        (
            {"focal": 2.0, "alpha": {"anger": 2}},
            "weights by inverse frequency and factors anger 2 and focal loss (gamma 2);",
        ),
        ({"weights": "none", "logit_adjustment": 1.0}, "logit adjustment (tau 1);"),
    ],
)
def test_notes_say_what_was_done(options, note):
    (found,) = balance(**options).describe(refit=False)
    assert note in found
    assert found.endswith("Dev and test are as they were")
    assert "the refitted classifier takes every real clip once" in balance(**options).describe(refit=True)[0]


def watched(monkeypatch):
    """Ids of the clips in each epoch's plan, and of the targets that the steps get, as they come."""
    heard: dict[int, Counter] = {}
    targets = []
    step = EpochRunner._step

    def watch(self, members, number, done, batches, unlabelled):
        def passed():
            for batch, disturbance in batches:
                heard.setdefault(int(done), Counter()).update(batch.ids)
                targets.append(batch.targets)
                yield batch, disturbance

        return step(self, members, number, done, passed(), unlabelled)

    monkeypatch.setattr(EpochRunner, "_step", watch)
    return heard, targets


@pytest.mark.parametrize(
    ("sampling", "size", "strategy"),
    [("over", 12, Full), pytest.param("under", 4, Frozen, marks=pytest.mark.exhaustive)],
)
def test_sampled_classes_are_heard_alike_and_only_from_training(split, monkeypatch, sampling, size, strategy):
    heard, _ = watched(monkeypatch)
    trainer = Trainer(tiny_model(), strategy(), train_config(epochs=2), balance=BalanceConfig(sampling=sampling))
    trainer.fit(split.train, split.dev)
    emotion_of = dict(zip(split.train["id"], split.train["emotion"], strict=True))
    assert set(heard) == {0, 1}
    for ids in heard.values():
        assert set(ids) <= set(emotion_of)
        assert Counter(emotion_of[name] for name in ids.elements()) == dict.fromkeys(LABELS, size)
    report = trainer.evaluate(split.test)
    assert report.predictions.ids == list(split.test["id"])
    assert report.facts["balance"]["sampling"] == sampling
    assert report.facts["balance"]["heard"] == dict.fromkeys(LABELS, size)
    assert f"classes in training: {sampling}sampling" in report.notes[0]


@pytest.mark.exhaustive
def test_resuming_draws_the_same_clips(split, tmp_path):
    def fit(folder, strategy, *, resume=False):
        balance = BalanceConfig(sampling="under")
        trainer = Trainer(tiny_model(), strategy, train_config(**BRIEF), folder, balance=balance)
        return untimed(trainer.fit(split.train, split.dev, resume=resume))

    whole = fit(tmp_path / "whole", Full())
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Full(), 6))
    assert fit(tmp_path / "stopped", Full(), resume=True) == whole
    assert {record["steps"] for record in whole} != {0}


def fit_once(split, **options):
    """A trainer after one epoch, and its record."""
    trainer = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=1), balance=BalanceConfig(**options))
    return trainer, trainer.fit(split.train, split.dev)[0]


@pytest.fixture(scope="module")
def usual(split):
    """The record of a training that balances as usual."""
    return fit_once(split)[1]


@pytest.mark.parametrize(
    "options",
    [
        {"focal": 2.0},
        *(
            pytest.param(options, marks=pytest.mark.exhaustive)
            for options in (
                {"weights": "none", "logit_adjustment": 1.0},
                {"weights": "effective", "beta": 0.9},
                {"weights": "none"},
            )
        ),
    ],
)
def test_each_way_trains_its_own_model_and_scores_dev_by_plain_logits(split, usual, options):
    trainer, record = fit_once(split, **options)
    assert record["train_loss"] != usual["train_loss"]
    plain = score_dev(trainer.training)
    assert record["dev_loss"] == pytest.approx(plain["dev_loss"], abs=1e-6)


@pytest.mark.parametrize(
    ("strategy", "pooling"),
    [
        (Full, "attentive-stats"),
        pytest.param(Frozen, "attentive-stats", marks=pytest.mark.exhaustive),
        pytest.param(Frozen, "stats", marks=pytest.mark.exhaustive),
    ],
)  # clips are decoded, cached in all frames, and pooled
def test_votes_reach_the_steps_whatever_clips_are_made_of(split, monkeypatch, strategy, pooling):
    _, targets = watched(monkeypatch)
    votes = [[emotion, emotion, "neutral"] for emotion in split.train["emotion"]]
    train = split.train.add_column("votes", votes)
    trainer = Trainer(
        tiny_model(pooling=pooling), strategy(), train_config(epochs=1), labels=AnnotationConfig(targets="votes")
    )
    trainer.fit(train, split.dev)
    found = torch.cat(targets)
    assert len(found) == len(train)
    rows = Counter(tuple(row) for row in found.mul(3).round().int().tolist())
    assert rows == {(2, 1, 0): 12, (0, 3, 0): 8, (0, 1, 2): 4}
    report = trainer.evaluate(split.test)
    assert "training targets are the shares of the annotators' votes, 3.0 on an utterance" in report.notes
    assert report.facts["labels"] == {"emotion": "corpus", "ties": "drop", "targets": "votes"}


@pytest.mark.exhaustive
def test_a_refit_is_taught_emotions_and_says_so(split):
    train = split.train.add_column("votes", [[emotion] for emotion in split.train["emotion"]])
    config = train_config(epochs=1, refit="discriminant")
    trainer = Trainer(tiny_model(), Frozen(), config, labels=AnnotationConfig(targets="votes"))
    trainer.fit(train, split.dev)
    assert trainer.notes[0].endswith("; the refitted classifier is fitted to emotions alone")


def corpora_balance(**options):
    corpora = ["x" if number % 4 else "y" for number in range(24)]
    return ClassSizes.from_emotions(BalanceConfig(**options), EMOTIONS, LABELS, 0, 1, corpora), corpora


def test_an_epoch_has_as_many_clips_of_each_corpus_in_each_class():
    found, corpora = corpora_balance(corpora="sampling", weights="none")
    drawn = Counter((EMOTIONS[index], corpora[index]) for index in found.draw(0))
    assert drawn == {(name, home): size for name, size in zip(LABELS, (6, 4, 2), strict=True) for home in "xy"}
    assert found.epoch_counts == [12, 8, 4]
    over, _ = corpora_balance(corpora="sampling", sampling="over")
    assert over.epoch_counts == [12, 12, 12]
    assert over.weights.tolist() == [1.0, 1.0, 1.0]
    assert "corpora alike within each class (by sampling)" in over.describe(refit=True)[0]
    assert "every real clip once, corpora weighted alike." in over.describe(refit=True)[0]


def test_corpora_that_cannot_be_balanced_are_refused():
    with pytest.raises(ConfigError, match=r"balance.corpora is weights, and a clip between clips of two corpora"):
        BalanceConfig(corpora="weights", synthesise="smote")
    with pytest.raises(ConfigError, match="the training part is of x alone: leave it out"):
        ClassSizes.from_emotions(BalanceConfig(corpora="weights"), EMOTIONS, LABELS, corpora=["x"] * 24)


@pytest.mark.exhaustive
def test_the_weights_of_corpora_reach_the_loss_and_the_refit(split, monkeypatch):
    """A corpus of a tenth of the clips has half of the say."""
    homes = ["rare" if number % 10 == 0 else "usual" for number in range(len(split.train))]
    train = split.train.remove_columns("corpus").add_column("corpus", homes)
    fitted = []
    fit = refit.fit_discriminant
    monkeypatch.setattr(
        refit, "fit_discriminant", lambda *rows, **options: fitted.append(options["weights"]) or fit(*rows, **options)
    )
    losses = []
    forward = EmotionLoss.forward

    def record(self, step, before):
        losses.append(step.batch.auxiliary.get("corpus_weight"))
        return forward(self, step, before)

    monkeypatch.setattr(EmotionLoss, "forward", record)
    config = train_config(epochs=1, refit="discriminant")
    trainer = Trainer(tiny_model(), Frozen(), config, balance=BalanceConfig(corpora="weights"))
    trainer.fit(train, split.dev)
    weights = torch.cat(losses)
    assert weights.max() > 2 > 1 > weights.min()
    assert fitted[0].max() > 2 > 1 > fitted[0].min()
    assert trainer.facts["balance"]["corpora"] == "weights"
