"""What a training does to a model, and what it refuses."""

import math

import numpy as np
import pytest
import torch

from ser_tl.data.batching import UtteranceDataset, collate
from ser_tl.data.splits import Split
from ser_tl.errors import ConfigError, SplitError
from ser_tl.inference.scoring import score_clips
from ser_tl.model import EmotionModel
from ser_tl.runtime.processes import build_accelerator, build_evaluation_pass
from ser_tl.training import TrainConfig, Trainer, seed_everything
from ser_tl.training.epoch_runner import OPTIMIZERS
from ser_tl.training.loop import score_dev
from ser_tl.training.progress import Progress, rate_factor
from ser_tl.transfer import Frozen, Full
from tests.training.samples import BRIEF, tiny_model, tone_corpus, tone_split, train_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> Split:
    return tone_split(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Split:
    return tone_split(tmp_path_factory.mktemp("small"), takes=1)


def test_tones_are_learned_and_the_best_epoch_is_put_back(split):
    trainer = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=8))
    history = trainer.fit(split.train, split.dev)
    assert trainer.evaluate(split.test).uar > 0.8
    best = max(history, key=lambda record: (record["dev_uar"], -record["dev_loss"]))
    assert [record["epoch"] for record in history if record["best"]] == [best["epoch"]]
    again = score_dev(trainer.training)
    assert again["dev_loss"] == pytest.approx(best["dev_loss"], abs=1e-6)


def test_one_seed_gives_one_result_and_another_seed_another(small):
    def probabilities(seed):
        trainer = Trainer(tiny_model(seed=seed), Full(), train_config(**(BRIEF | {"epochs": 1})), seed=seed)
        trainer.fit(small.train, small.dev)
        return trainer.evaluate(small.test).predictions.probabilities

    first = probabilities(3)
    assert np.array_equal(first, probabilities(3))
    assert not np.array_equal(first, probabilities(4))


@pytest.mark.exhaustive
def test_accumulated_batches_make_the_step_of_one_large_batch(small, monkeypatch):
    """Uneven batches and class weights included: the gradient is that of the mean over all utterances."""
    plain = lambda groups, weight_decay: torch.optim.SGD(groups, weight_decay=weight_decay)  # noqa: E731
    monkeypatch.setitem(OPTIMIZERS, "adamw", plain)  # Adam's first step keeps but the gradient's signs

    def trained(**changes):
        model = tiny_model(dropout=0.0)
        model.head.layers[1].p = model.head.layers[4].p = 0.0
        config = train_config(epochs=1, clip=0.0, warmup=0.0, schedule="constant", **changes)
        Trainer(model, Full(), config).fit(small.train, small.dev)
        return model.state_dict()

    several, large = trained(batch_seconds=2.0, accumulate=1000), trained(batch_seconds=1000.0)
    start = tiny_model(dropout=0.0).state_dict()
    assert any((large[name] - start[name]).abs().max() > 1e-4 for name in large if name.startswith("head"))
    learned = [name for name in large if not name.startswith(("standardise", "outliers."))]
    assert all(torch.allclose(several[name], large[name], atol=1e-6) for name in learned)


@pytest.mark.exhaustive
def test_training_stops_when_dev_stalls(small):
    config = train_config(epochs=30, learning_rate=1e-9, encoder_learning_rate=1e-9, patience=2, label_smoothing=0.0)
    history = Trainer(tiny_model(), Full(), config).fit(small.train, small.dev)
    stale = len(history) - next(record["epoch"] for record in history if record["best"])
    assert stale == 2 or len(history) == 30
    assert len(history) < 30 or history[-1]["dev_loss"] < history[0]["dev_loss"]


def test_states_are_standardised_over_the_training_speech(split):
    model = tiny_model()
    Trainer(model, Frozen(), train_config(epochs=1)).fit(split.train, split.dev)
    clips = UtteranceDataset(split.train, model.labels, model.audio, training=False)
    batch = collate([clips[index] for index in range(len(clips))])
    with torch.no_grad():
        hidden = model.encoder(batch.waveform, batch.lengths)
        frames = model.standardise_states(hidden.states)[:, hidden.mask]
    assert torch.allclose(frames.mean(dim=1), torch.zeros(()), atol=1e-3)
    assert torch.allclose(frames.std(dim=1).median(dim=1).values, torch.ones(()), atol=1e-2)
    assert frames.std(dim=1).max() < 1.01  # less where a channel hardly moves: its noise isn't blown up


@pytest.mark.exhaustive
def test_a_frozen_encoder_stays_as_it_was(small):
    model = tiny_model()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    Trainer(model, Frozen(), train_config(**BRIEF)).fit(small.train, small.dev)
    assert all(tensor.equal(before[name]) for name, tensor in model.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        pytest.param("adamw", "cosine", marks=pytest.mark.exhaustive),
        ("radam", "linear"),
        pytest.param("radam", "constant", marks=pytest.mark.exhaustive),
        pytest.param("adamw", "plateau", marks=pytest.mark.exhaustive),
    ],
)
def test_every_optimizer_and_schedule_trains(split, optimizer, schedule):
    config = train_config(epochs=3, optimizer=optimizer, schedule=schedule)
    history = Trainer(tiny_model(), Full(), config).fit(split.train, split.dev)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


