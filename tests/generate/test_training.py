"""What a training hears, the gradient penalty, and a kill that leaves no trace."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from ser_tl.augment import BatchRng
from ser_tl.errors import CheckpointError, ConfigError, SplitError
from ser_tl.generate import WaveGan, WaveGanTrainer
from ser_tl.generate.networks import Generator
from ser_tl.generate.wgan_gp import WganGp
from ser_tl.generate.windows import TrainingWindows, cut_window
from ser_tl.runtime.processes import build_accelerator
from ser_tl.training import TrainConfig
from tests.generate.samples import tiny_config
from tests.training.samples import tone_split, uneven_split

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    """They take longer than these trainings; the recipe's test draws them."""
    for name in ("adversaries_picture", "sample_sheet"):
        monkeypatch.setattr(f"ser_tl.generate.trainer.plots.{name}", lambda *args, **options: None)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"))


def adversaries(config, classes=3, seed=0):
    gan = WaveGan(config, [str(number) for number in range(classes)], seed=seed)
    return WganGp(gan.generator, config, classes, seed, build_accelerator(TrainConfig(), None))


class Slope(nn.Module):
    """A critic whose gradient is the same everywhere."""

    def __init__(self, norm):
        super().__init__()
        self.weight = nn.Parameter(torch.full((256,), norm / 16))

    def forward(self, waveform, classes, draws):
        return waveform @ self.weight


@pytest.mark.parametrize("norm", [0.0, 1.0, 3.0])
def test_the_penalty_is_the_squared_distance_of_the_gradients_norm_from_one(norm):
    both = adversaries(tiny_config())
    both.critic = Slope(norm)
    clips, classes = torch.randn(2, 5, 256), torch.zeros(5, dtype=torch.long)
    penalty = both._penalty(*clips, classes, BatchRng(0))
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-5)
    if norm:
        penalty.backward()  # a gradient of a gradient reaches the weights
        assert both.critic.weight.grad.norm() == pytest.approx(2 * abs(norm - 1), abs=1e-4)


@pytest.mark.exhaustive
def test_the_critic_learns_to_tell_and_the_generator_follows():
    config = tiny_config(learning_rate=3e-3, phase_shuffle=0)
    both = adversaries(config, 1)
    real = 0.5 * torch.sin(torch.arange(256) * 0.3).expand(8, 256)
    classes = torch.zeros(8, dtype=torch.long)
    told = [both.critic_step(real, classes, BatchRng(1, step))["distance"] for step in range(60)]
    assert told[-1] > told[0] + 0.1
    before = [weight.clone() for weight in both.critic.parameters()]
    losses = [both.generator_step(classes, BatchRng(2, step), step + 1)["generator_loss"] for step in range(40)]
    assert losses[-1] < losses[0] - 0.01
    assert all(torch.equal(old, new) for old, new in zip(before, both.critic.parameters(), strict=True))
    assert all(weight.requires_grad for weight in both.critic.parameters())


def test_the_average_follows_the_generator_and_without_it_is_the_generator():
    for ema, same in ((0.9, False), (0.0, True)):
        both = adversaries(tiny_config(ema=ema))
        for step in range(1, 4):
            both.generator_step(torch.zeros(4, dtype=torch.long), BatchRng(step), step)
        pairs = list(zip(both.averaged.parameters(), both.generator.parameters(), strict=True))
        assert all(torch.equal(kept, now) for kept, now in pairs) is same


def test_only_training_clips_are_heard_each_class_as_often(tmp_path):
    split = uneven_split(tmp_path)
    windows = TrainingWindows(split.train, ["anger", "neutral", "sadness"], tiny_config())
    assert [len(own) for own in windows.by_class] == [12, 8, 4]
    _, classes = windows.draw(3000, BatchRng(0))
    assert all(900 < count < 1100 for count in classes.bincount().tolist())
    waveform, again = (windows.draw(4, BatchRng(1))[0] for _ in range(2))
    assert waveform.shape == (4, 256)
    assert torch.equal(waveform, again)
    assert 0.95 < max(np.abs(clip).max() for own in windows.by_class for clip in own) <= 1.0


