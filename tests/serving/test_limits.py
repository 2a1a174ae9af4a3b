"""Each limit, at a running server."""

import json
import logging
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from urllib.parse import urlsplit

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.serving.server import bind_port
from ser_tl.serving.settings import Settings, name_models, read_keys
from tests.serving.running import RATE, LoudnessSession, Running, encode, form, tone, wait_for

CLIP = encode(tone())
KEY, OTHER = "a-key-of-some-length", "another-key-of-a-length"


def raw(server, text, seconds=10):
    """What a server says on a connection, until it closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(text)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


def test_bytes_are_limited_whether_they_are_announced_or_not():
    with Running(upload_mb=0.05) as server:
        assert server.post(CLIP).status == 200
        large = server.post(CLIP + bytes(60_000))
        assert (large.status, "larger than 0.05 MB" in large.json["error"]) == (413, True)
        pieces = (bytes(10_000) for _ in range(20))
        assert server.ask("POST", "/v1/predict", pieces).status == 413
        assert server.post(CLIP).status == 200
        assert server.service.admission.reserved == server.service.admission.requests == 0


@pytest.mark.slow
def test_seconds_are_limited_before_anything_is_decoded():
    bomb = encode(np.zeros(RATE * 1800, np.float32), kind="FLAC")
    assert len(bomb) < 300_000  # half an hour, 115 MB decoded
    session = LoudnessSession()
    with Running(session, audio_seconds=60) as server:
        begin = time.perf_counter()
        refused = server.post(bomb)
        assert refused.status == 413
        assert "has 1800.0 s, the limit is 60 s" in refused.json["error"]
        assert time.perf_counter() - begin < 2
        lying = bytearray(CLIP)
        lying[40:44] = struct.pack("<I", 1 << 30)  # a data chunk of nine hours, in a file of one second
        assert server.post(bytes(lying)).status in (413, 422)
        assert session.batches == []


def test_memory_is_limited_over_all_requests():
    session = LoudnessSession()
    session.gate.clear()
    with Running(session, memory_mb=0.3) as server, ThreadPoolExecutor(3) as pool:
        first = pool.submit(server.post, encode(tone(2.0)))  # 64 kB, and 128 kB decoded
        wait_for(lambda: server.service.admission.reserved > 190_000)
        second = server.post(encode(tone(2.0, level=0.2)))
        assert (second.status, second.headers["retry-after"]) == (429, "1")
        session.gate.set()
        assert first.result().status == 200
        assert server.post(encode(tone(2.0, level=0.2))).status == 200


def test_requests_at_once_are_limited():
    session = LoudnessSession()
    session.gate.clear()
    with Running(session, concurrency=2) as server, ThreadPoolExecutor(3) as pool:
        taken = [pool.submit(server.post, encode(tone(level=level))) for level in (0.1, 0.2)]
        wait_for(lambda: server.service.admission.requests == 2)
        refused = server.post(CLIP)
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert server.ask("GET", "/healthz").status == 200
        session.gate.set()
        assert [one.result().status for one in taken] == [200, 200]
        assert server.post(CLIP).status == 200


def test_files_in_one_request_are_limited():
    with Running(files=2) as server:
        body, kind = form(*[(f"{number}.wav", CLIP) for number in range(3)])
        assert server.post(body, Content_Type=kind).status == 422
        inputs = json.dumps({"inputs": ["AAAA"] * 3})
        refused = server.post(inputs, Content_Type="application/json")
        assert (refused.status, "the limit is 2" in refused.json["error"]) == (422, True)


def test_an_answer_that_takes_too_long_is_given_up_and_never_computed():
    session = LoudnessSession()
    session.gate.clear()
    with Running(session, timeout=0.5) as server, ThreadPoolExecutor(2) as pool:
        both = [pool.submit(server.post, encode(tone(level=level))) for level in (0.1, 0.2)]
        for one in both:
            assert one.result().status == 504
            assert "no answer within 0.5 s" in one.result().json["error"]
        session.gate.set()
        assert server.post(CLIP).status == 200
        assert len(session.batches) == 2  # the one that was being computed, and the last; one was dropped
        assert server.service.admission.reserved == server.service.admission.requests == 0


def test_who_hangs_up_isnt_computed_for():
    session = LoudnessSession()
    session.gate.clear()
    with Running(session) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, CLIP)
        session.entered.wait(20)
        content = encode(tone(level=0.2))
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
            wait_for(lambda: server.service.batcher.queued == 1)
        wait_for(lambda: server.service.batcher.queued == 0)
        wait_for(lambda: server.service.admission.requests == 1)
        session.gate.set()
        assert first.result().status == 200
        assert len(session.batches) == 1


@pytest.mark.slow
def test_slow_clients_are_let_go():
    with Running(header_timeout=0.4, read_timeout=0.4) as server:
        begin = time.monotonic()
        assert raw(server, b"") == b""
        assert raw(server, b"POST / HTTP/1.1\r\nHost: a\r\n") == b""
        slow = raw(server, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nRIFF")
        assert slow.startswith(b"HTTP/1.1 408")
        assert b"didn't arrive within 0.4 s" in slow
        assert time.monotonic() - begin < 6
        assert server.post(CLIP).status == 200
        wait_for(lambda: server.service.admission.requests == 0)


def test_headers_are_limited():
    with Running() as server:
        lines = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(100))
        with suppress(ConnectionResetError):
            assert b"200 OK" not in raw(server, b"GET /healthz HTTP/1.1\r\n" + lines + b"\r\n")
        assert server.ask("GET", "/healthz").status == 200


def test_keys():
    with Running(api_keys=(KEY, OTHER)) as server:
        for headers in ({}, {"Authorization": f"Bearer {KEY}x"}, {"Authorization": "Bearer "}, {"X_API_Key": "é"}):
            for path in ("/v1/predict", "/", "/models/loudness"):
                refused = server.post(CLIP, path, **{name: value.encode() for name, value in headers.items()})
                assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert server.ask("GET", "/metrics").status == server.ask("GET", "/v1/models").status == 401
        assert server.ask("GET", "/healthz").status == server.ask("GET", "/readyz").status == 200
        for headers in ({"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {OTHER}"}, {"X_API_Key": OTHER}):
            assert server.post(CLIP, **headers).status == 200


def test_keys_come_from_a_file_and_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text(f"# ours\n{KEY}  # of a client\n\n")
    monkeypatch.setenv("SER_TL_API_KEYS", f"{OTHER}, {KEY}")
    assert read_keys(path) == (OTHER, KEY)
    monkeypatch.delenv("SER_TL_API_KEYS")
    assert read_keys(None) == ()
    path.write_text("# nothing\n")
    with pytest.raises(ConfigError, match="holds no key"):
        read_keys(path)
    with pytest.raises(ConfigError, match="can't be read"):
        read_keys(tmp_path / "absent")
    with pytest.raises(ConfigError, match="shorter than 16"):
        Settings(api_keys=("short",))
    assert KEY not in repr(Settings(api_keys=(KEY,)))


def test_other_origins_are_let_in_only_when_named():
    origin = {"Origin": "https://example.org"}
    with Running() as server:
        assert "access-control-allow-origin" not in server.post(CLIP, **origin).headers
    with Running(cors=("https://example.org",)) as server:
        assert server.post(CLIP, **origin).headers["access-control-allow-origin"] == "https://example.org"
        assert "access-control-allow-origin" not in server.post(CLIP, Origin="https://example.com").headers
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        allowed = server.ask("OPTIONS", "/v1/predict", headers=origin | asked)
        assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://example.org")
        refused = server.ask("OPTIONS", "/v1/predict", headers={"Origin": "https://example.com"} | asked)
        assert (refused.status, "access-control-allow-origin" in refused.headers) == (400, False)
    with pytest.raises(ConfigError, match="whole origins"):
        Settings(cors=("*",))


def test_a_notice_can_be_required():
    with Running(require_notice=True) as server:
        refused = server.post(CLIP)
        assert (refused.status, "informed" in refused.json["error"]) == (428, True)
        assert server.post(CLIP, X_Notice_Given="true").status == 200


def test_a_model_that_fails_is_the_servers_fault_and_nobody_elses(caplog):
    session = LoudnessSession()
    broken = tone()
    broken[0] = 0.123
    session.gate.clear()
    with Running(session) as server, ThreadPoolExecutor(4) as pool, caplog.at_level(logging.INFO, "ser_tl.serving"):
        taken = [pool.submit(server.post, encode(one)) for one in (tone(level=0.1), broken, tone(level=0.2))]
        wait_for(lambda: server.service.admission.requests == 3)
        session.gate.set()
        first, failed, last = [one.result() for one in taken]
        assert (first.status, failed.status, last.status) == (200, 500, 200)
        assert "secret" not in failed.json["error"]
        assert server.ask("GET", "/readyz").status == 200
    assert "secret words" in caplog.text  # the stack, for who runs the server


def test_logs_have_ids_and_nothing_of_what_was_sent(caplog):
    with Running(api_keys=(KEY,)) as server, caplog.at_level(logging.INFO, "ser_tl.serving"):
        body, kind = form(("Jane-Doe-1.wav", CLIP), ("Jane-Doe-2.wav", b"private words"))
        headers = {"Authorization": f"Bearer {KEY}", "Content_Type": kind}
        given = server.post(body, X_Request_ID="call-17", **headers)
        assert given.headers["x-request-id"] == "call-17"
        forged = server.post(body, "/v1/predict?model=Jane", X_Request_ID='x" forged', **headers)
        assert len(forged.headers["x-request-id"]) == 16
    events = [(record.getMessage(), getattr(record, "fields", {})) for record in caplog.records]
    requests = [fields for event, fields in events if event == "request"]
    assert [(one["route"], one["status"]) for one in requests] == [("/v1/predict", 200), ("/v1/predict", 404)]
    text = caplog.text + repr(events)
    assert not any(word in text for word in ("Jane", "private", KEY, "forged"))


def test_what_was_taken_is_finished_before_the_server_ends():
    session = LoudnessSession()
    session.gate.clear()
    with Running(session) as server, ThreadPoolExecutor(4) as pool:
        taken = [pool.submit(server.post, encode(tone(level=level))) for level in (0.1, 0.2, 0.3)]
        wait_for(lambda: server.service.admission.requests == 3)
        server.server.should_exit = True
        wait_for(lambda: server.service.draining)
        time.sleep(0.3)
        with pytest.raises(OSError, match=r"refused|reset"):
            server.post(CLIP)
        session.gate.set()
        assert [one.result().status for one in taken] == [200, 200, 200]


@pytest.mark.slow
def test_a_server_that_ends_waits_no_longer_than_it_was_told():
    session = LoudnessSession(seconds=4.0)
    with Running(session, shutdown_timeout=1) as server, ThreadPoolExecutor(1) as pool:
        taken = pool.submit(server.post, CLIP)
        session.entered.wait(20)
        begin = time.monotonic()
        server.server.should_exit = True
        with suppress(OSError, HTTPException):
            assert taken.result().status != 200
        assert time.monotonic() - begin < 3


def test_models_are_reloaded_beside_requests():
    old, new = LoudnessSession(), LoudnessSession(max_seconds=1.0)
    old.gate.clear()
    with Running(old) as server, ThreadPoolExecutor(1) as pool:
        server.store._load_model = lambda name, source, device: type(server.store.find(None))(name, "2", new)
        taken = pool.submit(server.post, encode(tone(2.0)))
        wait_for(lambda: server.service.admission.requests == 1)
        server.reload()
        wait_for(lambda: server.store.find(None).version == "2")
        old.gate.set()
        assert (taken.result().json["version"], len(taken.result().json["segments"])) == ("1", 1)
        after = server.post(encode(tone(2.0))).json  # not the old answer, which is kept by content
        assert (after["version"], len(after["segments"])) == ("2", 2)

        def fail(name, source, device):
            raise ConfigError("damaged")

        server.store._load_model = fail
        server.reload()
        wait_for(lambda: 'outcome="failed"} 1.0' in server.ask("GET", "/metrics").body.decode())
        assert server.post(encode(tone(2.0))).json == after


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"workers": 0}, {"timeout": float("nan")}, {"port": 70_000}, {"cache_answers": -1}):
        with pytest.raises(ConfigError):
            Settings(**wrong)
    assert name_models(["runs/mine/model", "b=other/model/", "team/voice"]) == {
        "mine": "runs/mine/model",
        "b": "other/model/",
        "voice": "team/voice",
    }
    with pytest.raises(ConfigError, match="two models are called mine"):
        name_models(["runs/mine/model", "old/mine"])


def test_a_port_that_is_taken_is_told():
    with Running() as server, pytest.raises(ConfigError, match="in use: choose another port"):
        bind_port(Settings(port=server.port))


def test_it_says_that_it_serves_when_it_can_be_reached(monkeypatch):
    statuses = []

    def log(event, *_, url="", **__):
        if event == "serving":
            with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=5):
                statuses.append("reached")

    monkeypatch.setattr("ser_tl.serving.server.log_event", log)
    with Running():
        wait_for(lambda: statuses)  # said in the server's thread, once it can be reached
        assert statuses == ["reached"]


def test_a_request_on_its_way_over_a_new_connection_is_answered_when_the_server_ends():
    with Running() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as late:
        wait_for(lambda: server.server.server_state.connections)
        server.server.should_exit = True
        wait_for(lambda: server.service.draining)
        time.sleep(0.2)
        head = f"POST /v1/predict HTTP/1.1\r\nHost: here\r\nContent-Length: {len(CLIP)}\r\n\r\n"
        late.sendall(head.encode() + CLIP)
        answer = b"".join(iter(lambda: late.recv(2**16), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"the server is ending" in answer
    assert b"connection: close" in answer.lower()


@pytest.mark.slow
def test_a_new_connection_that_asks_nothing_keeps_no_server():
    with Running() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as idle:
        wait_for(lambda: server.server.server_state.connections)
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 5
        assert idle.recv(1) == b""
