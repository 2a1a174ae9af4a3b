"""`ser-tl stitch`: a trained model whose classifier is fitted for streams that encode each hop once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.corpus_arguments import add_corpus, load_named
from ser_tl.cli.output import make_empty_folder

if TYPE_CHECKING:
    from ser_tl.compress.stitching import Stitched


def stitch_parser() -> Parser:
    """The arguments of `ser-tl stitch`, but for the emotions'."""
    command = Parser(
        description="Fits a model's statistics and classifier anew, in closed form, on clips that are encoded piece by "
        "piece: for `ser-tl listen --stitched`, which encodes each hop once. Other speakers judge what that cost."
    )
    command.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its place on a hub")
    add_corpus(command, "what the model was trained on, by name")
    command.add_argument("--output", type=Path, required=True, help="folder for the model: a new or empty one")
    command.add_argument("--hop", type=float, default=0.2, help="seconds of a piece, as of the stream to come")
    command.add_argument("--context", type=float, default=0.4, help="seconds before it that are encoded with it")
    command.add_argument(
        "--all_speakers", action="store_true", help="fit on all speakers, also those whom the model doesn't know"
    )
    command.add_argument("--seed", type=int, default=0, help="of the samples")
    return command


def stitch(options: Namespace) -> int:
    """Fits the model, saves it with its card, and prints what it cost."""
    from ser_tl.compress.stitching import stitch_model
    from ser_tl.model import EmotionModel
    from ser_tl.modules.stitching import Stitching

    stitching = Stitching(options.hop, options.context)
    make_empty_folder(options.output)
    model = EmotionModel.from_pretrained(options.model)
    base = model.home
    corpus, notes = load_named(options)
    stitched = stitch_model(
        model,
        corpus,
        stitching=stitching,
        all_speakers=options.all_speakers,
        seed=options.seed,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    _save(stitched, options, base)
    print("\n".join([*(f"note: {note}" for note in notes), *_judgement(stitched), str(options.output)]))
    return 0


def _judgement(stitched: "Stitched") -> list[str]:
    """What new speakers say."""
    from ser_tl.compress.compression import AFTER, BEFORE

    held_out = f"UAR of training speakers held out in turn, in pieces: {100 * stitched.held_out_uar:.1f}"
    if not stitched.reports:
        return [held_out, "the corpus has no speaker whom the model doesn't know, so that nothing else judged it"]
    before, after = (100 * stitched.reports[name].uar for name in (BEFORE, AFTER))
    return [held_out, f"UAR of new speakers: {before:.1f} by whole clips, {after:.1f} in pieces"]


def _save(stitched: "Stitched", options: Namespace, base: Path | None) -> None:
    from ser_tl.card import write_card
    from ser_tl.compress.compression import AFTER
    from ser_tl.compress.stitching import describe_fit
    from ser_tl.modules.stitching import Stitching

    stitched.model.save_pretrained(options.output)
    fit = describe_fit(Stitching(options.hop, options.context))
    note = f"Made from {Path(options.model).name} for streams: {fit}"
    report = stitched.reports.get(AFTER)
    write_card(options.output, report=report, options={"corpus": options.corpus}, note=note, base=base)
