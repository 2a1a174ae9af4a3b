"""Classes alike often, clips alike often, and the same on every process."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.data.batch_plan import plan_batches
from ser_tl.data.corpus_balance import share_classes, weigh_corpora
from ser_tl.data.sampling import draw_balanced, draw_groups

UNEVEN = [0] * 7 + [1] * 3 + [2] * 12

classes = st.lists(st.integers(0, 4), min_size=1, max_size=60)
seeds = st.integers(0, 2**32 - 1)


def test_without_sampling_every_clip_comes_once():
    assert draw_balanced(UNEVEN, "none", 0, 5) == list(range(22))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(classes, st.sampled_from(["over", "under"]), seeds, st.integers(0, 30))
def test_every_class_is_as_large_as_the_largest_or_the_smallest(held, sampling, seed, epoch):
    drawn = draw_balanced(held, sampling, seed, epoch)
    size = {"over": max, "under": min}[sampling](Counter(held).values())
    assert Counter(held[clip] for clip in drawn) == dict.fromkeys(held, size)


@settings(deadline=None, max_examples=60)
@given(classes, seeds, st.integers(0, 30))
def test_oversampling_uses_each_clip_of_a_class_as_often_but_for_one(held, seed, epoch):
    times = Counter(draw_balanced(held, "over", seed, epoch))
    for number, count in Counter(held).items():
        most = max(Counter(held).values())
        own = {times[clip] for clip, other in enumerate(held) if other == number}
        assert own <= {most // count, -(-most // count)}


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(classes, seeds)
def test_undersampling_hears_all_clips_before_any_comes_again(held, seed):
    smallest = min(Counter(held).values())
    seen = Counter()
    for epoch in range(-(-len(held) // smallest)):
        drawn = draw_balanced(held, "under", seed, epoch)
        assert len(set(drawn)) == len(drawn)
        seen.update(drawn)
        for number in set(held):
            own = [seen[clip] for clip, other in enumerate(held) if other == number]
            assert max(own) - min(own) <= 1
    assert set(seen) == set(range(len(held)))


def test_another_epoch_and_another_seed_draw_other_clips_and_the_same_the_same():
    draws = {(seed, epoch): tuple(draw_balanced(UNEVEN, "under", seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(set(draws.values())) == 4
    np.random.random()
    assert tuple(draw_balanced(UNEVEN, "under", 1, 1)) == draws[1, 1]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("sampling", ["over", "under"])
def test_processes_share_what_is_drawn(sampling, processes):
    drawn = draw_balanced(UNEVEN, sampling, 3, 2)
    seconds = [1.0 + clip / 10 for clip in drawn]
    plan = plan_batches(seconds, 8.0, shuffle=(3, 2), processes=processes)
    assert {len(step) for step in plan} == {processes}
    shares = [[drawn[place] for step in plan for place in step[process]] for process in range(processes)]
    assert all(shares)
    assert Counter(clip for share in shares for clip in share) == Counter(drawn)


@pytest.mark.slow
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("xyz")), min_size=1, max_size=60),
    epoch=st.integers(0, 5),
)
def test_corpora_count_alike_within_each_class_which_keeps_its_size(rows, epoch):
    classes, corpora = [list(column) for column in zip(*rows, strict=True)]
    weights = weigh_corpora(classes, corpora)
    groups, sizes = share_classes(classes, corpora, [classes.count(number) for number in range(4)])
    drawn = Counter(rows[index] for index in draw_groups(groups, sizes, 0, epoch))
    for number in set(classes):
        homes = {home for name, home in rows if name == number}
        weighed = list(zip(weights, rows, strict=True))
        shares = [sum(weight for weight, row in weighed if row == (number, home)) for home in homes]
        assert shares == pytest.approx([classes.count(number) / len(homes)] * len(homes), rel=1e-5)
        assert {drawn[number, home] for home in homes} == {-(-classes.count(number) // len(homes))}


def test_a_small_corpus_comes_again_and_a_large_one_in_turn():
    classes, corpora = [0] * 10, ["x"] * 8 + ["y"] * 2
    groups, sizes = share_classes(classes, corpora, [10])
    epochs = [draw_groups(groups, sizes, 0, epoch) for epoch in range(8)]
    assert all(Counter(corpora[index] for index in drawn) == {"x": 5, "y": 5} for drawn in epochs)
    assert set(Counter(index for drawn in epochs for index in drawn if index < 8).values()) == {5}
