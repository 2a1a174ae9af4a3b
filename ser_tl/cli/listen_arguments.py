"""What `ser-tl listen` can be asked; apart from it, so that `--help` imports nothing that takes long."""

from pathlib import Path
from typing import Literal

from ser_tl.arguments import Parser


def listen_parser() -> Parser:
    """The options of `ser-tl listen`."""
    parser = Parser(description="Listens to a microphone and shows the emotion while somebody speaks.")
    parser.add_argument(
        "model", type=str | None, default=None, nargs="?", help="as in `ser-tl predict`; the bundled one if left out"
    )
    parser.add_argument("--device", type=str | None, default=None, help="number or part of the name of a microphone")
    parser.add_argument("--list_devices", action="store_true", help="list the microphones and end")
    parser.add_argument("--record", type=Path | None, default=None, help="FILE.wav or .flac: save the audio")
    parser.add_argument("--input", type=Path | None, default=None, help="read a file instead of a microphone")
    parser.add_argument("--realtime", action="store_true", help="--input at its own pace")
    parser.add_argument(
        "--seconds", type=float | None, default=None, help="end after this many seconds; Ctrl+C ends as well"
    )
    parser.add_argument("--hop", type=float, default=0.2, help="seconds between answers")
    parser.add_argument("--window", type=float, default=3.0, help="the most seconds that an answer looks back")
    parser.add_argument("--smooth", type=str, default="ema:0.4", help="ema:WEIGHT, vote:COUNT or none")
    parser.add_argument(
        "--cut", type=Literal["turn", "sliding"], default="turn", help="windows begin at the speaker's onset, or slide"
    )
    parser.add_argument(
        "--voice", type=Literal["auto", "energy", "silero"], default="auto", help="how speech is detected"
    )
    parser.add_argument(
        "--format", type=Literal["auto", "bars", "jsonl"], default="auto", help="bars on a terminal, else a line each"
    )
    return parser
