"""How a model stands what recordings are in the world: the suite of `ser_tl.robustness` on a corpus."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ser_tl.arguments import Parser
from ser_tl.cli.corpus_arguments import add_corpus, load_named
from ser_tl.cli.output import make_folder
from ser_tl.errors import ConfigError, SplitError, listing

if TYPE_CHECKING:
    from ser_tl.inference import Predictor
    from ser_tl.robustness import Change, ChangeRow


def check_parser() -> Parser:
    """The arguments of `ser-tl check`, but for the emotions'."""
    command = Parser(
        description="Tests a model's robustness to silence, rooms, telephones and noise: changes the audio, and "
        "compares the answers with those before. Exit status 1 if a theme passes less than --fail_under."
    )
    command.add_argument("model", type=str, help="folder of a saved or exported model, or its id on a hub")
    add_corpus(command)
    command.add_argument("--ids", type=Path, default=None, help="a run's split.json: check on its test part only")
    command.add_argument("--output", type=Path, default=None, help="folder for check.json, check.md and check.html")
    command.add_argument(
        "--themes", type=list[str] | None, default=None, help="themes to test, such as [ends, noise]; all by default"
    )
    command.add_argument(
        "--changes",
        type=list[str] | None,
        default=None,
        help="changes to test, such as ['8 kHz']; all by default",
    )
    command.add_argument("--by", type=list[str], default=[], help="columns whose groups are compared for fairness")
    command.add_argument(
        "--clips", type=int | None, default=None, help="number of clips, drawn over speakers; all by default"
    )
    command.add_argument("--noises", type=Path | None, default=None, help="folder of recorded noises to add")
    command.add_argument(
        "--noise", type=list[float], default=[], help="further signal-to-noise ratios of white noise in dB: [15, 5]"
    )
    command.add_argument("--rooms", type=Path | None, default=None, help="folder of room impulse responses to add")
    command.add_argument(
        "--fail_under", type=float, default=0.0, help="share of each theme's tests that has to pass, for exit status 0"
    )
    command.add_argument("--known_speakers", action="store_true", help="also use training speakers")
    return command


def check(options: Namespace) -> int:
    """Prints the tables, writes them where asked, and says whether every theme passes."""
    from ser_tl.corpora import corpus_title
    from ser_tl.data.checks import check_audio
    from ser_tl.data.splits import select_tested
    from ser_tl.files import write_text
    from ser_tl.inference import Predictor
    from ser_tl.robustness import change_table, make_suite, rate_table
    from ser_tl.robustness import check as run_check
    from ser_tl.robustness.check_page import format_page
    from ser_tl.robustness.sample import read_sample

    if not 0.0 <= options.fail_under <= 1.0:
        raise ConfigError(f"--fail_under is {options.fail_under:g}: expected a share from 0 to 1")
    if options.clips is not None and options.clips < 1:
        raise ConfigError(f"--clips is {options.clips}: expected 1 or more")
    output = None if options.output is None else make_folder(options.output)
    predictor = Predictor(options.model)
    corpus, combined = load_named(options)
    if options.ids is not None:
        corpus = select_tested(corpus, options.ids)
    corpus, skipped = check_audio(corpus)
    notes = [*combined, *skipped]
    if not options.known_speakers:
        _check_speakers(predictor, corpus["speaker"][:])
    strangers = sorted(set(corpus["emotion"][:]) - set(predictor.labels))
    if predictor.labels and strangers:
        raise ConfigError(
            f"the model knows {', '.join(predictor.labels)}; the corpus also has {', '.join(strangers)}: drop them "
            f"(--emotions.drop '[{', '.join(strangers)}]') or merge them (--emotions.merge)"
        )
    title = corpus_title(options.corpus)
    sample = read_sample(corpus, options.by, options.clips)
    changes = _choose(make_suite(options.noises, options.rooms, options.noise), options.themes, options.changes)
    result = run_check(predictor, sample, changes, model=options.model, corpus=title, on_row=_say)
    tables = f"{change_table(result)}\n\n{rate_table(result.rates)}"
    print("\n".join([*(f"note: {note}" for note in notes), tables]))
    if output is not None:
        write_text(output / "check.json", json.dumps(result.to_dict(), indent=2, ensure_ascii=False) + "\n")
        write_text(output / "check.md", f"# {options.model} on {title}\n\n{tables}\n")
        write_text(output / "check.html", format_page(result, sample, changes))
        print(output / "check.html")
    failed = result.failed(options.fail_under)
    if failed:
        print(f"error: below --fail_under {options.fail_under:g}: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _choose(changes: "list[Change]", themes: list[str] | None, names: list[str] | None) -> "list[Change]":
    known_themes, known_names = ({getattr(change, key) for change in changes} for key in ("theme", "name"))
    for option, wanted, available in (("themes", themes, known_themes), ("changes", names, known_names)):
        unknown = sorted(set(wanted or []) - available)
        if unknown:
            raise ConfigError(f"--{option} {', '.join(unknown)}: known are {', '.join(sorted(available))}")
    return [
        change
        for change in changes
        if (themes is None or change.theme in themes) and (names is None or change.name in names)
    ]


def _say(row: "ChangeRow") -> None:
    print(f"{row.name}: UAR {100 * row.uar:.1f}, unchanged {100 * row.unchanged:.0f} %", file=sys.stderr, flush=True)


def _check_speakers(predictor: "Predictor", speakers: list[str]) -> None:
    """Refuses speakers whom the model was trained on."""
    from ser_tl.inference.exported_session import ExportedSession
    from ser_tl.inference.torch_session import TorchSession
    from ser_tl.model import KnownSpeakers

    session = predictor.session
    if isinstance(session, ExportedSession):
        trained_speakers = KnownSpeakers.from_json(session.manifest.known_speakers)
    elif isinstance(session, TorchSession):
        trained_speakers = session.model.known_speakers
    else:
        return
    shared = trained_speakers.among(speakers)
    if shared:
        raise SplitError(
            f"the model knows {len(shared)} of the {len(set(speakers))} speakers from its training, on whom it is "
            f"better than on others: check it on its run's test part (--ids runs/NAME/split.json), on another "
            f"corpus, or, where only changes matter, on these as well (--known_speakers)\n{listing(shared)}"
        )
