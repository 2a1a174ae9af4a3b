"""The command line: `ser-tl predict`, `evaluate`, `compare`, `inspect`, `push`, `extract` and what lists and tidies.

    ser-tl predict MODEL clip.wav other.flac           JSON lines, or a table with --format table
    ser-tl evaluate MODEL --corpus ravdess --root DIR  the report of a saved model on a corpus
    ser-tl inspect MODEL clip.wav --output clip.png    a picture of what the model hears when
    ser-tl compare RUN OTHER --output FOLDER           runs side by side: a table, and a page with pictures
    ser-tl push runs/NAME/model name/repo              the model and its card, to a hub
    ser-tl extract --encoder NAME --corpus ravdess     the feature cache filled ahead of trainings

MODEL is a folder, an id on the hub, or a folder that is the hub (file:///teamhub/name/repo).

Training is the recipes' job. Heavy imports stand in the commands that need them, so that `--help` is quick.
"""

import json
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from ser_tl.errors import SerTlError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what to parse; the program's own if None

    Returns:
        The exit status: 0, or 1 with a message on standard error. A wrong command line ends the program with 2.
    """
    parser = _parser()
    chosen = parser.parse_args(_dashes(sys.argv[1:] if arguments is None else arguments))
    try:
        return COMMANDS[chosen.command](chosen[chosen.command])
    except SerTlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _dashes(arguments: Sequence[str]) -> list[str]:
    return ["--skip_unreadable" if argument == "--skip-unreadable" else argument for argument in arguments]


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="ser-tl", description="Speech emotion recognition on pretrained encoders.")
    commands = parser.add_subcommands(required=True, dest="command")

    predict = ArgumentParser(description="Tells the emotion in each recording.")
    predict.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its place on a hub")
    predict.add_argument("files", type=Path, nargs="+", help="recordings: WAV, FLAC, Ogg, MP3 or AIFF")
    predict.add_argument("--format", type=Literal["json", "table"], default="json", help="JSON lines or a table")
    predict.add_argument(
        "--together", action="store_true", help="the recordings are one speaker's: take their own mean out of them"
    )
    predict.add_argument("--attention", action="store_true", help="JSON only: the weight of each frame over time")
    commands.add_subcommand("predict", predict, help="tell the emotion in recordings")

    evaluate = ArgumentParser(description="Evaluates a saved model on a whole corpus, whose speakers it must not know.")
    evaluate.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its place on a hub")
    evaluate.add_argument("--corpus", type=str, required=True, help="a name that `ser-tl corpora` lists")
    evaluate.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    evaluate.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    evaluate.add_argument("--ids", type=Path, default=None, help="a run's split.json: evaluate its test part only")
    evaluate.add_argument("--output", type=Path, default=None, help="folder for report.json and its companions")
    evaluate.add_argument("--emotions.rename", type=dict[str, str], default={}, help="label to name")
    evaluate.add_argument("--emotions.merge", type=dict[str, list[str]], default={}, help="class to its emotions")
    evaluate.add_argument("--emotions.drop", type=list[str], default=[], help="emotions to leave out")
    evaluate.add_argument("--skip_unreadable", action="store_true", help="leave broken audio out and say so")
    commands.add_subcommand("evaluate", evaluate, help="the report of a saved model on a corpus")

    compare = ArgumentParser(description="Compares finished runs: scores, paired tests, costs.")
    compare.add_argument(
        "runs", type=str, nargs="+", help="folders of runs; NAME=FOLDER names one, the same NAME again is another seed"
    )
    compare.add_argument("--output", type=Path, default=None, help="folder for comparison.html, .md, .csv and .png")
    compare.add_argument("--title", type=str, default="", help="what is compared, for the heading")
    commands.add_subcommand("compare", compare, help="compare finished runs in a table and a page")

    inspect = ArgumentParser(description="Draws waveform, spectrogram, attention and probabilities of a recording.")
    inspect.add_argument("model", type=Path, help="folder of a saved model (runs/NAME/model)")
    inspect.add_argument("file", type=Path, help="recording: WAV, FLAC, Ogg, MP3 or AIFF")
    inspect.add_argument("--output", type=Path, default=None, help="the picture; FILE's name with .png, here, if None")
    commands.add_subcommand("inspect", inspect, help="draw what a model hears in a recording")
    push = ArgumentParser(description="Puts a folder on a hub. A push that failed goes on with what is missing.")
    push.add_argument("folder", type=Path, help="a model's folder (runs/NAME/model), with its card")
    push.add_argument("repo", type=str, help="an id on the hub (name/repo), or a folder: file:///teamhub/name/repo")
    push.add_argument("--revision", type=str, default=None, help="the branch; main if not given")
    push.add_argument("--message", type=str, default="Push a model", help="what the history says")
    push.add_argument("--tag", type=str, default=None, help="a name for this version that never moves")
    push.add_argument("--public", action="store_true", help="a repository that is new may be seen by everyone")
    commands.add_subcommand("push", push, help="put a model on a hub")

    extract = ArgumentParser(
        description="Puts what an encoder makes of a corpus into the feature cache. Started again, it goes on."
    )
    extract.add_argument("--encoder", type=str, required=True, help="a name that `ser-tl encoders` lists, or a folder")
    extract.add_argument("--encoder_options", type=dict[str, Any], default={}, help="the encoder's own")
    extract.add_argument("--layers", type=list[int] | None, default=None, help="[1, 2, 3]: which states; all if None")
    extract.add_argument("--corpus", type=str, required=True, help="a name that `ser-tl corpora` lists")
    extract.add_argument("--root", type=Path, default=None, help="the corpus' folder, the manifest or a hub id")
    extract.add_argument("--columns", type=dict[str, str], default={}, help="what a column holds, to its name")
    extract.add_argument("--skip_unreadable", action="store_true", help="leave broken audio out and say so")
    extract.add_argument(
        "--audio.normalise", type=Literal["none", "peak", "rms"], default="none", help="as in training"
    )
    extract.add_argument("--audio.max_seconds", type=float, default=12.0, help="as in training")
    extract.add_argument(
        "--audio.evaluation", type=Literal["windows", "centre"], default="windows", help="as in training"
    )
    extract.add_argument("--precision", type=Literal["no", "bf16", "fp16"], default="no", help="as in training")
    extract.add_argument("--batch_seconds", type=float, default=30.0, help="seconds of audio in a batch")
    extract.add_argument("--workers", type=int, default=0, help="processes that decode beside each one that encodes")
    extract.add_argument("--cache_gib", type=float, default=20.0, help="the most that may lie in the cache, in GiB")
    commands.add_subcommand("extract", extract, help="fill the feature cache ahead of trainings")

    corpora = ArgumentParser(description="Lists the corpora that can be read.")
    commands.add_subcommand("corpora", corpora, help="list the corpora that can be read")
    encoders = ArgumentParser(description="Lists the encoders that have a name; folders and hub ids work too.")
    commands.add_subcommand("encoders", encoders, help="list the encoders that have a name")
    cache = ArgumentParser(description="Shows, verifies or clears what frozen encoders made of clips.")
    cache.add_argument("action", type=Literal["show", "verify", "clear"], default="show", nargs="?", help="what to do")
    cache.add_argument("--delete", action="store_true", help="verify only: delete damaged entries")
    commands.add_subcommand("cache", cache, help="show, verify or clear the feature cache")
    return parser


def predict(options: Namespace) -> int:
    """Predicts every file that can be used; status 1 if some can't, each named on standard error."""
    from ser_tl.errors import AudioError
    from ser_tl.model import EmotionModel

    model = EmotionModel.from_pretrained(options.model)
    rows, failed = [], 0
    # Together or not at all: each recording counts for what is taken out of the others.
    every = model.predict(options.files, attention=options.attention, together=True) if options.together else None
    for number, path in enumerate(options.files):
        try:
            found = model.predict(path, attention=options.attention) if every is None else every[number]
        except AudioError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        row = {"file": str(path), "label": found.label, "probabilities": found.probabilities}
        if found.attention is not None and found.frame_seconds is not None:
            row["attention"] = [weights.tolist() for weights in found.attention]
            row["frame_seconds"] = [begins.tolist() for begins in found.frame_seconds]
        if options.format == "json":
            print(json.dumps(row, ensure_ascii=False), flush=True)
        rows.append(row)
    if options.format == "table" and rows:
        cells = [[row["file"], row["label"], *(f"{p:.3f}" for p in row["probabilities"].values())] for row in rows]
        _print_table(["file", "label", *model.labels], cells)
    return 1 if failed else 0


