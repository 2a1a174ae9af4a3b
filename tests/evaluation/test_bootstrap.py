import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.evaluation import speaker_interval
from ser_tl.evaluation.scores import mean_recall


def _speakers(recalls, each=20):
    """Confusion matrices (S, 2, 2) of speakers with these recalls in both classes."""
    hits = (np.array(recalls) * each).round().astype(int)
    return np.stack([np.array([[hit, each - hit], [each - hit, hit]]) for hit in hits])


@pytest.mark.slow
def test_it_is_what_drawing_speakers_one_by_one_gives():
    counts = np.random.default_rng(1).integers(1, 9, size=(6, 3, 3))
    draw = np.random.default_rng(2)
    slow = [float(mean_recall(counts[draw.integers(0, 6, size=6)].sum(axis=0))) for _ in range(4000)]
    fast = speaker_interval(counts, resamples=4000)
    assert [fast.low, fast.high] == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.01)
    assert (fast.level, fast.over, fast.resamples) == (0.95, "speakers", 4000)


def test_it_widens_with_the_spread_of_speakers_at_the_same_uar():
    alike, apart = _speakers([0.7] * 10), _speakers([0.4, 1.0] * 5)
    assert mean_recall(alike.sum(axis=0)) == pytest.approx(mean_recall(apart.sum(axis=0)))
    assert speaker_interval(alike).low == speaker_interval(alike).high == pytest.approx(0.7)
    assert speaker_interval(apart).high - speaker_interval(apart).low > 0.2


def test_it_narrows_with_speakers_and_not_with_utterances_a_speaker():
    few, many, long = _speakers([0.5, 0.9] * 4), _speakers([0.5, 0.9] * 40), _speakers([0.5, 0.9] * 4, each=200)
    width = {
        name: (found := speaker_interval(counts)).high - found.low
        for name, counts in {"few": few, "many": many, "long": long}.items()
    }
    assert width["many"] < width["few"] / 2
    assert width["long"] == pytest.approx(width["few"])


def test_the_seed_decides():
    counts = _speakers([0.4, 0.5, 0.7, 0.8, 0.95])
    assert speaker_interval(counts, seed=3) == speaker_interval(counts, seed=3)
    assert speaker_interval(counts, seed=3, resamples=50) != speaker_interval(counts, seed=4, resamples=50)


def test_one_speaker_has_no_interval():
    assert speaker_interval(_speakers([0.7])) is None


def test_speakers_with_one_class_each_give_finite_ends():
    counts = np.array([[[5, 1], [0, 0]], [[0, 0], [2, 4]]])
    found = speaker_interval(counts)
    assert 0 <= found.low <= found.high <= 1


@pytest.mark.parametrize("wrong", [{"level": 1}, {"level": 95}, {"resamples": 0}])
def test_options_that_give_no_interval_are_refused(wrong):
    with pytest.raises(ConfigError, match="0 < level < 1"):
        speaker_interval(_speakers([0.5, 0.6]), **wrong)


def test_a_speaker_without_utterances_is_refused():
    with pytest.raises(ConfigError, match="empty"):
        speaker_interval(np.concatenate([_speakers([0.5]), np.zeros((1, 2, 2), dtype=int)]))
