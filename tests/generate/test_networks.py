"""Shapes of both networks, what the class changes, and the phase shuffle."""

import pytest
import torch

from ser_tl.augment import BatchRng
from ser_tl.errors import ConfigError
from ser_tl.generate import WaveGanConfig
from ser_tl.generate.networks import Critic, Generator, phase_shuffle
from tests.generate.samples import tiny_config


@pytest.mark.parametrize("samples", [64, 128, 512, 16_384, 32_768])
def test_the_generator_makes_the_length_that_is_asked_for_and_the_critic_ends_with_sixteen_frames(samples):
    config = tiny_config(samples=samples, width=1)
    classes = torch.tensor([0, 2])
    made = Generator(config, 3)(torch.randn(2, 8), classes)
    assert made.shape == (2, samples)
    assert made.abs().max() <= 1
    assert Critic(config, 3)(made, classes, BatchRng(0)).shape == (2,)


@pytest.mark.slow
def test_the_papers_sizes_are_the_papers():
    config = WaveGanConfig(width=64)
    generator, critic = Generator(config, 10), Critic(config, 10)
    assert config.strides == [4, 4, 4, 4, 4]
    wide = [tuple(layer.weight.shape) for layer in generator.layers if hasattr(layer, "weight")]
    assert wide == [(1024, 512, 25), (512, 256, 25), (256, 128, 25), (128, 64, 25), (64, 1, 25)]
    assert [layer.out_channels for layer in critic.convolutions] == [64, 128, 256, 512, 1024]


def test_both_networks_hear_of_the_class():
    config = tiny_config()
    latent, one, other = torch.randn(3, 8), torch.zeros(3, dtype=torch.long), torch.ones(3, dtype=torch.long)
    generator, critic = Generator(config, 2), Critic(config, 2)
    made = generator(latent, one)
    assert not torch.allclose(made, generator(latent, other))
    assert not torch.allclose(critic(made, one, BatchRng(0)), critic(made, other, BatchRng(0)))
    assert torch.equal(critic(made, one, BatchRng(0)), critic(made, one, BatchRng(0)))


def test_phase_shuffle_moves_each_clip_by_a_few_samples_and_reflects_the_ends():
    ramp = torch.arange(10.0).expand(200, 1, 10)
    moved = phase_shuffle(ramp, 2, BatchRng(0))
    found = {tuple(row) for row in moved[:, 0].int().tolist()}
    assert found == {
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        (1, 0, 1, 2, 3, 4, 5, 6, 7, 8),
        (2, 1, 0, 1, 2, 3, 4, 5, 6, 7),
        (1, 2, 3, 4, 5, 6, 7, 8, 9, 8),
        (2, 3, 4, 5, 6, 7, 8, 9, 8, 7),
    }


@pytest.mark.parametrize(
    ("changes", "way_out"),
    [
        ({"samples": 16_000}, "wavegan.samples is 16000: expected one of 64, 128, 256"),
        ({"rate": 22_050}, "expected 4000 to 16000 Hz"),
        ({"ema": 1.0}, "wavegan.ema is 1.0: expected a decay from 0 to below 1"),
        ({"minutes": 0.0}, "wavegan.minutes is 0.0: expected more than 0"),
        ({"batch": 0}, "wavegan.batch is 0: expected 1 or more"),
        ({"phase_shuffle": 16}, "expected less than 16 samples"),
    ],
)
def test_options_that_make_no_network_are_refused(changes, way_out):
    with pytest.raises(ConfigError, match=way_out):
        WaveGanConfig(**changes)


def test_training_ends_by_steps_or_by_minutes_or_soon():
    assert WaveGanConfig(steps=5).most_minutes == float("inf")
    assert WaveGanConfig(steps=5, minutes=2.0).most_minutes == 2.0
    assert 0 < WaveGanConfig().most_minutes < 1