@pytest.mark.exhaustive
def test_bf16_trains_and_agrees_with_float32_to_its_precision(small):
    losses = {
        precision: Trainer(tiny_model(), Full(), train_config(**BRIEF, precision=precision)).fit(small.train, small.dev)
        for precision in ("no", "bf16")
    }
    assert losses["bf16"][-1]["dev_loss"] == pytest.approx(losses["no"][-1]["dev_loss"], rel=0.15)
    assert losses["bf16"][-1]["dev_loss"] != losses["no"][-1]["dev_loss"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 works where there is a GPU")
def test_fp16_without_a_gpu_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="choose bf16 or no"):
        Trainer(tiny_model(), Full(), TrainConfig(precision="fp16", tracker="none"))


@pytest.mark.exhaustive
def test_curves_go_to_tensorboard(small, tmp_path):
    Trainer(tiny_model(), Full(), train_config(epochs=1, tracker="tensorboard"), tmp_path).fit(small.train, small.dev)
    assert list(tmp_path.glob("curves/events.out.tfevents.*"))


def test_a_model_is_not_scored_on_speakers_it_knows(small):
    trainer = Trainer(tiny_model(), Full(), train_config(epochs=1))
    trainer.fit(small.train, small.dev)
    with pytest.raises(SplitError, match=r"knows 1 of the 1 speakers.*--ids.*different people, .* A_1 and B_1"):
        trainer.evaluate(small.dev)


def test_emotions_unknown_to_the_model_are_refused_with_the_way_out(split):
    model = EmotionModel(tiny_model().encoder, ["anger", "neutral"])
    with pytest.raises(ConfigError, match=r"also has sadness: drop them \(emotions.drop '\[sadness\]'\)"):
        Trainer(model, Full(), train_config()).fit(split.train, split.dev)
    with pytest.raises(ConfigError, match="merge them"):
        Trainer(model, Full(), train_config()).evaluate(split.test)


def test_a_label_without_training_utterance_is_refused(split):
    model = EmotionModel(tiny_model().encoder, ["anger", "fear", "neutral", "sadness"])
    with pytest.raises(ConfigError, match="fear, of which there is no training utterance"):
        Trainer(model, Full(), train_config()).fit(split.train, split.dev)


def test_long_clips_are_cropped_in_training_and_windowed_in_evaluation(tmp_path):
    from ser_tl.data.audio import AudioConfig

    corpus = tone_corpus(tmp_path, takes=1)
    model = tiny_model()
    model.audio = AudioConfig(max_seconds=0.2)
    assert max(UtteranceDataset(corpus, model.labels, model.audio, training=True).seconds) <= 0.2
    clips = UtteranceDataset(corpus, model.labels, model.audio, training=False)
    how = build_evaluation_pass(build_accelerator(train_config(), None), train_config())
    predictions, _ = score_clips(model, corpus, clips, how)
    assert predictions.ids == list(corpus["id"])
    assert len(UtteranceDataset(corpus, model.labels, model.audio, training=False)) > len(corpus)


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", -1), ("learning_rate", 0.0), ("label_smoothing", 1.0), ("accumulate", 0), ("warmup", 1.5)],
)
def test_impossible_options_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=f"train.{field} is {value}"):
        TrainConfig(**{field: value})


def test_rates_rise_and_fall_with_the_share_of_the_training_that_is_done():
    config = TrainConfig(schedule="cosine", warmup=0.1)
    assert rate_factor(config, 0.05) == pytest.approx(0.5)
    assert rate_factor(config, 0.1) == pytest.approx(1.0)
    assert rate_factor(config, 0.55) == pytest.approx(0.5)
    assert rate_factor(config, 1.0) == pytest.approx(0.0)
    assert rate_factor(TrainConfig(schedule="linear", warmup=0.0), 0.25) == pytest.approx(0.75)
    assert rate_factor(TrainConfig(schedule="plateau", warmup=0.0), 0.9, 0.25) == 0.25


def test_the_plateau_schedule_halves_the_rates_when_dev_stalls():
    config = TrainConfig(schedule="plateau", plateau_patience=2, epochs=10, patience=0)
    progress = Progress()
    for uar in (0.5, 0.6, 0.5, 0.5, 0.5, 0.5):
        progress.end_epoch({"dev_uar": uar, "dev_loss": 1.0}, config)
    assert (progress.best_epoch, progress.scale) == (1, 0.25)


def test_equal_dev_scores_go_to_the_lower_loss(tmp_path):
    progress = Progress()
    for loss in (1.0, 0.5, 0.7):
        progress.end_epoch({"dev_uar": 0.5, "dev_loss": loss}, TrainConfig())
    assert progress.best_epoch == 1
    progress.save(tmp_path / "progress.json")
    assert Progress.load(tmp_path / "progress.json") == progress
    assert not math.isinf(progress.best[0])


def test_seeding_reaches_torch_and_numpy():
    draws = []
    for _ in range(2):
        seed_everything(7)
        draws.append((torch.rand(1).item(), np.random.rand()))
    assert draws[0] == draws[1]
