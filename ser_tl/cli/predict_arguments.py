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
    parser.add_argument(
        "--format", choices=formats, default="jsonl", help="output format; jsonl writes one JSON object per line"
    )
    parser.add_argument("--segments", action="store_true", help="one row per window, with start and end in seconds")
    parser.add_argument("--top", type=int, default=None, help="only this many emotions, likeliest first")
    parser.add_argument(
        "--output",
        type=Path,
        default=None,
        help="output file; jsonl and csv are written row by row, and continued after a kill",
    )
    parser.add_argument("--embeddings", type=Path, default=None, help="FILE.npz: also save the embeddings")
    parser.add_argument(
        "--speaker_normalize",
        action="store_true",
        help="all recordings (8 or more) are of one speaker: normalise by their mean and deviation",
    )
    parser.add_argument(
        "--speaker",
        type=Path,
        default=None,
        help="all recordings are of this enrolled speaker: a file written by `ser-tl enrol`",
    )
    parser.add_argument(
        "--coverage",
        type=float,
        default=None,
        help="also predict the set of emotions that has the right one with this probability, e.g. 0.9; with several "
        "emotions in the set the model abstains",
    )
    parser.add_argument(
        "--attention", action="store_true", help="also write the attention weight of each frame (JSON only)"
    )


def add_embed_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `ser-tl embed`."""
    _add_recordings(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="FILE.npz, .parquet or .csv, with the columns file, start, end, speech, embedding",
    )
    parser.add_argument("--segments", action="store_true", help="one row per window, with start and end in seconds")
    parser.add_argument(
        "--speaker_normalize", action="store_true", help="all recordings (8 or more) are of one speaker, as in predict"
    )


def add_enrol_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `ser-tl enrol`."""
    _add_recordings(parser)
    parser.add_argument("--output", type=Path, required=True, help="FILE.npz, or FILE.json, which is readable")
    parser.add_argument(
        "--add", type=Path, default=None, help="an earlier enrolment of the same speaker with other clips, to extend"
    )
    parser.add_argument(
        "--personal", type=Path, default=None, help="folder for a model of this speaker alone, which can be exported"
    )


def _add_recordings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        type=str,
        nargs="+",
        help="[MODEL] RECORDING ...: first a saved model (runs/NAME/model), an exported one or its id on a hub (by "
        "default the bundled demonstration); then files, folders, patterns, lists (CSV, TSV, JSON lines, Parquet, "
        "text) or - for standard input",
    )
    parser.add_argument(
        "--model", type=str, default=None, help="the model, if the first name could also be a recording"
    )


def plain_parser() -> argparse.ArgumentParser:
    """The parser where jsonargparse isn't installed: what exported models need."""
    whole = argparse.ArgumentParser(
        prog="ser-tl",
        description="Speech emotion recognition with exported models. This installation can only predict; "
        "`pip install ser_tl` adds the other commands.",
    )
    commands = whole.add_subparsers(required=True, dest="command")
    predict = commands.add_parser("predict", help="predict the emotion in recordings")
    add_predict_arguments(predict)
    embed = commands.add_parser("embed", help="write the embeddings of recordings")
    add_embed_arguments(embed)
    annotate = commands.add_parser("annotate", help="annotate an archive of recordings")
    add_annotate_arguments(annotate)
    return whole