def evaluate(options: Namespace) -> int:
    """Prints the report, and saves it where asked."""
    from ser_tl.corpora import load_corpus
    from ser_tl.data.checks import check_audio
    from ser_tl.data.emotions import EmotionMap
    from ser_tl.data.splits import tested_part
    from ser_tl.model import EmotionModel
    from ser_tl.training import TrainConfig, Trainer
    from ser_tl.transfer import STRATEGIES

    model = EmotionModel.from_pretrained(options.model)
    corpus = load_corpus(
        options.corpus, options.root, emotions=EmotionMap(**vars(options.emotions)), columns=options.columns
    )
    if options.ids is not None:
        corpus = tested_part(corpus, options.ids)
    corpus, notes = check_audio(corpus, skip_unreadable=options.skip_unreadable)
    # no cache: a fine-tuned encoder's states serve once
    trainer = Trainer(model, STRATEGIES["frozen"](), TrainConfig(cache=False))
    report = trainer.evaluate(corpus, title=f"{options.model} on {options.corpus}", notes=notes)
    if trainer.accelerator.is_main_process:
        print(report)
        if options.output is not None:
            report.save(options.output)
    return 0


def compare(options: Namespace) -> int:
    """Prints the table of runs, and writes it and the page where asked."""
    from ser_tl.evaluation import Comparison, read_runs

    comparison = Comparison.of(read_runs(options.runs), title=options.title, mixed=True)
    print(comparison)
    if options.output is not None:
        comparison.save(options.output)
        print(options.output / "comparison.html")
    return 0


