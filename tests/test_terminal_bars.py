"""Progress bars on a terminal: one at a time, gone when they are done; in a pipe there are none."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from ser_tl.encoders import load_encoder
from tests.forked import forked_python
from tests.recipe_samples import tone_manifest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SYSTEMS = "{pooled: {encoder: mfcc}, in order: {encoder: mfcc, model.network: bilstm}}"


def command(folder):
    """A comparison of two systems on tones."""
    options = ["--corpus", "csv", "--root", str(tone_manifest(folder / "tones")), "--systems", SYSTEMS]
    options += [
        "--train.epochs",
        "2",
        "--train.tracker",
        "none",
        "--model.hidden",
        "0",
        "--output",
        str(folder / "run"),
    ]
    return [forked_python(), "-m", "ser_tl", "compare-encoders", *options]


def run_on_terminal(arguments, environment):
    """What a program writes to a terminal, all of it; and its status."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))  # of no size, tqdm shows nothing
    with subprocess.Popen(arguments, stdin=end, stdout=end, stderr=end, env=environment, cwd=ROOT) as program:
        os.close(end)
        written = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # Linux, where nobody holds the other end any more
                break
            if not part:
                break
            written += part
    os.close(terminal)
    return written.decode(), program.returncode


def show(written):
    """The lines that a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    text = written
    while text:
        if text.startswith("\x1b["):
            body = text[2:]
            length = next(index for index, letter in enumerate(body) if letter.isalpha())
            number, letter = int(body[:length] or 1) if body[:length].isdigit() or not length else 1, body[length]
            row = max(0, row - number) if letter == "A" else row
            lines[row] = lines[row][:column] if letter == "K" else lines[row]
            text = body[length + 1 :]
            continue
        letter, text = text[0], text[1:]
        if letter == "\r":
            column = 0
        elif letter == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        else:
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def test_a_terminal_overwrites_and_moves_up():
    assert show("one\r\ntwo\rT\r\n") == ["one", "Two", ""]
    assert show("one\r\n\x1b[Atwo\r\x1b[K") == ["", ""]


@pytest.mark.exhaustive
def test_bars_come_one_at_a_time_and_leave_the_table_alone(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    written, status = run_on_terminal(command(tmp_path), environment | {"PYTHONPATH": str(ROOT), "TERM": "xterm"})
    lines = show(written)
    assert status == 0, "\n".join(lines)
    assert "epoch 2/2" in written  # there were bars
    assert "encoding" in written
    assert "%|" in written
    assert "\x1b[A" not in written  # no bar below another
    left = [line for line in lines if "%|" in line or "it/s" in line or "s/it" in line]
    assert left == []
    assert sum("epoch   2  train loss" in line for line in lines) == 2
    assert any("in order" in line for line in lines[-12:])


@pytest.mark.exhaustive
def test_a_pipe_gets_no_bars(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert "%|" not in done.stdout + done.stderr
    assert "epoch   2  train loss" in done.stdout


def test_loading_weights_shows_no_bar(capsys):
    load_encoder("wav2vec2-mini")
    assert capsys.readouterr().err == ""
