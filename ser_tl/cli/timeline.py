"""`ser-tl timeline`: emotion over time in a long recording, as a page or in the format of a file's ending."""

from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.output import make_folder
from ser_tl.files import write_text


def timeline_parser() -> Parser:
    """The options of `ser-tl timeline`."""
    parser = Parser(description="Shows the emotions in a long recording over time.")
    parser.add_argument("file", type=Path, help="recording: WAV, FLAC, Ogg, MP3 or AIFF, of any length")
    parser.add_argument(
        "--model", type=str | None, default=None, help="as in `ser-tl predict`; by default the bundled one"
    )
    parser.add_argument(
        "--output",
        type=list[Path],
        metavar="FILE",
        required=True,
        help="output file, or '[FILE, FILE]': .html (a page), .rttm, .TextGrid, .eaf (ELAN), .txt (Audacity) or .csv",
    )
    parser.add_argument("--turns", type=Path | None, default=None, help="RTTM file of speaker turns")
    parser.add_argument("--hop", type=float, default=0.25, help="seconds between windows")
    parser.add_argument("--window", type=float, default=2.0, help="seconds of audio in each window")
    parser.add_argument(
        "--penalty",
        type=float,
        default=6.0,
        help="cost of a change of emotion within a turn, in nats, less at pauses; inf keeps turns whole",
    )
    parser.add_argument(
        "--voice", type=Literal["auto", "energy", "silero"], default="auto", help="voice activity detection"
    )
    return parser


def timeline(options: Namespace) -> int:
    """Writes the files and names them."""
    from ser_tl.streaming.formats import FORMATS, check_format
    from ser_tl.streaming.speaker_turns import read_turns
    from ser_tl.streaming.spectrogram import measure_spectrogram
    from ser_tl.streaming.timeline import build_timeline
    from ser_tl.streaming.timeline_page import format_page

    for path in options.output:
        check_format(path)
        make_folder(path.parent)
    turns = None if options.turns is None else read_turns(options.turns, options.file.stem)
    result = build_timeline(
        options.file,
        options.model,
        turns=turns,
        hop=options.hop,
        window=options.window,
        penalty=options.penalty,
        voice=options.voice,
    )
    for path in options.output:
        kind = path.suffix.lower()
        text = format_page(result, measure_spectrogram(options.file)) if kind == ".html" else FORMATS[kind](result)
        write_text(path, text)
        print(path)
    return 0
