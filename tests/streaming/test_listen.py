"""`ser-tl listen` and `ser-tl timeline`: files, and microphones that aren't there or go away."""

import json
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ser_tl.cli import main
from ser_tl.cli.listen import Bars
from ser_tl.errors import AudioError, ConfigError
from ser_tl.streaming import StreamingPredictor, Update, sources
from tests.streaming.sounds import RATE, LevelSession, conversation


class PortAudioError(Exception):
    pass


class FakeDevices(SimpleNamespace):
    """sounddevice with one microphone, which sends some blocks and then nothing more."""

    def __init__(self, samples, broken=None, count=1, has_clock=True, device=SimpleNamespace):
        super().__init__(PortAudioError=PortAudioError, default=SimpleNamespace(device=[0, 0]))
        self.samples, self.broken, self.count, self.closed = samples, broken, count, False
        self.has_clock, self.device = has_clock, device

    def query_devices(self, device=None, kind=None):
        one = {"name": "a microphone", "max_input_channels": 1, "default_samplerate": 16_000.0}
        if kind is None:
            return [one] * self.count
        if device not in (None, 0, "a microphone"):
            raise ValueError(f"No input device matching {device!r}")
        return one

    def InputStream(self, *, samplerate, blocksize, device, channels, callback):  # noqa: N802
        if self.broken:
            raise PortAudioError(self.broken)

        def send(begin, end):
            for first in range(begin, end, blocksize):
                times = SimpleNamespace(inputBufferAdcTime=first / samplerate if self.has_clock else 0.0)
                callback(self.samples[first : first + blocksize, None], blocksize, times, None)

        def start():
            send(0, len(self.samples))

        self.send = send

        def close():
            self.closed = True

        return self.device(start=start, close=close, active=False)


class LostDevice(SimpleNamespace):
    """A stream whose device is gone: PortAudio can't even tell its state, or close it."""

    def __init__(self, *, start, **_):
        super().__init__(start=start)

    @property
    def active(self):
        raise PortAudioError("Invalid stream pointer")

    def close(self):
        raise PortAudioError("Invalid stream pointer")


@pytest.fixture
def use(monkeypatch):
    def install(devices):
        monkeypatch.setitem(sys.modules, "sounddevice", devices)
        monkeypatch.setattr(sources, "_SILENT_DEVICE", 0.05)
        return devices

    return install


@pytest.fixture
def spoken(tmp_path):
    path = tmp_path / "spoken.wav"
    soundfile.write(path, conversation(1.2, 0.6, 0.8, 0.5), RATE)
    return path


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_a_file_is_heard_at_once_or_at_its_own_pace(spoken, capsys):
    assert main(["listen", "--input", str(spoken), "--voice", "energy"]) == 0
    quick = lines_of(capsys.readouterr().out)
    assert [row["kind"] for row in quick].count("final") == 2
    begin = time.monotonic()
    assert main(["listen", "--input", str(spoken), "--voice", "energy", "--realtime", "--seconds", "1"]) == 0
    assert time.monotonic() - begin > 0.9
    slow = lines_of(capsys.readouterr().out)
    partials = {row["time"]: row for row in quick if row["kind"] == "partial"}
    assert all(row["kind"] == "final" or row["start"] == partials[row["time"]]["start"] for row in slow)


@pytest.mark.slow
def test_a_microphone_is_heard_and_kept_and_unplugged(use, tmp_path, capsys):
    signal = conversation(1.2, 0.6)
    devices = use(FakeDevices(signal))
    kept = tmp_path / "kept.flac"
    assert main(["listen", "--voice", "energy", "--record", str(kept)]) == 1
    out = capsys.readouterr()
    assert "unplugged" in out.err
    assert [row["kind"] for row in lines_of(out.out)].count("final") == 1  # what was said before isn't lost
    assert devices.closed
    np.testing.assert_allclose(soundfile.read(kept)[0], signal, atol=1e-4)


