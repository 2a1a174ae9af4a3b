"""`ser-tl listen`: the emotion in speech from a microphone, as bars on the terminal or lines of JSON."""

import json
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from jsonargparse import Namespace

from ser_tl.errors import AudioError, ConfigError
from ser_tl.streaming import StreamingPredictor, Update
from ser_tl.streaming.sources import Block, list_microphones, open_microphone, play_file

_WIDTH = 40  # of a full bar, in characters


class Display(Protocol):
    """Shows updates."""

    def show(self, updates: list[Update]) -> None:
        """Shows what there is to say."""
        ...


class JsonLines:
    """A line an update, on standard output."""

    def show(self, updates: list[Update]) -> None:
        """Writes the lines."""
        for update in updates:
            print(json.dumps(update.to_dict(), ensure_ascii=False), flush=True)


class Bars:
    """Bars that move, and above them a line for each turn that ended.

    Args:
        labels: the emotions
    """

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels
        self.drawn = 0  # lines that stand on the terminal and are drawn over

    def show(self, updates: list[Update]) -> None:
        """Draws the last answer, and the turns and gaps before it."""
        lines = [line for update in updates if (line := _tell(update))]
        partial = next((update for update in reversed(updates) if update.kind == "partial"), None)
        if not lines and partial is None:
            return
        print(f"\x1b[{self.drawn}F\x1b[J" if self.drawn else "", end="")
        if lines:
            print("\n".join(lines))
        bars = self._bars(partial)
        print("\n".join(bars), flush=True)
        self.drawn = len(bars)

    def _bars(self, update: Update | None) -> list[str]:
        values = {} if update is None else update.probabilities
        state = "" if update is None else update.label or ("..." if update.speech else "(no speech)")
        seconds = "" if update is None else f"{update.time:8.1f} s  "
        width = max(map(len, self.labels), default=0)
        rows = [
            f"  {label:<{width}} {'█' * round(_WIDTH * values.get(label, 0.0)):<{_WIDTH}} "
            f"{100 * values.get(label, 0.0):3.0f} %"
            for label in self.labels
        ]
        dimensions = [] if update is None else [f"  {name} {value:.2f}" for name, value in update.dimensions.items()]
        return [f"{seconds}{state}", *rows, *dimensions]


def _tell(update: Update) -> str:
    """The line of a turn that ended or of a gap; empty for anything else."""
    if update.kind == "gap":
        return f"{update.start:8.1f} to {update.end:.1f} s  (gap: {update.reason})"
    if update.kind == "final" and update.label:
        share = 100 * update.probabilities[update.label]
        return f"{update.start:8.1f} to {update.end:.1f} s  {update.label} {share:.0f} %"
    return ""


def listen(options: Namespace) -> int:
    """Listens until the end of the file, --seconds or Ctrl+C."""
    if options.list_devices:
        lines = list_microphones()
        print("\n".join(lines) if lines else "no device that records")
        return 0
    if options.realtime and options.input is None:
        raise ConfigError("--realtime is the pace of --input FILE, which isn't there; a microphone has its own")
    if options.input is None:
        check_microphones()  # before a model is loaded
    stream = StreamingPredictor(
        options.model,
        hop=options.hop,
        window=options.window,
        smoothing=options.smooth,
        cut=options.cut,
        voice=options.voice,
        stitched=options.stitched or None,
    )
    terminal = options.format == "bars" or (options.format == "auto" and sys.stdout.isatty())
    display: Display = Bars(stream.labels) if terminal else JsonLines()
    live = options.input is None or options.realtime
    with ExitStack() as stack:
        record = stack.enter_context(recording(options.record))
        if options.input is None:
            blocks = stack.enter_context(open_microphone(options.device))
        else:
            blocks = play_file(options.input, realtime=options.realtime)
        try:
            for block in blocks:
                record(block)
                display.show(
                    stream.feed(block.samples, block.rate, captured=block.captured, late="skip" if live else "answer")
                )
                if options.seconds is not None and stream.time >= options.seconds:
                    break
        except KeyboardInterrupt:
            print(file=sys.stderr)
        finally:
            display.show(stream.flush())
    if stream.late_hops or stream.lost_seconds or stream.clock_jumps:
        print(
            f"{stream.late_hops} hops came too late and were left out, {stream.lost_seconds:.1f} s were lost, "
            f"the clock jumped {stream.clock_jumps} times",
            file=sys.stderr,
        )
    return 0


def check_microphones() -> None:
    """Refuses to listen where nothing records.

    Raises:
        ConfigError: no sounddevice, or no device
    """
    if not list_microphones():
        raise ConfigError(
            "there is no device that records: plug a microphone in, or play a file with --input FILE --realtime"
        )


class Recorder(Protocol):
    """Takes blocks to keep."""

    def __call__(self, block: Block) -> None:
        """Keeps a block."""
        ...


@contextmanager
def recording(path: Path | None) -> Generator[Recorder]:
    """Writes blocks to a file as they come; audio before an error stays.

    Args:
        path: .wav or .flac; nothing is kept if None

    Raises:
        ConfigError: the file can't be written
    """
    if path is None:
        yield lambda block: None  # noqa: ARG005
        return
    if path.suffix.lower() not in (".wav", ".flac"):
        raise ConfigError(f"--record {path}: expected a file that ends with .wav or .flac")
    import soundfile

    files: list[soundfile.SoundFile] = []

    def write(block: Block) -> None:
        if not files:
            channels = block.samples.shape[1] if block.samples.ndim == 2 else 1
            try:
                files.append(soundfile.SoundFile(path, "w", round(block.rate), channels, "PCM_16"))
            except (OSError, soundfile.LibsndfileError) as error:
                raise ConfigError(f"--record {path} can't be written ({error}): name another file") from error
        if round(block.rate) != files[0].samplerate:
            raise AudioError(f"--record {path}: the device's rate changed to {block.rate:g} Hz; record to a new file")
        files[0].write(np.nan_to_num(block.samples))

    try:
        yield write
    finally:
        for file in files:
            file.close()
