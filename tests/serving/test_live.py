"""Live streams at a running server: answers, commands, and each code that one is closed with."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ser_tl.serving import live
from ser_tl.streaming import StreamingPredictor
from tests.serving.running import RATE, LoudnessSession, Running, encode, tone, wait_for

KEY = "a-key-of-some-length"
CLIENTS = Path(__file__).parents[2] / "docs" / "clients"
SPEECH = np.concatenate([np.zeros(RATE // 2), tone(1.5), np.zeros(RATE), tone(1.0, 0.8), np.zeros(RATE // 2)])


@pytest.fixture(scope="module")
def server():
    with Running() as running:
        yield running


def opened(server, query="", **options):
    return connect(f"ws://127.0.0.1:{server.port}/v1/stream?{query}", **options)


def receive(socket):
    """Everything until the stream is closed, and the code."""
    found = []
    try:
        while True:
            found.append(json.loads(socket.recv(timeout=20)))
    except ConnectionClosed as error:
        return found, error.rcvd.code


def said(updates, kind):
    return [(one["start"], one["end"], one["label"]) for one in updates if one["type"] == kind]


def test_a_stream_is_answered_as_the_streaming_predictor_answers(server):
    pcm = (SPEECH * 32767).astype("<i2")
    predictor = StreamingPredictor(LoudnessSession(max_seconds=4.0), window=2.0, voice="energy")
    expected = [update.to_dict() for update in [*predictor.feed(pcm, RATE), *predictor.flush()]]
    with Running(LoudnessSession(max_seconds=4.0)) as other, opened(other, "window=2&sample_rate=16000") as socket:
        ready = json.loads(socket.recv())
        assert (ready["type"], ready["labels"], ready["sample_rate"]) == ("ready", ["loud", "soft", "sharp"], RATE)
        content, found = pcm.tobytes(), []
        for start in range(0, len(content), 6399):  # messages needn't end with a sample, and come no faster than hops
            socket.send(content[start : start + 6399])
            time.sleep(0.02)
        socket.send('{"type": "close"}')
        found, code = receive(socket)
    assert code == 1000
    dropped = found[-1]["dropped"]
    final = [(one["start"], one["end"], one["label"]) for one in expected if one["kind"] == "final"]
    assert said(found, "final") == final
    assert len(said(found, "final")) == 2
    partial = [(one["start"], one["end"], one["label"]) for one in expected if one["kind"] == "partial"]
    assert len(said(found, "partial")) + dropped == len(partial)
    assert {one[1] for one in said(found, "partial")} <= {one[1] for one in partial}


def test_finalize_ends_a_turn_and_the_stream_goes_on(server):
    with opened(server, "sample_rate=48000&encoding=pcm_f32le&window=1") as socket:
        assert json.loads(socket.recv())["encoding"] == "pcm_f32le"
        for _ in range(2):
            socket.send('{"type": "keepalive"}')
            socket.send(tone(1.2, rate=48_000).astype("<f4").tobytes())
            socket.send('{"type": "finalize"}')
            while (update := json.loads(socket.recv(timeout=20)))["type"] != "final":
                assert update["type"] == "partial"
            assert update["label"]
        socket.send('{"type": "close"}')
        assert receive(socket)[1] == 1000


def test_late_hops_are_dropped_and_counted_and_audio_beyond_the_backlog_is_a_gap(monkeypatch):
    monkeypatch.setattr(live, "BACKLOG_SECONDS", 2.0)
    session = LoudnessSession()
    session.gate.clear()
    with Running(session) as server, opened(server, "window=1") as socket:
        for _ in range(5):  # seconds, while the model is busy with the first
            socket.send((tone() * 32767).astype("<i2").tobytes())
            time.sleep(0.1)
        session.gate.set()
        socket.send('{"type": "close"}')
        found, code = receive(socket)
        assert code == 1000
        (gap,) = [one for one in found if one["type"] == "gap"]
        assert gap["end"] - gap["start"] == pytest.approx(2.0, abs=0.1)
        assert found[-1]["dropped"] > 5
        assert f"ser_tl_dropped_hops_total {found[-1]['dropped']}.0" in server.ask("GET", "/metrics").body.decode()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("sample_rate=100", "sample_rate is 100"),
        ("sample_rate=x", "no number"),
        ("encoding=mp3", "pcm_s16le"),
        ("hop=0", "hop is 0"),
        ("hop=nan", "hop is nan"),
        ("window=900", "window is 900"),
        ("window=nan", "window"),
        ("smoothing=maximal", "smoothing"),
        ("model=other", "no model is called"),
    ],
)
def test_what_makes_no_sense_is_refused(server, query, reason):
    with opened(server, query) as socket:
        (error,), code = receive(socket)
    assert code == 1008
    assert reason in error["error"]
    assert server.service.streams == set()


def test_messages_that_make_no_sense_end_a_stream(server):
    for text in ("{", "[]", '{"type": "shout"}', "[" * 10_000):
        with opened(server, "window=1") as socket:
            socket.send(text)
            found, code = receive(socket)
        assert code == 1008
        assert "no command" in found[-1]["error"]
    with opened(server, "window=1") as socket:
        socket.send(bytes(2 << 20))
        assert receive(socket)[1] == 1009
    with opened(server, "encoding=pcm_f32le&window=1") as socket:
        socket.send(np.full(RATE, np.nan, "<f4").tobytes())
        socket.send('{"type": "close"}')
        found, code = receive(socket)
    assert (code, [one["type"] for one in found if one["type"] == "gap"]) == (1000, ["gap"])
    wait_for(lambda: server.service.streams == set())


def test_keys_and_origins(server):
    with Running(api_keys=(KEY,)) as closed:
        with opened(closed, "window=1", additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
            assert json.loads(socket.recv())["type"] == "ready"
        with opened(closed, "window=1") as socket:
            socket.send(json.dumps({"type": "key", "key": KEY}))
            assert json.loads(socket.recv())["type"] == "ready"
        for message in (json.dumps({"type": "key", "key": KEY + "x"}), '{"type": "key", "key": 3}', "{", b"\x00" * 99):
            with opened(closed, "window=1") as socket:
                socket.send(message)
                assert receive(socket)[1] == 1008
    with opened(server, "window=1", origin="https://example.org") as socket:
        assert receive(socket)[1] == 1008
    with opened(server, "window=1", origin=f"http://127.0.0.1:{server.port}") as socket:
        assert json.loads(socket.recv())["type"] == "ready"


def test_a_notice_can_be_required():
    with Running(require_notice=True) as server:
        with opened(server, "window=1") as socket:
            assert receive(socket)[1] == 1008
        with opened(server, "window=1&notice=true") as socket:
            assert json.loads(socket.recv())["type"] == "ready"


def test_streams_are_limited_and_idle_ones_closed(monkeypatch):
    monkeypatch.setattr(live, "IDLE_SECONDS", 0.6)
    with Running(streams=1) as server, opened(server, "window=1") as first:
        assert json.loads(first.recv())["type"] == "ready"
        with opened(server, "window=1") as second:
            assert receive(second)[1] == 1013
        found, code = receive(first)
        assert (found, code) == ([], 1008)
        with opened(server, "window=1") as third:
            assert json.loads(third.recv())["type"] == "ready"


def test_a_server_that_ends_answers_what_it_has_heard_and_says_so():
    with Running() as server, opened(server, "window=1") as socket:
        assert json.loads(socket.recv())["type"] == "ready"
        socket.send((tone() * 32767).astype("<i2").tobytes())
        json.loads(socket.recv(timeout=20))
        server.server.should_exit = True
        found, code = receive(socket)
        assert code == 1001
        assert found[-1]["type"] == "final"


@pytest.mark.slow
@pytest.mark.parametrize("client", ["stream.py", "stream.mjs"])
def test_the_documented_clients(client, tmp_path):
    program = [sys.executable] if client.endswith(".py") else ["node", "--experimental-websocket"]
    if shutil.which(program[0]) is None:
        pytest.skip("needs Node: apt-get install nodejs")
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(SPEECH, subtype="PCM_16"))
    with Running(LoudnessSession(max_seconds=4.0)) as server:
        command = [*program, CLIENTS / client, f"ws://127.0.0.1:{server.port}", path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("partial") for line in lines) >= 10
    finals = [line.split() for line in lines if line.startswith("final")]
    assert [line[2] for line in finals] == [max_label(1.5, 0.3), max_label(1.0, 0.8)]


def max_label(seconds, level):
    """What the model says of a tone."""
    session = LoudnessSession()
    answers = session.run(tone(seconds, level)[None], np.array([round(seconds * RATE)]), None)
    return session.labels[int(answers.probabilities[0].argmax())]
