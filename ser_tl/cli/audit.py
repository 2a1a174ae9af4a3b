"""`ser-tl audit`: what the parts of a corpus share: speakers, recordings, sentences, sessions."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.corpus_arguments import add_root, load_named
from ser_tl.cli.output import make_folder
from ser_tl.cli.table import print_table
from ser_tl.files import write_text

if TYPE_CHECKING:
    from datasets import Dataset

    from ser_tl.analysis.audit import Audit, FoldAudit
    from ser_tl.analysis.text_disjoint import TextScores

_SHOWN = 10


def audit_parser() -> Parser:
    """The options of `ser-tl audit`, but for the emotions'."""
    parser = Parser(
        description="Searches for leaks that would make a score meaningless: speakers and recordings, or nearly equal "
        "recordings, that are both in training and in test. Lists shared sentences and sessions, too. Exit status 1 if "
        "there are leaks."
    )
    parser.add_argument("corpus", type=str, help="a name that `ser-tl corpora` lists")
    add_root(parser)
    parser.add_argument(
        "--folds", type=Path | None, default=None, help="published folds: EmoBox's folder, or a CSV with id and fold"
    )
    parser.add_argument(
        "--no_audio", action="store_true", help="compare names, labels and files' bytes, without decoding audio"
    )
    parser.add_argument(
        "--encoder",
        type=str | None,
        default=None,
        help="also score a closed-form classifier on this encoder, with and without sentences of the training part",
    )
    parser.add_argument("--output", type=Path | None, default=None, help="a folder for audit.json")
    return parser


def audit(options: Namespace) -> int:
    """Prints what was found; status 1 if parts leak into each other."""
    from ser_tl.analysis.audit import audit_corpus
    from ser_tl.data.folds import read_folds

    output = None if options.output is None else make_folder(options.output)
    corpus, notes = load_named(options)
    folds = [] if options.folds is None else read_folds(options.folds)
    result = audit_corpus(corpus, folds, audio=not options.no_audio)
    print("".join(f"{note}\n" for note in notes), end="")
    print(f"{result.utterances} utterances of {len(result.speakers)} speakers", end="")
    print(f"; the speakers of {result.unknown} are unknown" if result.unknown else "")
    _print_copies(result)
    for name, counts in (("sentence", result.sentences), ("session", result.sessions)):
        print(f"{name}s: {len(counts)}" if counts else f"{name}s: the corpus doesn't tell")
    if result.folds:
        print_table(
            [
                "fold",
                "train",
                "test",
                "speakers in both",
                "of tested",
                "clips of these",
                "equal audio",
                "near-equal",
                "known sentences %",
                "sessions in both",
            ],
            [_row(fold) for fold in result.folds],
        )
        print("leaks: " + (", ".join(fold.name for fold in result.folds if fold.leaks) or "none"))
    texts = None if options.encoder is None else _compare_texts(corpus, options.encoder)
    if output is not None:
        content: dict[str, Any] = asdict(result) | {"texts": None if texts is None else asdict(texts)}
        write_text(output / "audit.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(output / "audit.json")
    return 1 if result.leaks else 0


def _print_copies(result: "Audit") -> None:
    if result.copies is None:
        print("near-equal audio: not looked for (--no_audio)")
        return
    print(f"near-equal audio: {len(result.copies)} pairs, {len(result.strangers)} of them of two speakers")
    for first, second, different in result.copies[:_SHOWN]:
        print(f"  {first} = {second} ({100 * different:.0f} % of the bits differ)")


def _row(fold: "FoldAudit") -> list[str]:
    known_share = "" if fold.known_sentences is None else f"{100 * fold.known_sentences:.0f}"
    sessions = "" if fold.sessions is None else str(len(fold.sessions))
    near = "" if fold.near is None else str(len(fold.near))
    numbers = [fold.train, fold.test, len(fold.speakers), fold.test_speakers, fold.by_shared, len(fold.equal)]
    return [fold.name, *map(str, numbers), near, known_share, sessions]


def _compare_texts(corpus: "Dataset", encoder: str) -> "TextScores | None":
    """Prints scores with and without known sentences; None where the corpus doesn't tell sentences."""
    from ser_tl.analysis.text_disjoint import compare_texts
    from ser_tl.distill.probe import clip_statistics
    from ser_tl.encoders import load_encoder

    if "sentence" not in corpus.column_names:
        print("text-disjoint score: the corpus doesn't tell its sentences")
        return None
    with_sentence = corpus.select([row for row, sentence in enumerate(corpus["sentence"][:]) if sentence is not None])
    states = clip_statistics(load_encoder(encoder), with_sentence)
    columns = (with_sentence[name][:] for name in ("emotion", "speaker", "sentence"))
    scores = compare_texts(states.reshape(len(states), -1), *columns)
    between = scores.interval
    span = "" if between is None else f" ({100 * between.low:+z.1f} to {100 * between.high:+z.1f})"
    print(
        f"UAR of {encoder}, closed form: speaker-disjoint {100 * scores.speaker_disjoint:.1f}, on as few clips as the "
        f"next {100 * scores.reduced:.1f}, text-disjoint as well {100 * scores.text_disjoint:.1f}; known sentences are "
        f"worth {100 * scores.difference:+z.1f} points{span}"
    )
    return scores
