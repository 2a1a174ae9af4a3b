"""The arguments of `ser-tl predict`, in argparse's own terms: predicting with an exported model needs no more.

add_predict_arguments(parser)    to argparse's parser, or to jsonargparse's, which is one
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ser_tl.cli.annotate import add_annotate_arguments

_SPELLINGS = {
    "--skip-unreadable": "--skip_unreadable",
    "--no-audio": "--no_audio",
    "--speaker-normalize": "--speaker_normalize",
    "--list-devices": "--list_devices",
    "--require-notice": "--require_notice",
    "--api-keys": "--api_keys",
    "--abstain-below": "--abstain_below",
    "--shard-clips": "--shard_clips",
    "--allow-errors": "--allow_errors",
    "--together": "--speaker_normalize",  # its name until version 0.1
}


def normalise_spelling(arguments: Sequence[str]) -> list[str]:
    """Arguments as the parsers spell them."""
    parts = (argument.partition("=") for argument in arguments)
    return [_SPELLINGS.get(name, name) + sign + value for name, sign, value in parts]


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    _add_recordings(parser)
    formats = ["table", "json", "jsonl", "csv"]
    parser.add_argument("--format", choices=formats, default="jsonl", help="of the rows; jsonl is a line for each")
    parser.add_argument("--segments", action="store_true", help="a row a window, with start and end in seconds")
    parser.add_argument("--top", type=int, default=None, help="only this many emotions, likeliest first")
    parser.add_argument(
        "--output", type=Path, default=None, help="a file; jsonl and csv grow as they go, and go on after a kill"
    )
    parser.add_argument("--embeddings", type=Path, default=None, help="FILE.npz for the embeddings besides")
    parser.add_argument(
        "--speaker_normalize",
        action="store_true",
        help="the recordings are one speaker's (8 or more): normalise by their own mean and deviation",
    )
    parser.add_argument(
        "--speaker",
        type=Path,
        default=None,
        help="the recordings are this enrolled speaker's: a file that `ser-tl enrol` wrote",
    )
    parser.add_argument(
        "--coverage",
        type=float,
        default=None,
        help="e.g. 0.9: also the set of emotions that holds the right one in that share of recordings, and whether "
        "more than one is in it (abstained)",
    )
    parser.add_argument("--attention", action="store_true", help="JSON only: the weight of each frame over time")


def add_embed_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `ser-tl embed`."""
    _add_recordings(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="FILE.npz, .parquet or .csv: file, start, end, speech, embedding",
    )
    parser.add_argument("--segments", action="store_true", help="a row a window, with start and end in seconds")
    parser.add_argument(
        "--speaker_normalize", action="store_true", help="the recordings are one speaker's (8 or more), as in predict"
    )


def add_enrol_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `ser-tl enrol`."""
    _add_recordings(parser)
    parser.add_argument("--output", type=Path, required=True, help="FILE.npz, or FILE.json to look at")
    parser.add_argument(
        "--add", type=Path, default=None, help="an earlier enrolment of the same speaker, of other clips"
    )
    parser.add_argument(
        "--personal", type=Path, default=None, help="also a folder for the model of this speaker alone, to export"
    )


def _add_recordings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        type=str,
        nargs="+",
        help="[MODEL] RECORDING ...: a saved model (runs/NAME/model), an exported one or its place on a hub, the "
        "bundled demonstration if left out; then files, folders, patterns, lists (CSV, TSV, JSON lines, Parquet, text) "
        "or - for standard input",
    )
    parser.add_argument("--model", type=str, default=None, help="where the first name could be a recording too")


def plain_parser() -> argparse.ArgumentParser:
    """The parser where jsonargparse isn't installed: what exported models need."""
    whole = argparse.ArgumentParser(
        prog="ser-tl",
        description="Speech emotion recognition with exported models. This installation has no more than predicting "
        "needs; `pip install ser_tl` brings the other commands.",
    )
    commands = whole.add_subparsers(required=True, dest="command")
    predict = commands.add_parser("predict", help="predict the emotion in recordings")
    add_predict_arguments(predict)
    embed = commands.add_parser("embed", help="write the embeddings of recordings")
    add_embed_arguments(embed)
    annotate = commands.add_parser("annotate", help="annotate an archive of recordings")
    add_annotate_arguments(annotate)
    return whole
