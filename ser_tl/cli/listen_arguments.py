"""What `ser-tl listen` can be asked; apart from it, so that `--help` imports nothing that takes long."""

from pathlib import Path
from typing import Literal

from ser_tl.arguments import Parser


def listen_parser() -> Parser:
    """The options of `ser-tl listen`."""
    parser = Parser(description="Listens to a microphone and shows the emotion while somebody speaks.")
    parser.add_argument(
        "model", type=str | None, default=None, nargs="?", help="as in `ser-tl predict`; by default the bundled one"
    )
    parser.add_argument(
        "--device", type=str | None, default=None, help="the microphone: its number, or part of its name"
    )
    parser.add_argument("--list_devices", action="store_true", help="list the microphones and exit")
    parser.add_argument("--record", type=Path | None, default=None, help="save the audio: FILE.wav or .flac")
    parser.add_argument("--input", type=Path | None, default=None, help="read a file instead of a microphone")
    parser.add_argument("--realtime", action="store_true", help="read --input in real time")
    parser.add_argument(
        "--seconds", type=float | None, default=None, help="stop after this many seconds; Ctrl+C also stops"
    )
    parser.add_argument("--hop", type=float, default=0.2, help="seconds between answers")
    parser.add_argument("--window", type=float, default=3.0, help="longest window of an answer in seconds")
    parser.add_argument(
        "--smooth", type=str, default="ema:0.4", help="smoothing of probabilities: ema:WEIGHT, vote:COUNT or none"
    )
    parser.add_argument(
        "--cut", type=Literal["turn", "sliding"], default="turn", help="windows start at the speaker's onset, or slide"
    )
    parser.add_argument(
        "--stitched", action="store_true", help="take only a model that `ser-tl stitch` made, and encode each hop once"
    )
    parser.add_argument(
        "--voice", type=Literal["auto", "energy", "silero"], default="auto", help="voice activity detection"
    )
    parser.add_argument(
        "--format",
        type=Literal["auto", "bars", "jsonl"],
        default="auto",
        help="bars, or one JSON object per line; auto: bars on a terminal",
    )
    return parser
