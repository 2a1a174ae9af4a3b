"""No batch of a corpus like RAVDESS is more than a tenth padding, with the batches that trainings have by default.

In evaluation none is, whatever the corpus.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.corpora import load_corpus
from ser_tl.data.batch_plan import MOST_PADDING, padding_share, plan_batches
from ser_tl.data.checks import measure_durations
from ser_tl.training import TrainConfig

pytestmark = pytest.mark.slow

BUDGET = TrainConfig().batch_seconds
ORDERS = [(seed, epoch) for seed in range(3) for epoch in range(10)]


def wasted(seconds, shuffle=None, processes=1, budget=BUDGET):
    """The largest share of padding in any batch of a plan."""
    plan = plan_batches(seconds, budget, shuffle=shuffle, processes=processes)
    return max(padding_share(seconds, [[batch]]) for step in plan for batch in step if batch)


@pytest.mark.parametrize("clips", [1440, 1200, 960])  # RAVDESS, a fold's training part, the same without dev speakers
def test_no_training_batch_of_durations_like_ravdess_is_a_tenth_padding(clips):
    # RAVDESS's mean, deviation, shortest and longest
    seconds = np.random.default_rng(0).normal(3.70, 0.34, clips).clip(2.94, 5.27)
    assert max(wasted(seconds, order, processes) for order in ORDERS for processes in (1, 2)) <= MOST_PADDING
    assert wasted(seconds, (0, 0), budget=1e6) > MOST_PADDING  # lengths do differ


def test_no_batch_of_ravdess_is_a_tenth_padding(shared):
    corpus = load_corpus("ravdess", shared("corpora/ravdess"))
    speakers, seconds = np.array(corpus["speaker"]), np.array(measure_durations(corpus))
    names = sorted(set(speakers))
    tested = [np.isin(speakers, names[first : first + 4]) for first in range(0, 24, 4)]
    parts = [seconds, *(seconds[~test] for test in tested)]
    training = max(wasted(part, order, processes) for part in parts for order in ORDERS for processes in (1, 2))
    evaluation = max(wasted(part) for part in [*parts, *(seconds[test] for test in tested)])
    assert max(training, evaluation) <= MOST_PADDING, (training, evaluation)


@settings(deadline=None, max_examples=200)
@given(
    seconds=st.lists(st.floats(0.05, 40), min_size=1, max_size=60),
    budget=st.floats(0.5, 200),
    processes=st.integers(1, 4),
)
def test_in_evaluation_no_batch_of_any_corpus_is(seconds, budget, processes):
    assert wasted(seconds, None, processes, budget) <= MOST_PADDING + 1e-9
