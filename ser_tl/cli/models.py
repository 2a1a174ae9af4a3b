"""Commands about one model: how good it is, what it attends to, where it goes; and encoding ahead of training one."""

import sys
from dataclasses import replace
from pathlib import Path

from jsonargparse import Namespace

from ser_tl.cli.corpus_arguments import load_named
from ser_tl.cli.output import check_picture, make_folder


def evaluate(options: Namespace) -> int:
    """Prints the report, and saves it where asked."""
    from ser_tl.augment.corpus_noise import add_noise_to_corpus
    from ser_tl.corpora import corpus_title
    from ser_tl.data.checks import check_audio
    from ser_tl.data.combination import refuse_shared_audio
    from ser_tl.data.speakers import UNKNOWN
    from ser_tl.data.splits import select_tested
    from ser_tl.data.votes import AnnotationConfig, relabel
    from ser_tl.inference.evaluation import evaluate as evaluate_model
    from ser_tl.model import EmotionModel
    from ser_tl.reporting import plots
    from ser_tl.runtime.processes import build_accelerator, build_evaluation_pass
    from ser_tl.training.facts import collect_run_facts
    from ser_tl.training.train_config import TrainConfig

    output = None if options.output is None else make_folder(options.output)
    model = EmotionModel.from_pretrained(options.model)
    corpus, combined = load_named(options)
    annotation = AnnotationConfig(**vars(options.labels))
    corpus, voted = relabel(corpus, annotation)
    if options.ids is not None:
        corpus = select_tested(corpus, options.ids)
    corpus, skipped = check_audio(corpus, skip_unreadable=options.skip_unreadable)
    if combined:
        refuse_shared_audio(corpus)
    noise = []
    if options.noise is not None:
        corpus = add_noise_to_corpus(corpus, options.noise)
        noise = [f"every clip under white noise, {options.noise:g} dB below the speech"]
    config = TrainConfig()
    workers = build_accelerator(config, None)
    title = f"{options.model} on {corpus_title(options.corpus)}"
    how = replace(build_evaluation_pass(workers, config), progress="evaluate")
    # The test part of a run that divided clips, as the speakers are unknown: its report says so.
    unknown = options.ids is not None and UNKNOWN in corpus["speaker"][:]
    shared = model.known_speakers.among([UNKNOWN] if unknown else [])
    report = evaluate_model(
        model,
        corpus,
        how,
        title=title,
        notes=[*combined, *voted, *skipped, *noise],
        facts=collect_run_facts(model, [], workers),
        shared=shared,
        groups=options.groups,
        labels=annotation.classes,
    )
    if workers.is_main_process:
        print(report)
        if output is not None:
            plots.choose_formats(options.pictures)
            report.save(output)
    return 0


def inspect(options: Namespace) -> int:
    """Draws the picture and says where it is."""
    from ser_tl.analysis import plot_recording as draw
    from ser_tl.model import EmotionModel

    path = options.output or Path(f"{options.file.stem}.png")
    check_picture(path)
    model = EmotionModel.from_pretrained(options.model)
    prediction = draw(model, options.file, path)
    if prediction.attention is None:
        print(f"the model's pooling, {model.pooling_name}, weighs all frames alike: no attention to show")
    parts = [prediction.label] if model.labels else []
    print("\n".join([*parts, *(f"{name} {value:.2f}" for name, value in prediction.dimensions.items()), str(path)]))
    return 0


def push(options: Namespace) -> int:
    """Pushes a model's or an adapter's folder and prints where it went. What everyone may see is asked about first."""
    from ser_tl.card import check_purpose, state_purpose
    from ser_tl.hub import push_folder
    from ser_tl.model.shareable import check_shareable

    files = check_shareable(options.folder)
    if options.purpose:
        state_purpose(options.folder, options.purpose)
    elif options.public:
        check_purpose(options.folder)
    if options.public and not (options.yes or _is_confirmed(options.folder, options.repo, files)):
        return 1
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


def _is_confirmed(folder: Path, repo: str, files: list[tuple[str, int]]) -> bool:
    """Asks on the terminal whether everyone may see these files; without one the answer is no."""
    listed = "\n".join(f"  {size / 2**20:9.2f} MiB  {name}" for name, size in files)
    print(f"{folder} goes to {repo}, which everyone can see if it is new:\n{listed}", file=sys.stderr)
    if not sys.stdin.isatty():
        print("error: no terminal to ask on: add --yes to --public if everyone may see it", file=sys.stderr)
        return False
    print("May everyone see it? Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() == "yes":
        return True
    print("error: not pushed", file=sys.stderr)
    return False


def extract(options: Namespace) -> int:
    """Fills the cache and tells what lies there."""
    from ser_tl.cache.extraction import extract_features as fill_cache
    from ser_tl.corpora import corpus_title
    from ser_tl.data.audio import AudioConfig
    from ser_tl.data.checks import check_audio
    from ser_tl.encoders import load_encoder
    from ser_tl.runtime.processes import processes
    from ser_tl.training import TrainConfig

    config = TrainConfig(
        precision=options.precision,
        batch_seconds=options.batch_seconds,
        workers=options.workers,
        cache_gib=options.cache_gib,
    )
    encoder = load_encoder(options.encoder, **options.encoder_options)
    corpus, combined = load_named(options)
    corpus, notes = check_audio(corpus, skip_unreadable=options.skip_unreadable)
    audio = AudioConfig(**vars(options.audio))
    filled = fill_cache(encoder, corpus, layers=options.layers, audio=audio, config=config, name=options.encoder)
    layers = " ".join(map(str, filled.layers))
    lines = [
        *combined,
        *notes,
        f"{filled.folder}: layers {layers} of {options.encoder} for {filled.clips} clips of "
        f"{corpus_title(options.corpus)}, "
        f"{filled.seconds / 3600:.2f} h, {filled.size / 2**20:.1f} MiB",
    ]
    processes().print("\n".join(lines))
    return 0
