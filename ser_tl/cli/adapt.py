"""`ser-tl adapt`: a saved model moved to recordings of another kind, without labels.

MODEL + recordings or a corpus -> adapt_model -> a new model folder, its card and adaptation.json; or the reason why not
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.corpus_arguments import add_corpus, load_named
from ser_tl.cli.output import make_empty_folder
from ser_tl.errors import ConfigError, SplitError, listing

if TYPE_CHECKING:
    from ser_tl.inference.adaptation import AdaptationFacts
    from ser_tl.model import EmotionModel

ADAPTATION_FILE = "adaptation.json"


def adapt_parser() -> Parser:
    """The arguments of `ser-tl adapt`, but for the emotions'."""
    command = Parser(
        description="Adapts a saved model to recordings of another kind, which need no labels: their statistics take "
        "the place of the training speech's. Refused where it would probably harm."
    )
    command.add_argument("model", type=str, help="folder of a saved model (runs/NAME/model), or its place on a hub")
    command.add_argument(
        "--files", type=str, nargs="+", default=[], help="recordings, folders, patterns or lists of them"
    )
    add_corpus(command, "in their place: a name that `ser-tl corpora` lists", required=False)
    command.add_argument("--output", type=Path, required=True, help="folder for the model: a new or empty one")
    command.add_argument("--method", type=str, default="statistics", help="statistics, or em: the emotions' means too")
    return command


def adapt(options: Namespace) -> int:
    """Adapts the model, saves it with a card, and prints what is known of it."""
    from ser_tl.card import write_card
    from ser_tl.cli.inputs import expand_inputs
    from ser_tl.files import write_text
    from ser_tl.inference.adaptation import adapt_model, check_adaptable
    from ser_tl.model import EmotionModel

    if bool(options.files) == (options.corpus is not None):
        raise ConfigError("adapt takes recordings either from --files or from --corpus: name one of the two")
    model = EmotionModel.from_pretrained(options.model)
    check_adaptable(model, options.method)
    make_empty_folder(options.output)
    base = model.home
    recordings, what = (
        (expand_inputs(options.files), "recordings of unknown speakers")
        if options.corpus is None
        else _read_corpus(model, options)
    )
    adapted, facts = adapt_model(model, recordings, method=options.method)
    adapted.save_pretrained(options.output)
    text = describe_adaptation(facts)
    note = (
        f"{Path(options.model).name}, adapted to {facts.clips} clips ({facts.seconds / 60:.0f} min) of {what} without "
        f"labels. It is for recordings like these, and worse than the model it was made of on others."
    )
    write_card(options.output, note=note, base=base, more=["## Adaptation without labels", text])
    write_text(options.output / ADAPTATION_FILE, json.dumps(facts.to_json(), indent=1) + "\n")
    print("\n".join([text, str(options.output)]))
    for line in facts.warnings:
        print(f"warning: {line}", file=sys.stderr)
    return 0


def _read_corpus(model: "EmotionModel", options: Namespace) -> tuple[list[dict[str, Any]], str]:
    """The rows of a corpus, whose labels nothing looks at, and what they are in words.

    Raises:
        SplitError: speakers whom the model was trained on
    """
    from ser_tl.corpora import corpus_title

    corpus, _ = load_named(options)
    names = sorted(set(corpus["speaker"][:]))
    trained = model.known_speakers.among(names)
    if trained:
        raise SplitError(
            f"the model knows {len(trained)} of the {len(names)} speakers from its training, whose recordings it fits "
            f"already: adapt it to recordings of others\n{listing(trained)}"
        )
    rows = [{name: row[name] for name in ("audio", "start", "end")} for row in corpus]
    return rows, f"{len(names)} speakers of {corpus_title(options.corpus)}"


def describe_adaptation(facts: "AdaptationFacts") -> str:
    """What was done and is known, in a few lines."""
    shares = ", ".join(
        f"{name} {share:.0f} %" for name, share in sorted(facts.shares.items(), key=lambda item: -item[1])
    )
    how = "their statistics, then EM on the class means" if facts.method == "em" else "their statistics alone"
    return "\n".join(
        [
            f"Adapted to {facts.clips} clips by {how}: {facts.changed:.0f} % of the answers for them changed.",
            f"Estimated UAR on them: {facts.estimate:.0f} (95 % interval {facts.low:.0f} to {facts.high:.0f}), as "
            f"often as the classifiers of two halves of the channels agree. No label was there to check it: score it "
            f"on some (ser-tl evaluate).",
            f"Estimated shares of the emotions: {shares}.",
            "Its probabilities are fitted to the speakers of its training, and may be far off on these: fit them to "
            "some labelled clips (ser-tl calibrate).",
        ]
    )
