"""Answers of a running server: whatever a request wraps recordings in, alone and in company."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError

from ser_tl.inference import Predictor
from ser_tl.serving.answers import Answer, Answers, ErrorAnswer
from ser_tl.serving.routes import PAGE
from tests.encoders.tiny import clip
from tests.serving.running import RATE, LoudnessSession, Running, encode, form, tone, wait_for
from tests.test_model import build

CLIP = encode(tone())
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def server():
    with Running(cache_answers=0) as running:
        yield running


def values(answer):
    return list(answer["probabilities"].values())


def as_json(*contents, **parameters):
    encoded = [base64.b64encode(one).decode() for one in contents]
    return json.dumps({"inputs": encoded[0] if len(encoded) == 1 else encoded, "parameters": parameters})


def test_every_wrapping_of_a_recording_gets_the_predictors_answer(server):
    (expected,) = Predictor(LoudnessSession()).predict([CLIP])
    body, kind = form(("clip.wav", CLIP))
    url = "data:audio/wav;base64," + base64.b64encode(CLIP).decode()
    asked = {
        "raw": server.post(CLIP, Content_Type="audio/wav"),
        "no content type": server.post(CLIP),
        "curl --data-binary": server.post(CLIP, Content_Type="application/x-www-form-urlencoded"),
        "form": server.post(body, Content_Type=kind),
        "json": server.post(as_json(CLIP), Content_Type="application/json; charset=utf-8"),
        "data url": server.post(json.dumps({"inputs": url}), Content_Type="application/json"),
        "by name": server.post(CLIP, "/v1/predict?model=loudness"),
    }
    for how, answered in asked.items():
        assert answered.status == 200, (how, answered.body)
        answer = Answer.model_validate_json(answered.body)
        assert answer.label == expected.label, how
        assert list(answer.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-6)
        assert (answer.calibrated, answer.abstained, answer.seconds) == (False, False, 1.0)
        assert (answer.model, answer.version) == ("loudness", "1")
        assert [(one.start, one.end) for one in answer.segments] == [(0.0, 1.0)]
        assert answer.dimensions == pytest.approx(expected.dimensions)


def test_several_files_are_answered_in_their_order_and_a_broken_one_says_why(server):
    loud, soft = encode(tone(level=0.9)), encode(tone(level=0.01))
    body, kind = form(("a.wav", loud), ("b.wav", b"RIFF nothing"), ("c.wav", soft))
    answered = server.post(body, Content_Type=kind)
    assert answered.status == 200
    Answers.model_validate_json(answered.body)
    first, broken, last = answered.json["predictions"]
    assert [one["file"] for one in (first, broken, last)] == ["a.wav", "b.wav", "c.wav"]
    assert first["label"] != last["label"]
    assert "label" not in broken
    assert "audio of 12 bytes" in broken["error"]
    assert [
        one["label"] for one in server.post(as_json(loud, soft), Content_Type="application/json").json["predictions"]
    ]


def test_silence_and_long_recordings(server):
    silent = server.post(encode(np.zeros(RATE))).json
    assert (silent["label"], silent["speech"], silent["probabilities"]) == ("", False, {})
    long = encode(np.concatenate([tone(4.0), np.zeros(3 * RATE), tone(0.3, 0.9)]))
    (expected,) = Predictor(LoudnessSession()).predict([long])
    found = server.post(long).json
    assert [one.to_dict() for one in expected.segments] == found["segments"]
    assert values(found) == pytest.approx(list(expected.probabilities.values()), abs=1e-6)


class GatedSession(LoudnessSession):
    """One whose own gate finds speech in what is loud alone, as that of an exported model does."""

    def run(self, waveform, lengths, wanted, norm=None):
        output = super().run(waveform, lengths, wanted, norm)
        return output._replace(speech=np.where(np.abs(waveform).max(axis=1) > 0.1, 1.0, 0.0))


def test_where_a_models_own_gate_finds_no_speech_there_is_no_emotion():
    session = GatedSession()
    with Running(session) as server:
        room = server.post(encode(tone(level=0.02))).json
        assert (room["label"], room["speech"], room["probabilities"]) == ("", False, {})
        mixed = encode(np.concatenate([tone(2.0, level=0.02), tone(2.0)]))
        (expected,) = Predictor(session).predict([mixed])
        found = server.post(mixed).json
        assert [one.to_dict() for one in expected.segments] == found["segments"]
        assert [one["speech"] for one in found["segments"]] == [False, True]


def test_the_hubs_own_client_works_unchanged(server, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # which forbids this machine's servers, too
    client = InferenceClient(server.url)
    found = client.audio_classification(CLIP)
    expected = server.post(CLIP).json["probabilities"]
    assert [(one.label, one.score) for one in found] == sorted(expected.items(), key=lambda item: -item[1])
    (tmp_path / "clip.wav").write_bytes(CLIP)
    assert client.audio_classification(str(tmp_path / "clip.wav")) == found
    assert client.audio_classification(CLIP, top_k=1) == found[:1]
    assert InferenceClient(f"{server.url}/models/loudness").audio_classification(CLIP) == found
    with pytest.raises(HfHubHTTPError, match="audio of 7 bytes"):
        client.audio_classification(b"nothing")
    with pytest.raises(HfHubHTTPError, match="top_k is 0"):
        client.audio_classification(CLIP, top_k=0)
    with pytest.raises(HfHubHTTPError, match="sigmoid"):
        client.audio_classification(CLIP, function_to_apply="sigmoid")
    with pytest.raises(HfHubHTTPError, match="no model is called 'other': there are loudness"):
        InferenceClient(f"{server.url}/models/other").audio_classification(CLIP)


@pytest.mark.slow
def test_the_answer_is_the_same_alone_and_in_company():
    session = Predictor(build("wav2vec2")).session
    contents = [encode(0.5 * clip(4000 + 700 * number, seed=number).numpy()) for number in range(16)]
    slow = LoudnessSession()  # holds the thread that computes, so that the others queue
    with (
        Running(slow, sessions={"tiny": session, "slow": slow}, cache_answers=0) as server,
        ThreadPoolExecutor(20) as pool,
    ):
        alone = [server.post(content).json for content in contents]
        slow.gate.clear()
        held = pool.submit(server.post, CLIP, "/v1/predict?model=slow")
        slow.entered.wait(20)
        together = [pool.submit(server.post, content) for content in contents]
        wait_for(lambda: server.service.batcher.queued == len(contents))
        slow.gate.set()
        for one, other in zip(alone, [future.result().json for future in together], strict=True):
            assert values(other) == pytest.approx(values(one), abs=1e-5)
        assert held.result().status == 200
        figures = server.ask("GET", "/metrics").body.decode()
    (batches,) = re.findall(r"^ser_tl_batch_windows_count (.*)$", figures, re.MULTILINE)
    assert float(batches) < 2 * len(contents) + 1  # so some did go together


def test_an_answer_is_found_again_by_content():
    session = LoudnessSession()
    with Running(session, cache_answers=2) as server:
        contents = [encode(tone(level=level)) for level in (0.1, 0.2, 0.3)]
        first = [server.post(content).json for content in contents]
        assert len(session.batches) == 3
        assert server.post(contents[2]).json == first[2]
        assert server.post(contents[1]).json == first[1]
        assert len(session.batches) == 3
        assert server.post(contents[0]).json == first[0]  # the oldest had gone
        assert len(session.batches) == 4
        assert "ser_tl_cache_hits_total 2.0" in server.ask("GET", "/metrics").body.decode()


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", "", "no recording"),
        (b"", "multipart/form-data; boundary=limit", "form can't be read|no recording"),
        (b"x", "multipart/form-data", "boundary"),
        (b"--limit\r\n\r\nx", "multipart/form-data; boundary=limit", "form can't be read"),
        (b"{", "application/json", "no JSON"),
        (b"[" * 100_000, "application/json", "no JSON"),
        (b"[1]", "application/json", "inputs"),
        (b'{"inputs": 3}', "application/json", "inputs"),
        (b'{"inputs": []}', "application/json", "no recording"),
        (b'{"inputs": "%%%"}', "application/json", "base64"),
        (b'{"inputs": "AAAA", "parameters": 3}', "application/json", "parameters"),
        (b"MZ\x90\x00" + b"\x00" * 50, "audio/wav", "audio of 54 bytes"),
        (CLIP[: len(CLIP) // 2], "audio/wav", "audio of"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(server, body, kind, reason):
    for path in ("/v1/predict", "/"):
        answered = server.post(body, path, Content_Type=kind)
        assert answered.status == 422, answered.body
        error = ErrorAnswer.model_validate_json(answered.body)
        assert any(part in error.error for part in reason.split("|")), error.error
        assert "Traceback" not in error.error
        assert error.request_id == answered.headers["x-request-id"]


def test_what_the_server_says_of_itself(server):
    (model,) = server.ask("GET", "/v1/models").json["models"]
    assert (model["name"], model["labels"], model["max_seconds"]) == ("loudness", ["loud", "soft", "sharp"], 2.0)
    assert server.ask("GET", "/healthz").json == server.ask("GET", "/readyz").json == {"status": "ok"}
    described = server.ask("GET", "/openapi.json").json
    assert {"/", "/v1/predict", "/v1/models", "/models/{name}", "/metrics"} <= set(described["paths"])
    articles = ("50(3)", "5(1)(f)", "Annex III")
    for text in (server.ask("GET", "/").body.decode(), (DOCS / "serving.md").read_text("utf-8")):
        assert [one for one in articles if one not in " ".join(text.split())] == []
    assert all(one in described["info"]["description"] for one in articles[:2])
    for path in ("/", "/docs", *(f"/page/{one.name}" for one in PAGE.iterdir())):
        page = server.ask("GET", path)
        assert page.status == 200, path
        assert b"https://" not in page.body.replace(b"https://eur-lex.europa.eu", b""), path
        assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert server.ask("GET", "/nowhere").json["error"] == "Not Found"
    assert server.ask("PUT", "/v1/predict").status == 405
