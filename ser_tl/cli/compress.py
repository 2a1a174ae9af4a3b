"""`ser-tl compress`: a trained model made smaller and faster."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.corpus_arguments import add_corpus, load_named
from ser_tl.cli.output import make_empty_folder

if TYPE_CHECKING:
    from ser_tl.compress import Compressed


def compress_parser() -> Parser:
    """The arguments of `ser-tl compress`, but for the emotions'."""
    command = Parser(
        description="Prunes a trained model's transformer, and refits its classifier in closed form on the training "
        "speakers. Other speakers of the corpus measure what is lost."
    )
    command.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its id on a hub")
    add_corpus(command, "the corpus on which the model was trained, by name")
    command.add_argument("--output", type=Path, required=True, help="new or empty folder for the smaller model")
    command.add_argument(
        "--ffn", type=float | None, default=None, help="share of the feed-forward networks' channels to keep"
    )
    command.add_argument("--layers", type=int | None, default=None, help="number of transformer layers to keep")
    command.add_argument(
        "--target_size",
        type=float | None,
        default=None,
        help="instead of ffn and layers: largest share of the model's size",
    )
    command.add_argument(
        "--target_speed", type=float | None, default=None, help="instead of ffn and layers: smallest speed-up in torch"
    )
    command.add_argument(
        "--importance", type=str, default="fluctuation", help="criterion for channels: fluctuation or magnitude"
    )
    command.add_argument(
        "--finetune",
        type=int,
        default=0,
        help="number of epochs to train the remaining layers, with the unpruned model as teacher",
    )
    command.add_argument("--augment.preset", type=str, default="none", help="as in training, for the classifier")
    command.add_argument(
        "--augment.transforms", type=dict[str, dict[str, Any] | None], default={}, help="as in training"
    )
    command.add_argument("--augment.views", type=int, default=0, help="as in training: views of each clip")
    command.add_argument(
        "--all_speakers",
        action="store_true",
        help="fit the classifier on all speakers, not only on the model's training speakers",
    )
    command.add_argument("--seed", type=int, default=0, help="random seed")
    return command


def compress(options: Namespace) -> int:
    """Compresses the model, saves it with its card, and prints what it cost."""
    from ser_tl.augment import AugmentConfig
    from ser_tl.compress import compress_model
    from ser_tl.compress.compression import compression_table
    from ser_tl.model import EmotionModel

    make_empty_folder(options.output)
    model = EmotionModel.from_pretrained(options.model)
    base = model.home
    corpus, notes = load_named(options)
    compressed = compress_model(
        model,
        corpus,
        ffn=options.ffn,
        layers=options.layers,
        target_size=options.target_size,
        target_speed=options.target_speed,
        importance=options.importance,
        finetune=options.finetune,
        augment=AugmentConfig(**vars(options.augment)),
        all_speakers=options.all_speakers,
        seed=options.seed,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    table = compression_table(compressed)
    _save(compressed, options, table, base)
    print("\n\n".join([*(f"note: {note}" for note in notes), table, *_judgement(compressed)]))
    print(options.output)
    return 0


def _judgement(compressed: "Compressed") -> list[str]:
    """The difference on new speakers, in words."""
    pair = compressed.pair
    if pair is None:
        return ["The corpus has no speaker whom the model doesn't know, so that nothing judged it."]
    lost = 100 * pair.difference
    interval = ""
    if pair.low is not None and pair.high is not None:
        interval = f" (95 % interval {100 * pair.low:.1f} to {100 * pair.high:.1f}, speakers drawn for both)"
    return [f"On new speakers it loses {lost:.1f} points of UAR{interval}."]


def _save(compressed: "Compressed", options: Namespace, table: str, base: Path | None) -> None:
    from ser_tl.card import write_card
    from ser_tl.compress.compression import AFTER, describe_fit
    from ser_tl.files import write_text

    folder = options.output
    compressed.model.save_pretrained(folder)
    report = compressed.reports.get(AFTER)
    fit = describe_fit(compressed.best.plan, compressed.facts["finetune"])
    note = f"Compressed from {Path(options.model).name}: {fit}"
    options_of_run = {"corpus": compressed.facts["corpora"][0]}
    more = ["## Compression", table, *_judgement(compressed)]
    write_card(folder, report=report, options=options_of_run, note=note, base=base, more=more)
    chosen = compressed.best
    content = {
        "layers": chosen.plan.layers,
        "ffn": chosen.plan.ffn,
        "size": chosen.size,
        "size_before": compressed.original.size,
        "milliseconds": chosen.milliseconds,
        "milliseconds_before": compressed.original.milliseconds,
        "held_out_uar": chosen.held_out_uar,
        "held_out_uar_before": compressed.original.held_out_uar,
        "uar": {name: report.uar for name, report in compressed.reports.items()},
        **compressed.facts,
    }
    write_text(folder / "compression.json", json.dumps(content, indent=1) + "\n")
