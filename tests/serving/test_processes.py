"""`ser-tl serve` as it is run: processes on one port, reloaded, killed, ended by signals.

They serve an exported model, which takes no torch: importing that would take most of the time.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from ser_tl.cli import main
from tests.loudness import write_model
from tests.serving.running import encode, form, tone, wait_for

pytestmark = pytest.mark.slow

CONTENT = encode(tone(0.5))


class Processes:
    """The program, and what it logs."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "ser_tl.cli", "serve", *map(str, arguments), "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(json.loads(line) if line.startswith("{") else {"event": "text", "text": line})

    def events(self, name):
        return [line for line in self.lines if line["event"] == name]

    def wait(self, name, count=1):
        wait_for(lambda: len(self.events(name)) >= count or self.process.poll() is not None, 180)
        assert len(self.events(name)) >= count, self.lines
        return self.events(name)[count - 1]

    def ask(self, method="POST", path="/v1/predict", body=CONTENT):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def processes():
    running = []

    def start(*arguments):
        running.append(Processes(*arguments))
        return running[-1]

    yield start
    for one in running:
        one.process.terminate()
        try:
            one.process.wait(60)
        except subprocess.TimeoutExpired:
            one.process.kill()


class Hammer:
    """Asks again and again while the block is open; every answer counts."""

    def __init__(self, server, threads=3):
        self.answers, self.server, self.ended = [], server, threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self.ended.is_set():
            try:
                self.answers.append(self.server.ask())
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((0, repr(error).encode()))
            self.ended.wait(0.05)  # all the time would take two cores from what is asked

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def versions(answers):
    return {json.loads(body)["version"] for status, body in answers if status == 200}


def test_processes_share_a_port_reload_die_and_end(processes, tmp_path):
    write_model(tmp_path / "model")
    server = processes(f"tiny={tmp_path / 'model'}", "--workers", 2, "--cache_answers", 0)
    first, second = server.wait("serving"), server.wait("serving", 2)
    server.port = int(re.search(r":(\d+)/", first["url"])[1])
    assert first["process"] != second["process"]
    assert first["models"] == second["models"]

    write_model(tmp_path / "next", gain=6.0)
    (tmp_path / "model").rename(tmp_path / "old")
    (tmp_path / "next").rename(tmp_path / "model")
    with Hammer(server) as hammer:
        wait_for(lambda: len({line["process"] for line in server.events("request")}) == 2, 60)
        server.process.send_signal(signal.SIGHUP)
        server.wait("reloaded", 2)
        count = len(hammer.answers)
        wait_for(lambda: len(hammer.answers) > count + 10, 60)
    assert {status for status, _ in hammer.answers} == {200}
    (after,) = server.events("reloaded")[0]["changed"].values()
    assert versions(hammer.answers) == {first["models"]["tiny"], after}
    assert versions(hammer.answers[-3:]) == {after}
    figures = server.ask("GET", "/metrics", None)[1].decode()
    (counted,) = re.findall(r'^ser_tl_requests_total{route="/v1/predict",status="200"} (.*)$', figures, re.MULTILINE)
    assert float(counted) == len(hammer.answers)

    os.kill(first["process"], signal.SIGKILL)
    assert server.wait("worker died")["worker"] == first["process"]
    server.wait("serving", 3)
    assert server.ask()[0] == 200

    with Hammer(server) as hammer:
        wait_for(lambda: len(hammer.answers) > 10, 60)
        count = len(hammer.answers)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    answered = [status for status, _ in hammer.answers]
    reasons = {body for status, body in hammer.answers if status != 200}
    assert set(answered[:count]) == {200}
    assert set(answered) <= {200, 503, 0}  # from then on some are told that it ends, and the last find nobody
    # "without response" is a request that arrived when its connection was being closed, which nobody had read
    ends = (b"refused", b"reset", b"without response", b"is ending")
    assert all(any(end in reason for end in ends) for reason in reasons), reasons


@pytest.mark.exhaustive
def test_connections_are_shared_out_among_the_processes(processes, tmp_path):
    write_model(tmp_path / "model")
    server = processes(tmp_path / "model", "--workers", 2, "--cache_answers", 0)
    first, _ = server.wait("serving"), server.wait("serving", 2)
    port = int(re.search(r":(\d+)/", first["url"])[1])
    for number in range(3):
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(32)]
        for connection in connections:  # all wait to be taken at once
            connection.connect()
        for connection in connections:
            connection.request("POST", "/v1/predict", CONTENT)
        for connection in connections:
            assert connection.getresponse().read()
            connection.close()
        wait_for(lambda taken=32 * (number + 1): len(server.events("request")) == taken)
    taken = [line["process"] for line in server.events("request")]
    assert len(set(taken)) == 2
    assert min(map(taken.count, taken)) >= 42  # of 96


@pytest.mark.exhaustive
def test_limits_are_those_of_the_command_line(processes, tmp_path):
    write_model(tmp_path / "model")
    (tmp_path / "keys").write_text("a-key-of-some-length\n")
    limits = {"upload_mb": 0.05, "audio_seconds": 1, "files": 1, "read_timeout": 1, "cors": "https://example.org"}
    options = [part for name, value in limits.items() for part in (f"--{name}", value)]
    server = processes(tmp_path / "model", *options, "--api_keys", tmp_path / "keys", "--require_notice")
    server.port = int(re.search(r":(\d+)/", server.wait("serving")["url"])[1])

    def ask(body=CONTENT, notice="true", key="a-key-of-some-length", **more):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Authorization": f"Bearer {key}", "X-Notice-Given": notice} | more
        connection.request("POST", "/v1/predict", body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    body, kind = form(("a.wav", CONTENT), ("b.wav", CONTENT))
    assert ask().status == 200
    assert ask(key="another-key-of-a-length").status == 401
    assert ask(notice="").status == 428
    assert ask(bytes(60_000)).status == 413
    assert ask(encode(tone(1.2))).status == 413
    assert ask(b"no audio").status == 422
    assert ask(body, **{"Content-Type": kind}).status == 422
    assert ask(b"RIFF", **{"Content-Length": "40"}).status == 408
    assert ask(Origin="https://example.org").headers["access-control-allow-origin"] == "https://example.org"


@pytest.mark.exhaustive
def test_what_cant_be_served_ends_with_a_sentence(processes, tmp_path, capsys):
    assert main(["serve", str(tmp_path / "absent"), "--port", "0"]) == 1
    assert "absent" in capsys.readouterr().err
    assert main(["serve", "a=x", "a=y"]) == 1
    assert "two models are called a" in capsys.readouterr().err
    write_model(tmp_path / "damaged")
    (tmp_path / "damaged" / "model.onnx").write_bytes(b"")
    server = processes(tmp_path / "damaged", "--workers", 2)
    assert server.process.wait(180) == 1
    assert server.events("failed to load")
    assert any("can't load its models" in line.get("text", "") for line in server.lines)
