"""EDER against cases worked out by hand, and against SpeechBrain's definition: one minus the agreeing time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_tl.errors import ConfigError
from ser_tl.streaming import LabelSpan, measure_eder


def spans(*rows):
    return [LabelSpan(*row) for row in rows]


def test_what_is_right_has_no_error_and_what_is_missing_is_all_error():
    true = spans((0, 4, "anger"), (5, 9, "joy"))
    assert measure_eder(true, true, 10).eder == 0
    assert measure_eder(true, [], 10)[:3] == (0, 0.8, 0)
    assert measure_eder([], true, 10)[:3] == (0.8, 0, 0)


def test_each_kind_of_error_is_counted_where_it_is():
    true = spans((0, 4, "anger"), (5, 9, "joy"))
    found = spans((1, 4.5, "anger"), (5, 7, "joy"), (7, 10, "sadness"))
    error = measure_eder(true, found, 10)
    # 0-1 missed; 4-4.5 and 9-10 false alarms; 7-9 confused
    assert error == pytest.approx((0.15, 0.1, 0.2, 10))
    assert error.eder == pytest.approx(0.45)
    assert measure_eder(true, found, 10, speech_only=True) == pytest.approx((0, 1 / 8, 2 / 8, 8))


def test_neutral_can_be_the_background_as_on_zed():
    true = spans((1, 3, "angry"))
    assert measure_eder(true, spans((0, 1, "neutral"), (1, 3, "angry")), 4, background="neutral").eder == 0
    assert measure_eder(true, spans((0, 2, "neutral"), (2, 4, "angry")), 4, background="neutral").eder == 0.5


def test_overlapping_spans_meet_in_the_middle():
    true = spans((0, 5, "anger"), (5, 10, "joy"))
    assert measure_eder(true, spans((0, 6, "anger"), (4, 10, "joy")), 10).eder == 0
    assert measure_eder(true, spans((0, 6, "anger"), (4, 5, "anger"), (6, 10, "joy")), 10).eder == pytest.approx(0.1)


labelled = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from("abc")), max_size=6)


def tiled(rows):
    """Spans end to end, none overlapping: starts are made to follow each other."""
    found, end = [], 0
    for gap, length, label in rows:
        found.append(LabelSpan(end + gap / 10, end + gap / 10 + length / 10, label))
        end = found[-1].end
    return found


@pytest.mark.slow
@given(labelled, labelled)
def test_it_is_one_minus_the_time_that_agrees(first, second):
    true, found = tiled(first), tiled(second)
    seconds, steps = 12.0, 1200

    def label(rows, time):
        return next((one.label for one in rows if one.start <= time < one.end), "")

    times = [(step + 0.5) * seconds / steps for step in range(steps)]
    same = sum(label(true, time) == label(found, time) for time in times) / steps
    assert measure_eder(true, found, seconds).eder == pytest.approx(1 - same, abs=0.02)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ConfigError, match="overlap"):
        measure_eder(spans((0, 2, "a"), (1, 3, "b")), [], 4)
    with pytest.raises(ConfigError, match="before its end"):
        measure_eder([], spans((2, 1, "a")), 4)
    with pytest.raises(ConfigError, match="no time"):
        measure_eder([], [], 4, speech_only=True)
