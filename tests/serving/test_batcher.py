"""What goes through a model together, and in which order."""

import asyncio

import numpy as np
import pytest

from ser_tl.data.audio import Window
from ser_tl.serving.admission import Admission
from ser_tl.serving.batcher import Batcher
from ser_tl.serving.request_error import RequestError
from tests.serving.running import LoudnessSession


def windows(*lengths, level=0.5):
    return [Window(0.0, length / 16_000, np.full(length, level, np.float32)) for length in lengths]


def batches_of(jobs, most=4, cancel=(), batch_seconds=None):
    """The lengths in each batch, where all jobs wait behind a first one."""
    session = LoudnessSession()
    if batch_seconds is not None:
        session.batch_seconds = batch_seconds
    session.gate.clear()

    async def run():
        batcher = Batcher(most, lambda size, seconds: None)
        batcher.start()
        first = asyncio.create_task(batcher.answer(session, windows(77)))
        while not session.entered.is_set():
            await asyncio.sleep(0.001)
        tasks = [asyncio.create_task(batcher.answer(session, job)) for job in jobs]
        await asyncio.sleep(0.01)
        for index in cancel:
            tasks[index].cancel()
        await asyncio.sleep(0.01)
        session.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        await batcher.close()
        return answers

    answers = asyncio.run(run())
    return answers, session.batches[1:]


def test_like_lengths_go_together_the_longest_waiting_first():
    jobs = [windows(length) for length in (1000, 3000, 1100, 9000, 2900, 900, 1200, 1240)]
    answers, batches = batches_of(jobs)
    assert batches == [[1000, 1100, 900, 1200], [3000, 2900], [9000], [1240]]
    assert all(len(answer) == 1 for answer in answers)


def test_where_only_short_windows_are_cheaper_together_long_ones_go_alone():
    jobs = [windows(length) for length in (4000, 16_000, 4100, 16_100, 40_000, 4200, 40_000)]
    _, batches = batches_of(jobs, batch_seconds=0.6)
    assert batches == [[4000, 4100], [16_000], [16_100], [40_000], [4200], [40_000]]


def test_a_long_recording_doesnt_hold_up_short_ones():
    answers, batches = batches_of([windows(*[1000] * 10), windows(1001), windows(1002)], most=3)
    assert batches[0] == [1000, 1001, 1002]
    assert len(answers[0]) == 10
    assert sum(map(len, batches)) == 12


def test_answers_are_in_the_windows_order():
    levels = [0.1, 0.9, 0.5, 0.2, 0.7]
    job = [one for level in levels for one in windows(1000, level=level)]
    (answers,), _ = batches_of([job], most=2)
    assert [float(answer.dimensions[0]) for answer in answers] == pytest.approx(
        [20 * level for level in levels], rel=1e-4
    )


def test_who_has_gone_isnt_computed_for():
    answers, batches = batches_of([windows(1000), windows(1001), windows(1002)], cancel=(1,))
    assert batches == [[1000, 1002]]
    assert isinstance(answers[1], asyncio.CancelledError)


def test_only_the_window_that_the_model_fails_at_fails():
    answers, batches = batches_of([windows(1000), windows(1001, level=0.123), windows(1002)])
    assert [type(answer) for answer in answers] == [list, RuntimeError, list]
    assert batches[1:] == [[1000], [1001], [1002]]


def test_memory_that_an_ended_request_asks_for_is_refused_and_nothing_leaks():
    admission = Admission(2, 100)
    with admission.admit() as hold:
        hold.reserve(60)
        with admission.admit() as other, pytest.raises(RequestError, match="memory"):
            other.reserve(50)
    with pytest.raises(RequestError, match="has ended"):
        hold.reserve(1)
    assert (admission.reserved, admission.requests) == (0, 0)