def test_microphones_are_listed(use, capsys):
    use(FakeDevices(np.zeros(0)))
    assert main(["listen", "--list-devices"]) == 0
    assert capsys.readouterr().out == "* 0: a microphone, 1 channel(s), 16000 Hz\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "options", "words"),
    [
        (FakeDevices(np.zeros(0), count=0), [], "no device that records"),
        (FakeDevices(np.zeros(0), broken="Invalid device"), [], "Invalid device"),
        (FakeDevices(np.zeros(0)), ["--device", "7"], "microphone '7' can't be opened"),
        (FakeDevices(np.zeros(0)), ["--realtime"], "--input FILE"),
        (FakeDevices(np.zeros(0)), ["--record", "a.doc"], ".wav or .flac"),
    ],
)
def test_a_microphone_that_is_not_there_is_a_sentence(use, capsys, devices, options, words):
    use(devices)
    assert main(["listen", "--voice", "energy", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error


def test_sounddevice_and_portaudio_that_are_not_installed_are_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match=r"ser_tl\[listen\]"):
        sources.list_microphones()


def test_the_queue_overflows_into_a_gap(use, monkeypatch):
    use(FakeDevices(np.zeros(RATE * 2, np.float32)))
    monkeypatch.setattr(sources, "_QUEUE", 5)
    with sources.open_microphone("0") as microphone:
        captured = [next(microphone).captured for _ in range(5)]
        with pytest.raises(AudioError, match="unplugged"):
            next(microphone)
    assert captured == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("has_clock", [True, False])
def test_blocks_that_did_not_fit_are_a_gap_also_where_a_device_has_no_clock(use, monkeypatch, has_clock):
    devices = use(FakeDevices(np.zeros(RATE, np.float32), has_clock=has_clock))
    monkeypatch.setattr(sources, "_QUEUE", 5)  # the other five of the first second are lost
    stream = StreamingPredictor(LevelSession(), voice="energy")
    updates = []
    with sources.open_microphone() as microphone:
        for number, block in enumerate(microphone):
            updates += stream.feed(block.samples, block.rate, captured=block.captured)
            if number == 4:
                devices.samples = np.zeros(2 * RATE, np.float32)
                devices.send(RATE, RATE + RATE // 5)
            if number == 6:
                break
    gaps = [(update.start, update.end) for update in updates if update.kind == "gap"]
    assert gaps == [pytest.approx((0.5, 1.0))]
    assert stream.time == pytest.approx(1.2)


def _stuck(**attributes):
    return SimpleNamespace(**(attributes | {"active": True}))


@pytest.mark.parametrize(("device", "words"), [(_stuck, "sends nothing"), (LostDevice, "was stopped or unplugged")])
def test_a_device_that_falls_silent_is_told_from_one_that_is_gone(use, device, words):
    use(FakeDevices(np.zeros(RATE // 5, np.float32), device=device))
    with sources.open_microphone() as microphone:
        assert len([next(microphone), next(microphone)]) == 2  # what it sent before isn't lost
        with pytest.raises(AudioError, match=words):
            next(microphone)


def test_bars_are_drawn_over_and_turns_stay(capsys):
    bars = Bars(["anger", "joy"])
    values = {"anger": 0.75, "joy": 0.25}
    bars.show([Update(0.2, "partial", 0.0, 0.2, speech=False)])
    assert "(no speech)" in capsys.readouterr().out
    final = Update(1.5, "final", 0.2, 1.2, "anger", values)
    bars.show([final, Update(1.4, "gap", 1.2, 1.4, reason="lost"), Update(1.6, "partial", 0.2, 1.6, "anger", values)])
    out = capsys.readouterr().out
    assert out.startswith("\x1b[3F\x1b[J")
    assert "0.2 to 1.2 s  anger 75 %" in out
    assert "gap: lost" in out
    assert "█" * 30 + " " in out
    assert "75 %" in out
    bars.show([])
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_timeline_is_written_in_every_format_at_once(spoken, tmp_path, capsys):
    names = ["page.html", "a.rttm", "a.TextGrid", "a.eaf", "a.txt", "a.csv"]
    paths = [tmp_path / "new" / name for name in names]
    output = f"[{', '.join(map(str, paths))}]"
    assert main(["timeline", str(spoken), "--output", output, "--voice", "energy"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert all(path.stat().st_size > 50 for path in paths)
    assert main(["timeline", str(spoken), "--output", f"[{tmp_path / 'a.pdf'}]"]) == 1
    assert "expected a file that ends with" in capsys.readouterr().err
    assert main(["timeline", str(tmp_path / "none.wav"), "--output", f"[{paths[0]}]"]) == 1
