"""What is taught to which state, at which time, and what it costs not to know it."""

import math

import pytest
import torch

from ser_tl.distill.distill_config import DistillConfig
from ser_tl.distill.feature_loss import FeatureDistillationLoss, align_states, match_layers
from ser_tl.errors import ConfigError
from tests.distill.samples import small_student
from tests.encoders.tiny import DIM, tiny


def lessons(student=None, **options):
    return FeatureDistillationLoss(tiny("whisper"), student or small_student(), DistillConfig(**options))


def test_the_loss_is_its_formula():
    made = lessons(layers=[1], pairs={1: 1}, heads="identity", targets="normed", cosine=0.5)
    taught, said = torch.randn(2, 1, 3, DIM)
    mask = torch.tensor([[True, True, False]])
    (loss,), (cosine,) = made({1: taught}, {1: said}, mask, [0])
    expected, found = [], []
    for target, own in zip(taught[0, :2].tolist(), said[0, :2].tolist(), strict=True):
        rows = []
        for row in (target, own):
            mean = sum(row) / DIM
            deviation = math.sqrt(sum((x - mean) ** 2 for x in row) / DIM + 1e-5)
            rows.append([(x - mean) / deviation for x in row])
        dot = sum(a * b for a, b in zip(*rows, strict=True))
        found.append(dot / math.prod(math.sqrt(sum(x * x for x in row)) for row in rows))
        distance = sum(abs(a - b) for a, b in zip(*rows, strict=True)) / DIM
        expected.append(distance + 0.5 * math.log(1 + math.exp(-found[-1])))
    assert float(loss) == pytest.approx(sum(expected) / 2, abs=1e-5)
    assert float(cosine) == pytest.approx(sum(found) / 2, abs=1e-5)


def test_padding_costs_nothing():
    made = lessons(layers=[1], pairs={1: 1})
    taught, said = torch.randn(2, 2, 5, DIM)
    mask = torch.arange(5) < torch.tensor([5, 3])[:, None]
    before, _ = made({1: taught}, {1: said}, mask, [0])
    taught[1, 3:], said[1, 3:] = 100.0, -100.0
    after, _ = made({1: taught}, {1: said}, mask, [0])
    assert before.item() == after.item()


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(None, [(0, 0), (1, 1), (2, 1), (3, 2)]), ([1, 3], [(1, 1), (3, 2)]), ([0], [(0, 0)]), ([3], [(3, 2)])],
)
def test_states_are_spread_over_the_students(layers, expected):
    assert [tuple(pair) for pair in match_layers(DistillConfig(layers=layers), 4, 3)] == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layers": [4]}, r"expected some of the teacher's states, each once, numbered 0 to 3"),
        ({"layers": [1, 1]}, "each once"),
        ({"pairs": {1: 3}}, "the student has the states 0 to 2"),
        ({"layers": [1], "pairs": {2: 1}}, "leave one of the two out"),
        ({"layers": [1], "freeze_steps": 5}, "add a pair"),
    ],
)
def test_pairs_that_cannot_be_are_told(options, told):
    with pytest.raises(ConfigError, match=told):
        match_layers(DistillConfig(**options), 4, 3)


def test_states_that_cannot_be_the_teachers_are_told():
    with pytest.raises(ConfigError, match=r"several of the teacher's at once.*choose linear"):
        lessons(pairs={1: 1, 2: 1}, heads="identity")
    with pytest.raises(ConfigError, match=r"32 wide and the teacher's 16: choose linear, or .*hidden_size 16"):
        lessons(small_student(hidden_size=32), pairs={1: 1}, heads="identity")


def test_layers_above_a_raw_front_end_hear_the_teachers_own_scale():
    """Else folding the scale in afterwards would change what trained layers hear."""
    student = small_student().eval()
    made = lessons(student, pairs={0: 0, 1: 1}, heads="identity", targets="raw")
    taught = {layer: 3.0 + 5.0 * torch.randn(2, 30, DIM) for layer in (0, 1)}
    losses, cosines = made(taught, dict(taught), torch.ones(2, 30, dtype=torch.bool), [0, 1])
    torch.testing.assert_close(cosines, torch.ones(2))
    torch.testing.assert_close(losses, torch.full((2,), math.log(1 + math.exp(-1))))
    heard = torch.randn(1, 8000), torch.tensor([8000])
    before = student(*heard).states
    made.fold_scale(student)
    assert torch.equal(student(*heard).states, before)


def test_frames_of_one_rate_stand_side_by_side():
    states, mask = torch.randn(2, 1, 10, 3), torch.ones(1, 10, dtype=torch.bool)
    found, inside = align_states(states, mask, torch.ones(1, 9, dtype=torch.bool), 1.0)
    assert torch.equal(found, states[:, :, :9])
    assert inside.all()


def test_frames_of_other_rates_are_interpolated_in_time():
    times = torch.arange(10.0)[None, None, :, None]  # the teacher's frames tell their own time
    mask = torch.arange(10) < 7
    for ratio in (0.5, 1.5, 2.0):
        found, inside = align_states(times, mask[None], torch.ones(1, 6, dtype=torch.bool), ratio)
        expected = torch.arange(6) * ratio
        assert inside[0].tolist() == (expected <= 6).tolist()
        torch.testing.assert_close(found[0, 0, inside[0], 0], expected[inside[0]])


def test_the_scale_of_raw_targets_is_measured_once():
    made = lessons(small_student(), pairs={0: 0, 1: 1}, heads="identity", targets="raw")
    mask = torch.ones(1, 30, dtype=torch.bool)
    first, other = ({layer: torch.randn(1, 30, DIM) + layer for layer in (0, 1)} for _ in range(2))
    assert made.measure_scale(first, mask, [0])
    scale = made.centre[0].clone()
    torch.testing.assert_close(scale, first[0][0].mean(dim=0))
    assert not made.measure_scale(other, mask, [0])
    assert made.measure_scale(other, mask, [0, 1])
    assert torch.equal(made.centre[0], scale)
    assert not lessons(layers=[1], pairs={1: 1}).measure_scale(first, mask, [0])  # normed targets have none