def test_windows_begin_anywhere_and_short_clips_have_silence_around_them():
    clip = np.arange(1.0, 11.0)
    assert cut_window(clip, 4, 0.0).tolist() == [1, 2, 3, 4]
    assert cut_window(clip, 4, 1.0).tolist() == [7, 8, 9, 10]
    assert cut_window(clip[:2], 5, 0.0).tolist() == [1, 2, 0, 0, 0]
    assert cut_window(clip[:2], 5, 1.0).tolist() == [0, 0, 0, 1, 2]
    assert cut_window(clip[:2], 2, 0.7).tolist() == [1, 2]


def weights(gan):
    return torch.cat([weight.flatten() for weight in gan.generator.parameters()])


def test_a_killed_training_ends_as_one_that_was_not(split, tmp_path, monkeypatch):
    whole = WaveGanTrainer(tiny_config(steps=6), tmp_path / "whole")
    first = whole.fit(split)
    step = WganGp.generator_step

    def dies(self, classes, draws, number):
        if number == 6:
            raise KeyboardInterrupt
        return step(self, classes, draws, number)

    monkeypatch.setattr(WganGp, "generator_step", dies)
    with pytest.raises(KeyboardInterrupt):
        WaveGanTrainer(tiny_config(steps=6, log_every=1), tmp_path / "killed").fit(split)
    monkeypatch.undo()
    lines = (tmp_path / "killed" / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 5  # beyond the last state
    with (tmp_path / "killed" / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "sec')  # a line cut by the kill
    resumed = WaveGanTrainer(tiny_config(steps=6), tmp_path / "killed")
    again = resumed.fit(split, resume=True)
    assert torch.equal(weights(again), weights(first))
    assert [record["step"] for record in resumed.history] == [1, 2, 3, 4, 6]
    timeless = [{key: value for key, value in run.history[-1].items() if key != "seconds"} for run in (whole, resumed)]
    assert timeless[0] == timeless[1]
    assert not list((tmp_path / "killed").glob("*.part"))


def test_a_resumed_training_may_be_longer_but_not_another(split, tmp_path):
    WaveGanTrainer(tiny_config(steps=2), tmp_path).fit(split)
    longer = WaveGanTrainer(tiny_config(steps=4), tmp_path)
    longer.fit(split, resume=True)
    assert longer.step == 4
    with pytest.raises(CheckpointError, match=r"other values of width: resume with the same ones, or start anew"):
        WaveGanTrainer(tiny_config(width=4), tmp_path).fit(split, resume=True)
    (tmp_path / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="delete it to train from the beginning"):
        WaveGanTrainer(tiny_config(), tmp_path).fit(split, resume=True)


def test_minutes_end_a_training(split, tmp_path):
    trainer = WaveGanTrainer(tiny_config(steps=None, minutes=1e-4, save_every=1000), tmp_path)
    trainer.fit(split)
    assert trainer.step == 1  # the first takes more than six milliseconds
    assert (tmp_path / "state.safetensors").is_file()


def test_a_generator_is_kept_with_all_it_takes(split, tmp_path):
    gan = WaveGanTrainer(tiny_config(), tmp_path).fit(split)
    loaded = WaveGan.load(tmp_path / "generator.safetensors")
    clips = gan.sample("anger", 3, seed=1)
    assert clips.shape == (3, 256)
    assert np.array_equal(clips, loaded.sample("anger", 3, seed=1))
    assert np.array_equal(clips[:2], gan.sample("anger", 2, seed=1))
    assert not np.array_equal(clips, gan.sample("sadness", 3, seed=1))
    with pytest.raises(ConfigError, match="which has anger, neutral, sadness"):
        gan.sample("joy", 1)
    with pytest.raises(CheckpointError, match=r"expected the generator\.safetensors of a run"):
        WaveGan.load(tmp_path / "state.safetensors")


def test_the_seed_decides_the_first_weights_and_leaves_other_draws_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    pair = [Generator.state_dict(WaveGan(tiny_config(), ["a"], seed=5).generator) for _ in range(2)]
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(pair[0][name], pair[1][name]) for name in pair[0])


def test_half_floats_of_a_kind_that_cannot_hold_the_penalty_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="choose bf16 or no"):
        WaveGanTrainer(tiny_config(), tmp_path, TrainConfig(precision="fp16"))


def test_synthetic_clips_are_no_food_for_a_generator(split):
    row = split.train.select([0]).remove_columns("speaker").add_column("speaker", ["synthetic"])
    with pytest.raises(SplitError, match="leave `synthetic` out"):
        TrainingWindows(row, ["anger"], tiny_config())
