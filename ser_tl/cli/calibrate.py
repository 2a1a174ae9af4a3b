"""`ser-tl calibrate`: a saved model's probabilities, fitted to the speakers of a corpus."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.corpus_arguments import add_corpus, load_named
from ser_tl.cli.output import make_empty_folder
from ser_tl.errors import ConfigError, SplitError, listing

if TYPE_CHECKING:
    from datasets import Dataset

    from ser_tl.model import EmotionModel

METHODS = ("temperature", "vector")


def calibrate_parser() -> Parser:
    """The arguments of `ser-tl calibrate`, but for the emotions'."""
    command = Parser(
        description="Calibrates a saved model on new speakers: refits its probabilities, prediction sets and the "
        "threshold of its outlier score. The weights don't change."
    )
    command.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its id on a hub")
    add_corpus(command)
    command.add_argument("--ids", type=Path, default=None, help="a run's split.json: calibrate on its test part only")
    command.add_argument("--output", type=Path, required=True, help="new or empty folder for the model")
    command.add_argument(
        "--method", type=str, default="temperature", help="temperature (keeps the answers) or vector (may change them)"
    )
    command.add_argument("--skip_unreadable", action="store_true", help="leave out files that can't be decoded")
    return command


def calibrate(options: Namespace) -> int:
    """Calibrates the model, saves it with a card, and prints what changed."""
    from ser_tl.card import write_card
    from ser_tl.corpora import corpus_title
    from ser_tl.data.checks import check_audio
    from ser_tl.data.splits import select_tested
    from ser_tl.inference.calibration import recalibrate
    from ser_tl.inference.evaluation import check_labels, check_real
    from ser_tl.inference.scoring import corpus_norms, evaluation_clips
    from ser_tl.model import EmotionModel
    from ser_tl.modules.calibration import describe_calibration
    from ser_tl.runtime.processes import build_accelerator, build_evaluation_pass
    from ser_tl.training.train_config import TrainConfig

    if options.method not in METHODS:
        raise ConfigError(f"--method is {options.method!r}: expected {' or '.join(METHODS)}")
    model = EmotionModel.from_pretrained(options.model)
    if not model.labels:
        raise ConfigError(f"{options.model} predicts dimensions alone: only probabilities of emotions are calibrated")
    make_empty_folder(options.output)
    base = model.home
    corpus, combined = load_named(options)
    if options.ids is not None:
        corpus = select_tested(corpus, options.ids)
    corpus, skipped = check_audio(corpus, skip_unreadable=options.skip_unreadable)
    check_labels(corpus, model.labels)
    check_real(corpus, "calibration")
    _check_speakers(model, corpus)
    config = TrainConfig()
    how = replace(build_evaluation_pass(build_accelerator(config, None), config), progress="calibrate")
    clips = evaluation_clips(model, corpus)
    norms = corpus_norms(model, corpus, clips, how)
    before = describe_calibration(model.calibration, len(model.labels))
    speakers = len(set(corpus["speaker"][:]))
    source = f"speakers of {corpus_title(options.corpus)} whom the model wasn't trained on"
    recalibrate(model, (corpus, clips), how, method=options.method, source=source, norms=norms)
    model.save_pretrained(options.output)
    note = (
        f"{Path(options.model).name}, calibrated anew on {len(corpus)} clips of {speakers} speakers of "
        f"{corpus_title(options.corpus)}. Its weights are as they were; scores on these speakers would be too hopeful."
    )
    write_card(options.output, note=note, base=base)
    after = describe_calibration(model.calibration, len(model.labels))
    notes = [f"note: {line}" for line in [*combined, *skipped]]
    print("\n".join([*notes, f"before: {before}", f"after: {after}", str(options.output)]))
    for line in _warn(corpus, model.labels):
        print(f"warning: {line}", file=sys.stderr)
    return 0


def _check_speakers(model: "EmotionModel", corpus: "Dataset") -> None:
    """Refuses speakers whom the model was trained on: it is more confident on them than on others."""
    shared = model.known_speakers.among(corpus["speaker"][:])
    if shared:
        raise SplitError(
            f"the model knows {len(shared)} of the {len(set(corpus['speaker'][:]))} speakers from its training, and is "
            f"more confident on them than on others: calibrate it on its run's test part (--ids runs/NAME/split.json), "
            f"whose scores are no longer honest afterwards, or on another corpus\n{listing(shared)}"
        )


def _warn(corpus: "Dataset", labels: list[str]) -> list[str]:
    """What is to be known of a calibration on little or lopsided data."""
    warnings = []
    speakers = len(set(corpus["speaker"][:]))
    if speakers < 10:  # a promise of 90 % over speakers takes nine
        warnings.append(f"{speakers} speakers: prediction sets of 90 % for a speaker to come take 9 or more")
    missing = sorted(set(labels) - set(corpus["emotion"][:]))
    if missing:
        warnings.append(f"no clip of {', '.join(missing)}: how sure the model is of these is guessed from the others")
    return warnings
