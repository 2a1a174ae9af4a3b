"""What the command line can be asked: commands, arguments and their help."""

from pathlib import Path
from typing import Any, Literal

from ser_tl.arguments import Parser
from ser_tl.cli.annotate import add_annotate_arguments
from ser_tl.cli.archive_report import archive_report_parser
from ser_tl.cli.audit import audit_parser
from ser_tl.cli.calibrate import calibrate_parser
from ser_tl.cli.check import check_parser
from ser_tl.cli.compress import compress_parser
from ser_tl.cli.listen_arguments import listen_parser
from ser_tl.cli.predict_arguments import add_embed_arguments, add_enrol_arguments, add_predict_arguments
from ser_tl.cli.recipes import RECIPES
from ser_tl.cli.serve import add_serve_arguments
from ser_tl.cli.timeline import timeline_parser
from ser_tl.cli.worker import add_worker_arguments

FORMATS = ("aotinductor", "onnx", "openvino", "tensorrt", "tflite", "torch-export", "torchscript")
"""Of exports; their registry takes seconds to import."""


def parser() -> Parser:
    """The parser of all commands."""
    whole = Parser(prog="ser-tl", description="Speech emotion recognition on pretrained encoders.")
    whole.add_argument("--import", type=str, default=None, help="a module, or a Python file, with your own parts")
    whole.add_argument("--version", action="store_true", help="print the version, and end")
    whole.add_argument("--quiet", action="store_true", help="show no progress")
    whole.add_argument(
        "--log_level", type=Literal["error", "warning", "info", "debug"], default="warning", help="of the libraries"
    )
    commands = whole.add_subcommands(required=True, dest="command")

    predict = Parser(description="Predicts the emotion in each recording, and its dimensions if there are any.")
    add_predict_arguments(predict)
    commands.add_subcommand("predict", predict, help="predict the emotion in recordings")
    embed = Parser(description="Writes the embedding of each recording, or of each window of it, into one file.")
    add_embed_arguments(embed)
    commands.add_subcommand("embed", embed, help="write the embeddings of recordings, which need no labels")
    enrol = Parser(description="Enrols a speaker with a few recordings, which need no labels, for predict --speaker.")
    add_enrol_arguments(enrol)
    commands.add_subcommand("enrol", enrol, help="enrol a speaker with a few recordings")
    commands.add_subcommand("timeline", timeline_parser(), help="show emotion over time in a long recording")
    commands.add_subcommand("listen", listen_parser(), help="show the emotion in a microphone's audio, live")

    serve = Parser(description="Serves models over HTTP, with a page, until SIGTERM; SIGHUP reloads them.")
    add_serve_arguments(serve)
    commands.add_subcommand("serve", serve, help="serve models over HTTP")

    worker = Parser(description="Answers for recordings from a queue (Celery), until SIGTERM.")
    add_worker_arguments(worker)
    commands.add_subcommand("worker", worker, help="answer for recordings from a queue")

    annotate = Parser(description="Predicts each recording of an archive exactly once. Killed, it goes on.")
    add_annotate_arguments(annotate)
    commands.add_subcommand("annotate", annotate, help="annotate an archive of recordings")
    commands.add_subcommand("archive-report", archive_report_parser(), help="report what is in an archive")

    evaluate = Parser(description="Evaluates a saved model on a whole corpus, whose speakers it must not know.")
    evaluate.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its place on a hub")
    evaluate.add_argument(
        "--corpus", type=str, required=True, help="a name that `ser-tl corpora` lists; several as NAME:ROOT+NAME:ROOT"
    )
    evaluate.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    evaluate.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    evaluate.add_argument("--ids", type=Path, default=None, help="a run's split.json: evaluate its test part only")
    evaluate.add_argument(
        "--groups", type=list[str], default=["sex"], help="columns by which speakers are compared, where they are"
    )
    evaluate.add_argument("--output", type=Path, default=None, help="folder for report.json and its companions")
    _add_emotions(evaluate)
    evaluate.add_argument(
        "--labels.emotion", type=Literal["corpus", "majority"], default="corpus", help="as in training"
    )
    evaluate.add_argument("--labels.ties", type=Literal["drop", "keep", "first"], default="drop", help="as in training")
    evaluate.add_argument(
        "--labels.classes",
        type=Literal["all", "shared"],
        default="all",
        help="--labels shared restricts the answers to the emotions of both model and corpus",
    )
    evaluate.add_argument(
        "--noise", type=float, default=None, help="add white noise to every clip, at this signal-to-noise ratio in dB"
    )
    evaluate.add_argument("--skip_unreadable", action="store_true", help="leave broken audio out and say so")
    _add_pictures(evaluate)
    commands.add_subcommand("evaluate", evaluate, help="the report of a saved model on a corpus")

    audit = audit_parser()
    _add_emotions(audit)
    commands.add_subcommand("audit", audit, help="find what the parts of a corpus share")
    check = check_parser()
    _add_emotions(check)
    commands.add_subcommand("check", check, help="check how a model stands silence, rooms, phones and noise")

    compare = Parser(description="Compares finished runs: scores, paired tests, costs.")
    compare.add_argument(
        "runs", type=str, nargs="+", help="folders of runs; NAME=FOLDER names one, the same NAME again is another seed"
    )
    compare.add_argument("--output", type=Path, default=None, help="folder for comparison.html, .md, .csv and .png")
    compare.add_argument("--title", type=str, default="", help="what is compared, for the heading")
    _add_pictures(compare)
    commands.add_subcommand("compare", compare, help="compare finished runs in a table and a page")

    inspect = Parser(description="Draws waveform, spectrogram, attention and probabilities of a recording.")
    inspect.add_argument("model", type=Path, help="folder of a saved model (runs/NAME/model)")
    inspect.add_argument("file", type=Path, help="recording: WAV, FLAC, Ogg, MP3 or AIFF")
    inspect.add_argument("--output", type=Path, default=None, help="the picture; FILE's name with .png, here, if None")
    commands.add_subcommand("inspect", inspect, help="draw a recording with a model's attention and probabilities")
    push = Parser(description="Puts a model on a hub. A push that failed goes on with what is missing.")
    push.add_argument("folder", type=Path, help="a model's folder (runs/NAME/model) or an adapter's, with its card")
    push.add_argument("repo", type=str, help="an id on the hub (name/repo), or a folder: file:///teamhub/name/repo")
    push.add_argument("--revision", type=str, default=None, help="the branch; main if not given")
    push.add_argument("--message", type=str, default="Push a model", help="what the history says")
    push.add_argument("--purpose", type=str, default="", help="what the model is for, for the card that doesn't say it")
    push.add_argument("--tag", type=str, default=None, help="a name for this version that never moves")
    push.add_argument(
        "--public", action="store_true", help="a repository that is new may be seen by everyone; asks first"
    )
    push.add_argument("--yes", action="store_true", help="don't ask: everyone may see it")
    commands.add_subcommand("push", push, help="put a model on a hub")

    extract = Parser(
        description="Fills the feature cache with an encoder's features of a corpus. Started again, it goes on."
    )
    extract.add_argument("--encoder", type=str, required=True, help="a name that `ser-tl encoders` lists, or a folder")
    extract.add_argument("--encoder_options", type=dict[str, Any], default={}, help="options of the encoder")
    extract.add_argument("--layers", type=list[int] | None, default=None, help="[1, 2, 3]: which states; all if None")
    extract.add_argument("--corpus", type=str, required=True, help="a name that `ser-tl corpora` lists")
    extract.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    extract.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    _add_emotions(extract)
    extract.add_argument("--skip_unreadable", action="store_true", help="leave broken audio out and say so")
    extract.add_argument(
        "--audio.normalise", type=Literal["none", "peak", "rms"], default="none", help="as in training"
    )
    extract.add_argument("--audio.gate", type=Literal["none", "energy"], default="energy", help="as in training")
    extract.add_argument("--audio.max_seconds", type=float, default=12.0, help="as in training")
    extract.add_argument(
        "--audio.evaluation", type=Literal["windows", "centre"], default="windows", help="as in training"
    )
    extract.add_argument("--precision", type=Literal["no", "bf16", "fp16", "auto"], default="no", help="as in training")
    extract.add_argument("--batch_seconds", type=float, default=30.0, help="seconds of audio in a batch")
    extract.add_argument("--workers", type=int, default=0, help="processes that decode beside each one that encodes")
    extract.add_argument("--cache_gib", type=float, default=20.0, help="the most that may lie in the cache, in GiB")
    commands.add_subcommand("extract", extract, help="fill the feature cache ahead of trainings")

    export = Parser(
        description="Exports a model as a graph that others compute, checked against the model when it is made."
    )
    export.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its place on a hub")
    export.add_argument("--output", type=Path, required=True, help="folder: a new one, or an export to replace")
    export.add_argument("--format", type=str, choices=FORMATS, default="onnx", help="of it")
    export.add_argument("--weights", type=Literal["float32", "float16"], default="float32", help="how they are stored")
    export.add_argument(
        "--quantize", type=Literal["int8"] | None, default=None, help="compute trained layers in integers"
    )
    export.add_argument("--python", type=Path | None, default=None, help="environment that has the converter (tflite)")
    export.add_argument(
        "--window", type=float | None, default=None, help="seconds of each input, for formats of one length"
    )
    export.add_argument(
        "--calibrate",
        type=str | None,
        default=None,
        help="corpus on which activations are measured and answers compared; emodb-mini if not given",
    )
    export.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    export.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    _add_emotions(export)
    commands.add_subcommand("export", export, help="export a model for use without torch")

    calibrate = calibrate_parser()
    _add_emotions(calibrate)
    commands.add_subcommand("calibrate", calibrate, help="fit a saved model's probabilities to a corpus' speakers")
    compress = compress_parser()
    _add_emotions(compress)
    commands.add_subcommand("compress", compress, help="make a trained model smaller and faster")

    augment = Parser(description="Writes an augmented recording: each transform, and a picture.")
    augment.add_argument("file", type=Path, help="recording: WAV, FLAC, Ogg, MP3 or AIFF")
    augment.add_argument("--output", type=Path, required=True, help="folder for the FLAC files and augmentation.png")
    augment.add_argument("--augment.preset", type=str, default="none", help="as in training")
    augment.add_argument(
        "--augment.transforms",
        type=dict[str, dict[str, Any] | None],
        default={},
        help="as in training: {noise: {snr: 10}}; without it and a preset, every transform at its defaults",
    )
    augment.add_argument("--corpus", type=str, default="emodb-mini", help="whose voices make babble and mixtures")
    augment.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    augment.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    _add_emotions(augment)
    augment.add_argument("--max_seconds", type=float, default=12.0, help="seconds of the recording that are used")
    augment.add_argument("--seed", type=int, default=0, help="of all draws")
    commands.add_subcommand("augment", augment, help="listen to and look at what augmentation does")

    corpora = Parser(
        description="Lists the corpora that can be read; with a name, counts the clips of each emotion in one, and "
        "how far its annotators agree."
    )
    corpora.add_argument("name", type=str, default=None, nargs="?", help="the corpus to look into; the list if None")
    corpora.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    corpora.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    _add_emotions(corpora)
    commands.add_subcommand("corpora", corpora, help="list the corpora that can be read, or look into one")
    encoders = Parser(description="Lists the encoders that have a name; folders and hub ids work too.")
    commands.add_subcommand("encoders", encoders, help="list the encoders that have a name")
    cache = Parser(description="Shows, verifies or clears what frozen encoders made of clips.")
    cache.add_argument("action", type=Literal["show", "verify", "clear"], default="show", nargs="?", help="what to do")
    cache.add_argument("--delete", action="store_true", help="verify only: delete damaged entries")
    commands.add_subcommand("cache", cache, help="show, verify or clear the feature cache")
    for name, (_, purpose) in RECIPES.items():  # run before any parsing: each recipe has a parser of its own
        commands.add_subcommand(name, Parser(), help=purpose)
    init = Parser(description="Prints all options of a recipe as YAML, each with its meaning.")
    init.add_argument("recipe", choices=list(RECIPES), nargs="?", default="train", help="the command")
    commands.add_subcommand("init", init, help="print a recipe's options as commented YAML")

    doctor = Parser(description="Tells versions, devices, cache and disk, and what is wrong with an installation.")
    commands.add_subcommand("doctor", doctor, help="check an installation; bug reports begin with its output")
    return whole


def _add_pictures(command: Parser) -> None:
    kind = list[Literal["pdf", "svg"]]
    command.add_argument("--pictures", type=kind, default=[], help="formats of the pictures beside PNG: pdf, svg")


def _add_emotions(command: Parser) -> None:
    """The options of `EmotionMap`."""
    command.add_argument(
        "--emotions.rename", type=dict[str, str], default={}, help="label, as the corpus spells it, to name"
    )
    command.add_argument("--emotions.merge", type=dict[str, list[str]], default={}, help="class to its emotions")
    command.add_argument("--emotions.drop", type=list[str], default=[], help="emotions to leave out")
    command.add_argument("--emotions.free", type=bool, default=False, help="take the corpus' class names as they are")
