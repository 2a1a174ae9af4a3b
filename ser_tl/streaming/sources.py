"""Where the blocks of a live stream come from: a microphone, or a file at its own pace.

    with open_microphone(...) as blocks: for block in blocks: stream.feed(block.samples, block.rate, ...)

A microphone's callback puts blocks into a queue that holds a few seconds; what doesn't fit shows as a gap by its
capture time.
"""

import queue
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE, iter_blocks
from ser_tl.errors import AudioError, ConfigError

BLOCK_SECONDS = 0.1
"""Of audio that comes at once."""

_QUEUE = 100  # blocks: 10 s
_SILENT_DEVICE = 3.0  # seconds without a block, after which a device is taken for unplugged


class Block(NamedTuple):
    """Samples of a stream.

    Attributes:
        samples: (N,) or (N, C) float32
        rate: samples per second
        captured: when the first was captured, in seconds of the source's clock; None if it has none
    """

    samples: np.ndarray
    rate: float
    captured: float | None


def import_sounddevice() -> Any:  # noqa: ANN401 - a module
    """The module sounddevice.

    Raises:
        ConfigError: it or PortAudio isn't installed
    """
    try:
        import sounddevice
    except ImportError as error:
        raise ConfigError(
            "microphones need sounddevice, which isn't installed: pip install 'ser_tl[listen]', or play a file with "
            "`input` FILE with `realtime`"
        ) from error
    except OSError as error:  # the module is there and PortAudio, which it loads, isn't
        raise ConfigError(
            f"sounddevice finds no PortAudio library ({error}): install it (Debian, Ubuntu: apt install libportaudio2)"
        ) from error
    return sounddevice


def list_microphones() -> list[str]:
    """A line for each device that records: its number, name, channels and rate; the default one is marked.

    Raises:
        ConfigError: no sounddevice, or PortAudio fails
    """
    sounddevice = import_sounddevice()
    try:
        devices, default = sounddevice.query_devices(), sounddevice.default.device[0]
    except sounddevice.PortAudioError as error:
        raise ConfigError(f"PortAudio can't list devices: {error}") from error
    return [
        f"{'*' if number == default else ' '} {number}: {device['name']}, {device['max_input_channels']} channel(s), "
        f"{device['default_samplerate']:.0f} Hz"
        for number, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]


@contextmanager
def open_microphone(device: str | None = None) -> Generator[Iterator[Block]]:
    """Blocks of a microphone, at its own rate, until the caller has enough.

    Args:
        device: number or a part of the name; the system's default if None

    Raises:
        ConfigError: no sounddevice
        AudioError: no such device, it can't be opened, or it went silent since it was unplugged
    """
    sounddevice = import_sounddevice()
    chosen = int(device) if device is not None and device.isdigit() else device
    blocks: queue.Queue[Block] = queue.Queue(_QUEUE)
    received = 0  # samples of the device, also those of blocks that didn't fit
    try:
        info = sounddevice.query_devices(chosen, "input")
        rate = float(info["default_samplerate"])

        def put(samples: np.ndarray, frames: int, times: Any, status: object) -> None:  # noqa: ANN401, ARG001
            nonlocal received
            captured = float(times.inputBufferAdcTime) or received / rate  # some devices leave their clock at zero
            received += len(samples)
            with suppress(queue.Full):  # the next block's capture time tells of the gap
                blocks.put_nowait(Block(samples.copy(), rate, captured))

        stream = sounddevice.InputStream(
            samplerate=rate, blocksize=round(BLOCK_SECONDS * rate), device=chosen, channels=1, callback=put
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        there = list_microphones()
        devices = "\n".join(["the devices that record are:", *there]) if there else "there is no device that records"
        named = "the default microphone" if device is None else f"microphone {device!r}"
        raise AudioError(
            f"{named} can't be opened ({' '.join(str(error).split())}): {devices}; `input` and `realtime` play a file"
        ) from error
    try:
        yield _take(blocks, stream, sounddevice.PortAudioError)
    finally:
        try:
            stream.close()
        except sounddevice.PortAudioError:
            blocks.queue.clear()  # an unplugged device can't be closed, and needn't be


def _take(blocks: "queue.Queue[Block]", stream: Any, error: type[Exception]) -> Iterator[Block]:  # noqa: ANN401
    while True:
        try:
            yield blocks.get(timeout=_SILENT_DEVICE)
        except queue.Empty:
            try:
                active = bool(stream.active)
            except error:
                active = False
            state = "sends nothing" if active else "was stopped or unplugged"
            raise AudioError(f"the microphone {state}, for {_SILENT_DEVICE:g} s: plug it in and start again") from None


def play_file(path: Path, *, realtime: bool) -> Iterator[Block]:
    """Blocks of a file.

    Args:
        path: of an audio file
        realtime: each at the time of its audio, not sooner

    Raises:
        AudioError: the file can't be used
    """
    begin, count, step = time.monotonic(), 0, round(BLOCK_SECONDS * SAMPLE_RATE)
    for long in iter_blocks(path, silence=True):
        for samples in (long[first : first + step] for first in range(0, len(long), step)):
            captured = count / SAMPLE_RATE
            count += len(samples)
            if realtime:
                time.sleep(max(0.0, begin + count / SAMPLE_RATE - time.monotonic()))
            yield Block(samples, SAMPLE_RATE, captured)