def inspect(options: Namespace) -> int:
    """Draws the picture and says where it is."""
    from ser_tl.analysis import inspect as draw
    from ser_tl.model import EmotionModel

    path = options.output or Path(f"{options.file.stem}.png")
    model = EmotionModel.from_pretrained(options.model)
    found = draw(model, options.file, path)
    if found.attention is None:
        print(f"the model's pooling, {model.pooling_name}, weighs all frames alike: no attention to show")
    print(f"{found.label}\n{path}")
    return 0


def push(options: Namespace) -> int:
    """Pushes a folder and prints where it went."""
    from ser_tl.hub import push_folder

    done = push_folder(
        options.folder,
        options.repo,
        revision=options.revision,
        commit_message=options.message,
        tag=options.tag,
        private=not options.public,
    )
    print(f"{done.url}\n{done.commit}")
    return 0


def extract(options: Namespace) -> int:
    """Fills the cache and tells what lies there."""
    from ser_tl.corpora import load_corpus
    from ser_tl.data.audio import AudioConfig
    from ser_tl.data.checks import check_audio
    from ser_tl.encoders import load_encoder
    from ser_tl.training import TrainConfig
    from ser_tl.training.extraction import extract as fill_cache
    from ser_tl.training.processes import processes

    config = TrainConfig(
        precision=options.precision,
        batch_seconds=options.batch_seconds,
        workers=options.workers,
        cache_gib=options.cache_gib,
    )
    encoder = load_encoder(options.encoder, **options.encoder_options)
    corpus = load_corpus(options.corpus, options.root, columns=options.columns)
    corpus, notes = check_audio(corpus, skip_unreadable=options.skip_unreadable)
    audio = AudioConfig(**vars(options.audio))
    found = fill_cache(encoder, corpus, layers=options.layers, audio=audio, config=config, name=options.encoder)
    layers = " ".join(map(str, found.layers))
    lines = [
        *notes,
        f"{found.folder}: layers {layers} of {options.encoder} for {found.clips} clips of {options.corpus}, "
        f"{found.seconds / 3600:.2f} h, {found.size / 2**20:.1f} MiB",
    ]
    processes().print("\n".join(lines))
    return 0


