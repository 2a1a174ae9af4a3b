"""A server on a free port, in a thread: uvicorn, sockets and the whole application, and a small model of numpy."""

import http.client
import io
import json
import threading
import time
from dataclasses import dataclass

import numpy as np
import soundfile

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import ConfigError
from ser_tl.inference.session import Session, SessionOutput
from ser_tl.serving.models import ModelStore, ServedModel
from ser_tl.serving.server import bind_port, make_server
from ser_tl.serving.settings import Settings

RATE = 16_000


class LoudnessSession:
    """Tells loud from soft: the mean and the peak of each window, whatever is beside it in the batch."""

    def __init__(self, max_seconds=2.0, seconds=0.0):
        self.labels, self.dimensions, self.frame_rate = ["loud", "soft", "sharp"], ["arousal"], 50.0
        self.audio = AudioConfig(max_seconds=max_seconds)
        self.seconds = seconds  # that a batch takes
        self.batches = []  # lengths of each
        self.entered = threading.Event()  # set when something is being computed
        self.gate = threading.Event()
        self.gate.set()

    def run(self, waveform, lengths, wanted, norm=None):
        self.entered.set()
        self.gate.wait(20)
        time.sleep(self.seconds)
        self.batches.append(lengths.tolist())
        rows = [row[:length].astype(np.float64) for row, length in zip(waveform, lengths, strict=True)]
        if any(np.isclose(row[0], 0.123, atol=1e-4) for row in rows):
            raise RuntimeError("a model that fails: secret words")
        logits = np.array([[20 * np.sqrt(np.mean(row**2)), 1.0, 3 * np.abs(row).max()] for row in rows])
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return SessionOutput(shares.astype(np.float32), logits[:, :1].astype(np.float32))

    def measure_norm(self, batches):
        raise NotImplementedError

    def check_attention(self):
        raise ConfigError("it weighs all frames alike")


class AttentiveSession(LoudnessSession):
    """The same, which attends to what is loud."""

    def run(self, waveform, lengths, wanted, norm=None):
        output = super().run(waveform, lengths, wanted, norm)
        if not wanted.attention:
            return output
        size = round(RATE / self.frame_rate)
        frames = [row[: length // size * size].reshape(-1, size) for row, length in zip(waveform, lengths, strict=True)]
        powers = [np.square(one).sum(axis=1) for one in frames]
        return output._replace(attention=[(power / power.sum()).astype(np.float32) for power in powers])

    def check_attention(self):
        pass


assert isinstance(LoudnessSession(), Session)


@dataclass
class Answered:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Running:
    """A server while the block is open."""

    def __init__(self, session=None, *, sessions=None, **settings):
        self.session = session or LoudnessSession()
        found = sessions or {"loudness": self.session}
        settings.setdefault("voice", "energy")  # tones aren't speech to a network
        self.settings = Settings(port=0, models={name: name for name in found}, **settings)
        self.store = ModelStore(
            self.settings.models, load=lambda name, source, device: ServedModel(name, "1", found[name])
        )

    def __enter__(self):
        port = bind_port(self.settings)
        self.port = port.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = make_server(self.settings, self.store)
        self.service = self.server.service
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [port]})
        self.thread.start()
        wait_for(lambda: self.server.started)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if isinstance(self.session, LoudnessSession):
            self.session.gate.set()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def reload(self):
        self.server.loop.call_soon_threadsafe(self.server.begin_reload)

    def ask(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answered(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, body, path="/v1/predict", **headers):
        return self.ask("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def encode(samples, rate=RATE, kind="WAV", subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def tone(seconds=1.0, level=0.3, pitch=200.0, rate=RATE):
    return level * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def form(*files):
    """A multipart form of (name, content), and its content type."""
    parts = [
        f'--limit\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content
        for name, content in files
    ]
    return b"\r\n".join([*parts, b"--limit--\r\n"]), "multipart/form-data; boundary=limit"
