"""What the command line can be asked: commands, arguments and their help."""

from pathlib import Path
from typing import Any, Literal

from ser_tl.arguments import Parser
from ser_tl.cli.adapt import adapt_parser
from ser_tl.cli.annotate import add_annotate_arguments
from ser_tl.cli.archive_report import archive_report_parser
from ser_tl.cli.audit import audit_parser
from ser_tl.cli.calibrate import calibrate_parser
from ser_tl.cli.check import check_parser
from ser_tl.cli.compress import compress_parser
from ser_tl.cli.corpus_arguments import add_corpus, add_root
from ser_tl.cli.listen_arguments import listen_parser
from ser_tl.cli.predict_arguments import add_embed_arguments, add_enrol_arguments, add_predict_arguments
from ser_tl.cli.recipes import RECIPES
from ser_tl.cli.serve import add_serve_arguments
from ser_tl.cli.stitch import stitch_parser
from ser_tl.cli.timeline import timeline_parser
from ser_tl.cli.worker import add_worker_arguments

FORMATS = ("aotinductor", "onnx", "openvino", "tensorrt", "tflite", "torch-export", "torchscript")
"""Of exports; their registry takes seconds to import."""


def parser() -> Parser:
    """The parser of all commands."""
    whole = Parser(prog="ser-tl", description="Speech emotion recognition on pretrained encoders.")
    whole.add_argument("--import", type=str, default=None, help="a module, or a Python file, with your own parts")
    whole.add_argument("--version", action="store_true", help="print the version and exit")
    whole.add_argument("--quiet", action="store_true", help="hide progress")
    whole.add_argument(
        "--log_level",
        type=Literal["error", "warning", "info", "debug"],
        default="warning",
        help="lowest level of libraries' messages to show",
    )
    commands = whole.add_subcommands(required=True, dest="command")

    def add_with_emotions(name: str, command: Parser, text: str) -> None:
        _add_emotions(command)
        commands.add_subcommand(name, command, help=text)

    predict = Parser(description="Predicts the emotion in each recording, and its dimensions if there are any.")
    add_predict_arguments(predict)
    commands.add_subcommand("predict", predict, help="predict the emotion in recordings")
    embed = Parser(description="Writes the embedding of each recording, or of each window of it, into one file.")
    add_embed_arguments(embed)
    commands.add_subcommand("embed", embed, help="write the embeddings of recordings")
    enrol = Parser(description="Enrols a speaker with a few unlabelled recordings, for predict --speaker.")
    add_enrol_arguments(enrol)
    commands.add_subcommand("enrol", enrol, help="enrol a speaker with a few recordings")
    commands.add_subcommand("timeline", timeline_parser(), help="show emotion over time in a long recording")
    commands.add_subcommand("listen", listen_parser(), help="show the emotion in live audio")

    serve = Parser(description="Serves models over HTTP, with a web page, until SIGTERM. SIGHUP reloads the models.")
    add_serve_arguments(serve)
    commands.add_subcommand("serve", serve, help="serve models over HTTP")

    worker = Parser(description="Predicts recordings from a queue (Redis or Kafka) until SIGTERM.")
    add_worker_arguments(worker)
    commands.add_subcommand("worker", worker, help="predict recordings from a queue")

    annotate = Parser(
        description="Predicts each recording of an archive exactly once. The same command continues a killed run."
    )
    add_annotate_arguments(annotate)
    commands.add_subcommand("annotate", annotate, help="annotate an archive of recordings")
    commands.add_subcommand("archive-report", archive_report_parser(), help="summarise an archive's predictions")

    evaluate = Parser(
        description="Evaluates a saved model on a corpus of new speakers: its training speakers are refused."
    )
    evaluate.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its id on a hub")
    add_corpus(evaluate, "a name that `ser-tl corpora` lists; several as NAME:ROOT+NAME:ROOT")
    evaluate.add_argument("--ids", type=Path, default=None, help="a run's split.json: evaluate its test part only")
    evaluate.add_argument(
        "--groups", type=list[str], default=["sex"], help="columns whose groups are compared, if the corpus has them"
    )
    evaluate.add_argument("--output", type=Path, default=None, help="folder for the report and its pictures")
    _add_emotions(evaluate)
    evaluate.add_argument(
        "--labels.emotion", type=Literal["corpus", "majority"], default="corpus", help="as in training"
    )
    evaluate.add_argument("--labels.ties", type=Literal["drop", "keep", "first"], default="drop", help="as in training")
    evaluate.add_argument(
        "--labels.classes",
        type=Literal["all", "shared"],
        default="all",
        help="--labels shared restricts the predictions to emotions of both model and corpus",
    )
    evaluate.add_argument("--noise", type=float, default=None, help="add white noise, SNR in dB; see ser-tl check")
    evaluate.add_argument(
        "--skip_unreadable", action="store_true", help="leave out broken audio, with a note, instead of stopping"
    )
    _add_pictures(evaluate)
    commands.add_subcommand("evaluate", evaluate, help="evaluate a saved model on a corpus")

    add_with_emotions("audit", audit_parser(), "search a corpus for leaks between its parts")
    add_with_emotions("check", check_parser(), "test a model's robustness to silence, rooms, telephones and noise")

    compare = Parser(description="Compares finished runs: scores, paired tests, costs.")
    compare.add_argument(
        "runs", type=str, nargs="+", help="folders of runs, or NAME=FOLDER; runs of the same NAME are its seeds"
    )
    compare.add_argument("--output", type=Path, default=None, help="folder for comparison.html, .md, .csv and .png")
    compare.add_argument("--title", type=str, default="", help="heading of the table")
    _add_pictures(compare)
    commands.add_subcommand("compare", compare, help="compare finished runs in a table and a page")

    inspect = Parser(description="Plots waveform, spectrogram, attention and probabilities of a recording.")
    inspect.add_argument("model", type=Path, help="folder of a saved model (runs/NAME/model)")
    inspect.add_argument("file", type=Path, help="recording: WAV, FLAC, Ogg, MP3 or AIFF")
    inspect.add_argument(
        "--output", type=Path, default=None, help="the picture; by default FILE's name with .png, in the current folder"
    )
    commands.add_subcommand("inspect", inspect, help="plot a recording with a model's attention and probabilities")
    push = Parser(description="Uploads a model to a hub. After a failure the same command uploads what is missing.")
    push.add_argument("folder", type=Path, help="a model's folder (runs/NAME/model) or an adapter's, with its card")
    push.add_argument("repo", type=str, help="an id on the hub (name/repo), or a folder: file:///teamhub/name/repo")
    push.add_argument("--revision", type=str, default=None, help="the branch; main by default")
    push.add_argument("--message", type=str, default="Push a model", help="the commit message")
    push.add_argument("--purpose", type=str, default="", help="the model's intended use, for a card without one")
    push.add_argument("--tag", type=str, default=None, help="a tag for this version")
    push.add_argument("--public", action="store_true", help="make a new repository public; asks first")
    push.add_argument("--yes", action="store_true", help="make it public without asking")
    commands.add_subcommand("push", push, help="upload a model to a hub")

    extract = Parser(
        description="Fills the feature cache with an encoder's features of a corpus. The same command continues it."
    )
    extract.add_argument("--encoder", type=str, required=True, help="a name that `ser-tl encoders` lists, or a folder")
    extract.add_argument("--encoder_options", type=dict[str, Any], default={}, help="options of the encoder")
    extract.add_argument(
        "--layers",
        type=list[int] | None,
        default=None,
        help="layers whose states are cached: [1, 2, 3]; all by default",
    )
    add_corpus(extract)
    _add_emotions(extract)
    extract.add_argument(
        "--skip_unreadable", action="store_true", help="leave out broken audio, with a note, instead of stopping"
    )
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
    extract.add_argument("--workers", type=int, default=0, help="decoding processes per encoding process")
    extract.add_argument("--cache_gib", type=float, default=20.0, help="largest size of the cache in GiB")
    commands.add_subcommand("extract", extract, help="fill the feature cache before trainings")

    export = Parser(description="Exports a model as a graph for other runtimes, and compares it with the model.")
    export.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its id on a hub")
    export.add_argument("--output", type=Path, required=True, help="a new folder, or an export to replace")
    export.add_argument("--format", type=str, choices=FORMATS, default="onnx", help="format of the graph")
    export.add_argument(
        "--weights", type=Literal["float32", "float16"], default="float32", help="precision of the stored weights"
    )
    export.add_argument(
        "--quantize", type=Literal["int8"] | None, default=None, help="quantise trained layers to 8-bit integers"
    )
    export.add_argument(
        "--python", type=Path | None, default=None, help="virtual environment with the converter (tflite)"
    )
    export.add_argument(
        "--window",
        type=float | None,
        default=None,
        help="input length in seconds, for formats with a fixed length (tflite)",
    )
    export.add_argument(
        "--calibrate",
        type=str | None,
        default=None,
        help="corpus for measuring activations and comparing answers; emodb-mini by default",
    )
    add_root(export)
    _add_emotions(export)
    commands.add_subcommand("export", export, help="export a model for use without torch")

    add_with_emotions("calibrate", calibrate_parser(), "fit a saved model's probabilities to a corpus' speakers")
    add_with_emotions("adapt", adapt_parser(), "adapt a saved model to other recordings, without labels")
    add_with_emotions("compress", compress_parser(), "make a trained model smaller and faster")
    add_with_emotions("stitch", stitch_parser(), "fit a model's classifier for streams that encode each hop once")

    augment = Parser(description="Writes an augmented recording for each transform, and a picture.")
    augment.add_argument("file", type=Path, help="recording: WAV, FLAC, Ogg, MP3 or AIFF")
    augment.add_argument("--output", type=Path, required=True, help="folder for the FLAC files and augmentation.png")
    augment.add_argument("--augment.preset", type=str, default="none", help="as in training")
    augment.add_argument(
        "--augment.transforms",
        type=dict[str, dict[str, Any] | None],
        default={},
        help="as in training: {noise: {snr: 10}}; without it and a preset, every transform at its defaults",
    )
    add_corpus(augment, "corpus for babble and mixed voices", required=False, default="emodb-mini")
    _add_emotions(augment)
    augment.add_argument(
        "--max_seconds", type=float, default=12.0, help="longest part of the recording that is used, in seconds"
    )
    augment.add_argument("--seed", type=int, default=0, help="random seed")
    commands.add_subcommand("augment", augment, help="write and plot augmented versions of a recording")

    corpora = Parser(
        description="Lists the corpora that can be read. With a name, counts the clips of each emotion in that "
        "corpus, and measures the agreement of its annotators."
    )
    corpora.add_argument(
        "name", type=str, default=None, nargs="?", help="a corpus to summarise; without it all are listed"
    )
    add_root(corpora)
    _add_emotions(corpora)
    commands.add_subcommand("corpora", corpora, help="list the corpora that can be read, or summarise one")
    encoders = Parser(description="Lists the encoders that have a name. Folders and hub ids can be used, too.")
    commands.add_subcommand("encoders", encoders, help="list the encoders that have a name")
    cache = Parser(description="Shows, verifies or clears the cached features of frozen layers.")
    cache.add_argument("action", type=Literal["show", "verify", "clear"], default="show", nargs="?", help="what to do")
    cache.add_argument("--delete", action="store_true", help="verify only: delete damaged entries")
    commands.add_subcommand("cache", cache, help="show, verify or clear the feature cache")
    for name, (_, purpose) in RECIPES.items():  # run before any parsing: each recipe has a parser of its own
        commands.add_subcommand(name, Parser(), help=purpose)
    init = Parser(description="Prints all options of a command as YAML, each with its meaning.")
    init.add_argument("recipe", choices=list(RECIPES), nargs="?", default="train", help="the command")
    commands.add_subcommand("init", init, help="print a command's options as commented YAML")

    doctor = Parser(description="Prints versions, devices, cache and disk space, and problems of the installation.")
    commands.add_subcommand("doctor", doctor, help="check the installation; paste the output into bug reports")
    return whole


def _add_pictures(command: Parser) -> None:
    kind = list[Literal["pdf", "svg"]]
    command.add_argument("--pictures", type=kind, default=[], help="further formats of pictures besides PNG: pdf, svg")


def _add_emotions(command: Parser) -> None:
    """The options of `EmotionMap`."""
    command.add_argument(
        "--emotions.rename", type=dict[str, str], default={}, help="new names of labels: {label in the corpus: name}"
    )
    command.add_argument(
        "--emotions.merge",
        type=dict[str, list[str]],
        default={},
        help="emotions to merge into a class: {class: [emotion, ...]}",
    )
    command.add_argument("--emotions.drop", type=list[str], default=[], help="emotions to leave out")
    command.add_argument("--emotions.free", type=bool, default=False, help="take the corpus' class names as they are")
