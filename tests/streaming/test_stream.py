"""A stream's answers: the Predictor's for the same windows, whatever the chunks; in bounded memory; and its states."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference import Predictor
from ser_tl.streaming import StreamingPredictor
from tests.streaming.sounds import RATE, LevelSession, chunks, conversation, pause, voiced
from tests.test_model import build

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return build(audio=AudioConfig(max_seconds=2.0), pooling="stats")


def stream_of(model, **options):
    return StreamingPredictor(model, **({"voice": "energy", "smoothing": "none", "window": 1.5} | options))


def run(stream, samples, rate=RATE, sizes=(10**9,)):
    updates = [update for block in chunks(samples, sizes) for update in stream.feed(block, rate)]
    return updates + stream.flush()


def values(answer):
    return np.array(list(answer.probabilities.values()))


@settings(max_examples=8, deadline=None)
@given(
    rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 500),
    parts=st.tuples(st.floats(0.3, 2.6), st.floats(0.1, 0.8), st.floats(0.2, 1.2)),
    cut=st.sampled_from(["turn", "sliding"]),
)
def test_a_hop_is_answered_as_the_predictor_answers_its_window_whatever_the_chunks(model, rate, sizes, parts, cut):
    signal = conversation(*parts, 0.4, rate=rate)
    updates = run(stream_of(model, cut=cut), signal, rate, sizes)
    assert updates == run(stream_of(model, cut=cut), signal, rate)
    whole = signal if rate == RATE else np.clip(soxr.resample(signal, rate, RATE), -1, 1)
    times = [update.time for update in updates if update.kind == "partial"]
    assert times == [pytest.approx(0.2 * (number + 1)) for number in range(int(len(whole) / RATE / 0.2))]
    predictor = Predictor(model)
    answered = [update for update in updates if update.label]
    assert answered or parts[0] < 0.7
    windows = [whole[round(update.start * RATE) : round(update.end * RATE)] for update in answered]
    for update, expected in zip(answered, predictor.predict(windows), strict=True):
        assert values(update) == pytest.approx(values(expected), abs=1e-4)
        assert update.label == expected.label or np.ptp(values(expected)) < 1e-3


def test_a_turn_begins_its_windows_and_a_final_ends_it(model):
    stream = stream_of(model)
    updates = run(stream, conversation(2.0, 0.6, 0.9, 0.5, 0.0, 0.5))
    partials = [update for update in updates if update.kind == "partial"]
    first = [update for update in partials if update.time < 2.05]
    assert {update.start for update in first if update.time <= 1.5} == {0.0}
    assert [update.label != "" for update in first] == [False, False] + [True] * 8
    assert all(update.speech for update in first[1:])
    second = [update for update in partials if 2.75 < update.time < 3.5]
    assert {round(update.start, 1) for update in second} == {2.6}
    assert not next(update for update in partials if update.time == pytest.approx(2.4)).speech
    finals = [update for update in updates if update.kind == "final"]
    assert [(round(one.start, 1), round(one.end, 1)) for one in finals] == [(0.0, 2.0), (2.6, 3.5)]
    assert finals[0].time == pytest.approx(2.3, abs=0.05)


def test_sliding_windows_begin_where_they_do(model):
    updates = run(stream_of(model, cut="sliding"), conversation(2.0, 0.6, 0.9))
    assert {round(one.end - one.start, 3) for one in updates if one.kind == "partial" and one.time > 1.6} == {1.5}


def test_a_long_turn_is_cut_and_the_windows_go_on():
    session = LevelSession()
    stream = StreamingPredictor(session, voice="energy", longest_turn=5.0, smoothing="none")
    updates = run(stream, voiced(12.0))
    finals = [(round(one.start), round(one.end)) for one in updates if one.kind == "final"]
    assert finals == [(0, 5), (5, 10), (10, 12)]
    late = [one for one in updates if one.kind == "partial" and one.time > 3.1]
    assert {round(one.end - one.start, 6) for one in late} == {3.0}
    assert stream.turns.buffer.stop - stream.turns.buffer.start < 8 * RATE


@pytest.mark.exhaustive
def test_memory_and_time_do_not_grow_with_the_stream():
    stream = StreamingPredictor(LevelSession(), voice="energy", hop=1.0, shortest=0.5, window=1.0, longest_turn=4.0)
    minute, sizes = conversation(8.0, 1.0, 20.0, 6.0, 20.0, 5.0, rate=44_100), set()
    for _ in range(10):
        updates = stream.feed(minute, 44_100)
        sizes.add(len(stream.turns.buffer._samples))
    assert max(sizes) < 12 * RATE
    assert stream.time == 10 * 60.0
    assert updates[-1].time == pytest.approx(599, abs=1.01)
    assert stream.resampler.pending < 0.1
    assert stream.late_hops == 0


def test_a_stream_begins_anew_after_reset(model):
    stream, signal = stream_of(model), conversation(1.4, 0.5)
    first = run(stream, signal)
    stream.reset()
    assert run(stream, signal) == first


def test_a_stream_goes_on_after_flush_in_the_same_clock(model):
    stream = stream_of(model)
    run(stream, voiced(1.3))
    updates = run(stream, voiced(1.3))
    assert updates[-1].kind == "final"
    assert updates[-1].start == pytest.approx(1.3, abs=0.1)
    assert updates[-1].end == pytest.approx(2.6, abs=0.05)


def test_rates_that_change_in_mid_stream_change_neither_time_nor_turns(model):
    stream, updates, fed = stream_of(model), [], 0
    for number, rate in enumerate([8000, 44_100, 16_000, 48_000, 22_050] * 3):
        block = voiced(0.1371, rate)
        fed += len(block) / rate
        updates += stream.feed(block, rate)
        assert stream.time == pytest.approx(fed, abs=1e-9)
        assert stream.resampler.pending < 0.1
        assert number >= 0
    updates += stream.flush()
    assert abs(stream.turns.buffer.stop / RATE - fed) < 1 / RATE
    assert [one.kind for one in updates].count("final") == 1
    assert [one.time for one in updates if one.kind == "partial"] == pytest.approx([0.2 * n for n in range(1, 11)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_a_gap_and_the_stream_goes_on(model, bad):
    stream = stream_of(model)
    before = stream.feed(voiced(1.4), RATE)
    block = voiced(0.5)
    block[100] = bad
    gap = stream.feed(block, RATE)
    after = stream.feed(voiced(1.4), RATE)
    assert before[-1].label
    assert [one.kind for one in gap][-2:] == ["final", "gap"]
    assert (gap[-1].start, gap[-1].end) == pytest.approx((1.4, 1.9))
    assert "NaN" in gap[-1].reason
    assert stream.lost_seconds == 0.5
    assert next(one.start for one in after if one.label) == pytest.approx(1.9, abs=0.05)  # no window spans the gap
    assert after[-1].label


def test_a_device_that_was_away_leaves_a_gap_and_a_clock_that_was_set_none(model):
    stream = stream_of(model)
    clock = 1_000.0
    for _ in range(10):
        assert not any(one.kind == "gap" for one in stream.feed(voiced(0.1), RATE, captured=clock))
        clock += 0.1 + 0.004  # a device that runs slow, by 4 %: never a gap
    clock += 2.0
    gap = next(one for one in stream.feed(voiced(0.1), RATE, captured=clock) if one.kind == "gap")
    assert gap.end - gap.start == pytest.approx(2.0, abs=0.05)
    assert "captured" in gap.reason
    for jump in (-500.0, 1e6):
        clock += 0.1 + jump
        assert not any(one.kind == "gap" for one in stream.feed(voiced(0.1), RATE, captured=clock))
    assert stream.clock_jumps == 2
    with pytest.raises(AudioError, match="finite"):
        stream.feed(voiced(0.1), RATE, captured=float("nan"))


@pytest.mark.parametrize(
    ("samples", "rate", "match"),
    [
        (np.zeros(10, complex), RATE, "type complex"),
        (np.zeros((2, 3, 4)), RATE, "shape"),
        (np.full(10, 2000.0), RATE, "full scale"),
        (np.zeros(10), 0, "rate"),
        (np.zeros(10), float("nan"), "rate"),
        (np.zeros(10), "fast", "rate"),
    ],
)
def test_what_is_no_block_is_refused_and_leaves_the_stream_as_it_was(model, samples, rate, match):
    stream, reference, signal = stream_of(model), stream_of(model), voiced(1.2)
    stream.feed(signal[:8000], RATE)
    with pytest.raises(AudioError, match=match):
        stream.feed(samples, rate)
    assert stream.feed(signal[8000:], RATE) == run(reference, signal)[2:-1]


def test_blocks_of_every_kind_are_taken(model):
    signal = voiced(1.0)
    integers = np.round(signal * 32768).astype(np.int16)
    expected = run(stream_of(model), integers / np.float32(32768))
    for block in (integers, np.stack([integers, integers], axis=1), integers.astype(np.float64) / 32768):
        found = run(stream_of(model), block)
        assert [values(one) for one in found if one.label] == [
            pytest.approx(values(one), abs=1e-5) for one in expected if one.label
        ]
    assert stream_of(model).feed([], RATE) == []


def test_late_hops_are_left_out_and_counted(model):
    stream = stream_of(model)
    updates = stream.feed(voiced(1.0), RATE, late="skip")
    assert [one.time for one in updates] == [1.0]
    assert stream.late_hops == 4


def test_silence_is_no_speech(model):
    updates = run(stream_of(model), pause(2.0))
    assert {(one.kind, one.label, one.speech) for one in updates} == {("partial", "", False)}


def test_smoothing_begins_anew_with_each_turn():
    loud, quiet = voiced(1.0, level=0.6), voiced(1.0, level=0.06)
    signal = np.concatenate([loud, pause(0.6), quiet])
    plain, calm = (
        [one for one in run(StreamingPredictor(LevelSession(), voice="energy", smoothing=how), signal) if one.label]
        for how in ("none", "ema:0.1")
    )
    first = next(number for number, one in enumerate(calm) if one.time > 1.6)
    assert calm[first].probabilities == plain[first].probabilities
    assert calm[2].probabilities["loud"] == pytest.approx(calm[1].probabilities["loud"], abs=0.1)


@pytest.mark.parametrize(
    "options",
    [{"hop": 0}, {"window": 0.2}, {"window": 20.0}, {"smoothing": "mean"}, {"smoothing": "vote:1"}, {"cut": "word"},
     {"voice": "ear"}, {"longest_turn": 0.0}, {"hangover": -1.0}, {"smoothing": "ema:0"}, {"smoothing": "vote:x"}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError):
        StreamingPredictor(LevelSession(), **({"voice": "energy"} | options))


def test_the_bundled_model_hears_a_stream():
    stream = StreamingPredictor(voice="energy")
    assert any(one.label in stream.labels for one in stream.feed(voiced(1.0), RATE))
