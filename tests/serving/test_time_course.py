"""What an answer is made of over time, from a running server."""

import numpy as np
import pytest

from ser_tl.inference import Predictor
from ser_tl.serving.time_course import MOST_WINDOWS, plan_windows
from tests.serving.running import RATE, AttentiveSession, LoudnessSession, Running, encode, form, tone

RISING = np.concatenate([np.zeros(2 * RATE), tone(1.5, level=0.05), tone(1.5, level=0.9)])
PATH = "/v1/predict?over_time=true"


def test_without_attention_the_model_is_asked_about_each_short_window_alone():
    session = LoudnessSession()
    with Running(session) as server:
        plain = server.post(encode(RISING)).json
        answer = server.post(encode(RISING), PATH).json
        course = answer.pop("over_time")
        assert answer == plain
    assert (course["kind"], course["seconds"], course["step"], course["weights"]) == ("windows", 1.0, 0.25, [])
    windows = [RISING[round(RATE * start) : round(RATE * end)] for start, end in plan_windows(5.0)]
    expected = Predictor(session).predict(windows)
    for label in session.labels:
        assert course["probabilities"][label] == [
            pytest.approx(one.probabilities[label], abs=1e-3) if one.speech else None for one in expected
        ]
    assert course["probabilities"]["loud"][:3] == [None] * 3  # silence
    assert course["dimensions"]["arousal"][-1] > course["dimensions"]["arousal"][5]


def test_attention_is_what_the_predictor_gives():
    session = AttentiveSession(max_seconds=12.0)
    with Running(session) as server:
        course = server.post(encode(RISING), PATH).json["over_time"]
    expected = Predictor(session).predict(encode(RISING), attention=True)[0]
    assert (course["kind"], course["seconds"], course["step"]) == ("attention", 0.02, 0.02)
    assert course["weights"] == pytest.approx(expected.attention[0].tolist(), abs=1e-6)
    assert (course["probabilities"], course["dimensions"]) == ({}, {})


def test_attention_over_the_windows_of_a_long_recording_adds_up_to_one():
    session = AttentiveSession(max_seconds=4.0)
    with Running(session) as server:
        content = encode(np.concatenate([tone(14.0, level=0.01), tone(1.0, level=0.9)]))
        course = server.post(content, PATH).json["over_time"]
    assert len(course["weights"]) <= 400
    assert sum(course["weights"]) == pytest.approx(1)
    assert len(course["weights"]) * course["step"] == pytest.approx(15.0, abs=course["step"])
    last = sum(course["weights"][-round(1.0 / course["step"]) :])
    assert last == pytest.approx(0.25, abs=0.01)  # one window of four, nearly all of whose weight is there


def test_attention_of_a_model_in_torch():
    from ser_tl.inference.torch_session import TorchSession
    from tests.export.samples import sample_model

    session = TorchSession(sample_model())
    content = encode(np.random.default_rng(0).normal(0, 0.1, 2 * RATE))
    with Running(sessions={"tiny": session}) as server:
        course = server.post(content, PATH).json["over_time"]
    expected = Predictor(session).predict(content, attention=True)[0]
    frames = len(expected.attention[0])
    assert course["weights"][:frames] == pytest.approx(expected.attention[0].tolist(), abs=1e-6)
    assert sum(course["weights"][frames:]) == 0


def test_several_files_short_ones_silence_and_damage():
    with Running(AttentiveSession()) as server:
        files = {"short": encode(tone(0.3)), "silent": encode(np.zeros(RATE)), "broken": b"no audio"}
        body, kind = form(*files.items())
        short, silent, broken = server.post(body, PATH, Content_Type=kind).json["predictions"]
        assert sum(short["over_time"]["weights"]) == pytest.approx(1)
        assert (silent["speech"], "over_time" in silent, "error" in broken) == (False, False, True)
    with Running() as server:
        course = server.post(encode(tone(0.3)), PATH).json["over_time"]
        assert (course["seconds"], len(course["probabilities"]["loud"])) == (0.3, 1)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 1.1, 7.3, 61.0, 600.0])
def test_short_windows_cover_a_recording_and_are_bounded(seconds):
    spans = plan_windows(seconds)
    assert len(spans) <= MOST_WINDOWS
    assert (spans[0][0], spans[-1][1]) == (0.0, pytest.approx(seconds))
    assert all(end - start == pytest.approx(min(1.0, seconds)) for start, end in spans)


def test_a_query_is_checked_and_what_it_leaves_out_has_its_default():
    clip = encode(tone())
    with Running() as server:
        refused = server.post(clip, "/v1/predict?over_time=perhaps")
        assert (refused.status, "over_time" in refused.json["error"]) == (422, True)
        plain = server.post(clip).json
        assert server.post(clip, "/v1/predict?other=1&over_time=false").json == plain
        assert server.post(clip, "/v1/predict?over_time=true").json.keys() == plain.keys() | {"over_time"}
        assert server.post(clip, "/v1/predict?model=other").status == 404