def corpora(options: Namespace) -> int:  # noqa: ARG001
    """Prints the table of corpora."""
    from ser_tl.corpora import CORPORA

    rows = [
        [name, reader.title, ", ".join(reader.languages) or "any", reader.licence, "yes" if reader.bundled else ""]
        for name, reader in sorted(CORPORA.items())
    ]
    _print_table(["name", "corpus", "language", "licence", "bundled"], rows)
    print("\nWhat --root is, where nothing is bundled:")
    for name, reader in sorted(CORPORA.items()):
        if not reader.bundled:
            print(textwrap.fill(reader.layout, 100, initial_indent=f"  {name:13}", subsequent_indent=" " * 15))
    return 0


def encoders(options: Namespace) -> int:  # noqa: ARG001
    """Prints the table of encoders."""
    from ser_tl.encoders import ENCODERS, FAMILIES, availability

    rows = []
    for name, card in ENCODERS.items():
        values = [card.family, card.dim, card.layers, f"{card.parameters:.1f}", card.licence, availability(card)]
        rows.append([name, *map(str, values)])
    _print_table(["name", "family", "channels", "layers", "million parameters", "licence", "weights"], rows)
    without = {"fused"} | {card.family for card in ENCODERS.values() if not card.source and not card.parameters}
    families = ", ".join(sorted(FAMILIES.keys() - without))
    print(f"\nAny folder or hub id whose config.json has one of these model types works as well: {families}")
    return 0


def cache(options: Namespace) -> int:
    """Prints what lies in the cache; status 1 if some of it is damaged."""
    from ser_tl.training.cache import FeatureCache

    found = FeatureCache()
    if options.action == "clear":
        size = sum(encoder.size for encoder in found.encoders())
        found.clear()
        print(f"{found.folder}: {size / 2**20:.1f} MiB deleted")
        return 0
    if options.action == "verify":
        damaged = found.verify(delete=options.delete)
        for path in damaged:
            print(f"{path}: damaged{', deleted' if options.delete else ''}")
        print(f"{found.folder}: {len(damaged)} of {sum(one.entries for one in found.encoders())} entries damaged")
        return 1 if damaged and not options.delete else 0
    rows = [
        [
            str(encoder.facts["encoder"]),
            " ".join(map(str, encoder.facts["layers"])),
            str(encoder.facts["precision"]),
            str(encoder.entries),
            f"{encoder.size / 2**20:.1f}",
            f"{datetime.fromtimestamp(encoder.used):%Y-%m-%d %H:%M}",
            encoder.folder.name,
        ]
        for encoder in found.encoders()
    ]
    _print_table(["encoder", "layers", "precision", "clips", "MiB", "last used", "folder"], rows)
    print(f"\n{found.folder}, {sum(one.size for one in found.encoders()) / 2**20:.1f} MiB ($SER_TL_CACHE moves it)")
    return 0


COMMANDS = {
    "predict": predict,
    "evaluate": evaluate,
    "compare": compare,
    "inspect": inspect,
    "push": push,
    "extract": extract,
    "corpora": corpora,
    "encoders": encoders,
    "cache": cache,
}


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":  # torchrun starts modules: torchrun --nproc_per_node 2 -m ser_tl.cli extract ...
    sys.exit(main())
