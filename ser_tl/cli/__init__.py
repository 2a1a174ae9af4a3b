"""The command line: predictions, timelines, live listening, evaluation, exports, serving, pushes, the cache and lists.

    ser-tl predict MODEL clip.wav other.flac           JSON lines, or a table with --format table
    ser-tl embed MODEL calls/ --output calls.npz       the embeddings of recordings, without labels
    ser-tl enrol MODEL few/ --output ann.npz           a speaker, for predict --speaker ann.npz
    ser-tl timeline long.wav --output page.html        the emotions over time, as a page, RTTM, TextGrid, ELAN
    ser-tl listen MODEL                                the emotion in a microphone's audio, live
    ser-tl serve MODEL --port 8000                     REST, live streams and a page
    ser-tl worker MODEL --broker redis://...           recordings from a queue
    ser-tl annotate SOURCE --output FOLDER             an archive of any size into Parquet shards, exactly once
    ser-tl annotate status FOLDER                      how far it is
    ser-tl archive-report FOLDER                       what is in it: distributions, drift, clips to listen to
    ser-tl evaluate MODEL --corpus ravdess --root DIR  the report of a saved model on a corpus
    ser-tl check MODEL --corpus ravdess --root DIR     how a model stands silence, rooms, telephones and noise
    ser-tl inspect MODEL clip.wav --output clip.png    a picture of attention and probabilities over time
    ser-tl compare RUN OTHER --output FOLDER           runs side by side: a table, and a page with pictures
    ser-tl push runs/NAME/model name/repo              the model and its card, to a hub
    ser-tl extract --encoder NAME --corpus ravdess     the feature cache filled ahead of trainings
    ser-tl calibrate MODEL --corpus csv --root my.csv  its probabilities fitted to speakers that it doesn't know
    ser-tl adapt MODEL --files CALLS --output FOLDER   a model for recordings of another kind, without labels
    ser-tl compress MODEL --corpus emodb --ffn 0.5     fewer layers, narrower ones, the classifier fitted anew
    ser-tl stitch MODEL --corpus emodb --output FOLDER its classifier fitted for streams that encode each hop once
    ser-tl export MODEL --output FOLDER                an ONNX graph, for prediction without torch
    ser-tl corpora emotale --root DIR                  what there is of each emotion, and how far annotators agree
    ser-tl augment clip.wav --output FOLDER            an augmented recording, to listen to and look at
    ser-tl doctor                                      what is installed, what loads, and what is wrong

Each takes --import MODULE (or a Python file) of parts that aren't installed: an encoder, a pooling, a corpus; --quiet
to show no progress; and --log-level error, warning, info or debug for the libraries' own messages.

MODEL is a folder, an id on the hub, or a folder that is the hub (file:///teamhub/name/repo).

    ser-tl train --corpus csv --root my.csv            recipes/finetune_wav2vec2.py; `recipes` has the others
    ser-tl init train > my.yaml                        its options as YAML, with their meanings

`arguments` says what can be asked; `models`, `runs` and `lists` hold the commands. Heavy imports stand in the commands
that need them, so that `--help` is quick.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from ser_tl.cli.predict_arguments import normalise_spelling, plain_parser
from ser_tl.cli.recipes import RECIPES, explain_missing, run_recipe
from ser_tl.dependencies import installed_version
from ser_tl.errors import ConfigError, SerTlError
from ser_tl.plugins import take_imports
from ser_tl.terminal import LOG_LEVELS, escape_unprintable, set_log_level, set_quiet, silence_output

COMMANDS = {
    "predict": "predict",
    "embed": "embed",
    "enrol": "enrol",
    "timeline": "timeline",
    "listen": "listen",
    "serve": "serve",
    "worker": "worker",
    "annotate": "annotate",
    "archive-report": "archive_report",
    "evaluate": "models",
    "check": "check",
    "compare": "runs",
    "inspect": "models",
    "push": "models",
    "extract": "models",
    "export": "export",
    "adapt": "adapt",
    "calibrate": "calibrate",
    "compress": "compress",
    "stitch": "stitch",
    "augment": "augmentation",
    "audit": "audit",
    "corpora": "lists",
    "encoders": "lists",
    "cache": "lists",
    "doctor": "doctor",
    "init": "recipes",
}
"""The module that holds each command, as a function of its name."""

PLAIN = {"predict", "embed", "annotate"}
"""Commands that work where the runtime of exported models is installed and no more."""

RESUMABLE = ("annotate", "extract")
"""Commands that go on where they were interrupted; so does predict, with rows that grow in a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what to parse; the program's own if None

    Returns:
        The exit status: 0, or 1 with a message on standard error; 130 after Ctrl-C and 141 where the reader of the
        output is gone, as in shells. A wrong command line ends the program with 2.
    """
    escape_unprintable()
    given = normalise_spelling(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["--version"]:
            print(f"ser_tl {installed_version('ser_tl')}")
            return 0
        if given and given[0] not in RECIPES:  # a recipe imports by itself, and keeps the names in its config.yaml
            given = _take_messages(take_imports(given))
        if given and given[0] in RECIPES:
            run_recipe(given[0], given[1:])
            return 0
    except SerTlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        from ser_tl.cli.arguments import parser
    except ModuleNotFoundError as error:
        if error.name != "jsonargparse":
            raise
        if given and given[0] in set(COMMANDS) - PLAIN:
            print(f"error: {explain_missing(given[0], error.name)}", file=sys.stderr)
            return 1
        chosen = options = plain_parser().parse_args(given)  # exported models are predicted with here, and no more
    else:
        chosen = parser().parse_args(given)
        options = chosen[chosen.command]
    command = getattr(import_module(f"ser_tl.cli.{COMMANDS[chosen.command]}"), chosen.command.replace("-", "_"))
    try:
        status = command(options)
        sys.stdout.flush()  # here, where a closed pipe is no traceback
        return status
    except SerTlError as error:
        print(f"error: {_spell(str(error), chosen.command)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        growing = chosen.command == "predict" and options.output is not None and options.format in ("jsonl", "csv")
        goes_on = growing or chosen.command in RESUMABLE
        print(f"\ninterrupted{'; the same command goes on' if goes_on else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `ser-tl cache | head -1`: what was asked for was read
        silence_output()
        return 141


def _take_messages(arguments: Sequence[str]) -> list[str]:
    """Obeys --quiet and --log-level, wherever they stand; what is left of the arguments.

    Raises:
        ConfigError: another level
    """
    left: list[str] = []
    names = iter(arguments)
    set_quiet("--quiet" in arguments)
    for argument in names:
        flag, equals, value = argument.partition("=")
        if flag in ("--log-level", "--log_level"):
            level = value if equals else next(names, "")
            if level not in LOG_LEVELS:
                raise ConfigError(f"--log-level is {level!r}: expected one of {', '.join(LOG_LEVELS)}")
            set_log_level(level)
        elif flag != "--quiet":
            left.append(argument)
    return left


def _spell(message: str, command: str) -> str:
    """An error with its arguments as the command's flags; as it is where the parsers' package isn't installed."""
    try:
        from ser_tl.arguments import option_names, spell_options
        from ser_tl.cli.arguments import parser
    except ModuleNotFoundError:
        return message
    return spell_options(message, option_names(parser(), command))
