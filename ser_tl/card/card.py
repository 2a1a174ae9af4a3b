"""README.md of a model.

CardContext --sections--> text        metadata + text --write_card()--> README.md, and confusion.png beside it
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ser_tl.card import trust
from ser_tl.card.base_card import BaseCard
from ser_tl.card.context import CardContext
from ser_tl.card.law import LAW
from ser_tl.card.limits import limits
from ser_tl.card.metadata import metadata
from ser_tl.data.speakers import UNKNOWN
from ser_tl.evaluation import Report
from ser_tl.files import write_text
from ser_tl.hub import Address
from ser_tl.reporting import draw_report
from ser_tl.reporting.text import LEGEND, class_table, dimension_table, folds_sentence, headline, others, table

CARD_FILE = "README.md"
PICTURE_FILE = "confusion.png"
_CONFUSION = f"![Confusion matrix: rows are references, columns predictions]({PICTURE_FILE})"
_PROTOCOLS = {
    "holdout": "some speakers held out, the rest trained on",
    "loso": "each speaker held out in turn",
    "kfold": "groups of speakers held out in turn",
    "sessions": "each recording session held out in turn",
    "loco": "each corpus held out in turn, its speakers with it",
    "folds": "published folds",
    "clips": "clips held out in turn, speakers mixed",
}


def write_card(
    folder: Path,
    *,
    model: Path | None = None,
    repo: str = "",
    report: Report | None = None,
    options: Mapping[str, Any] | None = None,
    note: str = "",
    estimate: Report | None = None,
    facts: Mapping[str, Any] | None = None,
    pictures: Path | None = None,
    base: Path | None = None,
    more: Sequence[str] = (),
) -> Path:
    """Writes the card of the model in a folder.

    Args:
        folder: where the card goes
        model: holds the model's config.json; the card's folder if None
        repo: where the model will be, for the example; empty if it isn't for a hub
        report: its scores on held-out speakers; a card without one claims none
        options: those of the run, as config.yaml has them
        note: what a reader has to know first
        estimate: scores of the same training on held-out speakers, where this model was trained on all of them
        facts: of the training, where there is no report to tell them
        pictures: a folder that has those of this very report
        base: the folder of the model that this one was made of, whose card tells purpose, data and terms
        more: Markdown that stands behind all else

    Returns:
        The card.
    """
    config = json.loads(((model or folder) / "config.json").read_text(encoding="utf-8"))
    context = CardContext.from_run(
        config, report, options or {}, repo, note, estimate=estimate, training=facts, base=BaseCard.read(base)
    )
    folder.mkdir(parents=True, exist_ok=True)
    if report is not None:
        draw_report(report, folder, pictures=pictures)
    sections = [
        f"# {context.title}",
        *_intro_section(context),
        *trust.purpose(context),
        *_score_section(context),
        *trust.confidence(context),
    ]
    sections += [
        *trust.groups(context),
        *_data_section(context),
        *_model_section(context),
        *_usage_section(context),
        LAW,
    ]
    path = folder / CARD_FILE
    text = f"---\n{metadata(context).to_yaml()}\n---\n\n" + "\n\n".join([*sections, limits(context), *more]) + "\n"
    write_text(path, text)
    return path


def _intro_section(context: CardContext) -> list[str]:
    labels = context.config["labels"]
    sections = []
    restricted = [source for source in context.sources if source.terms == "non-commercial"]
    if restricted:
        named = ", ".join(f"{source.title} ({source.licence})" for source in restricted)
        sections.append(f"> **Not for commercial use**: made from {named}.")
    if context.base is not None and context.base.warning and context.base.warning not in sections:
        sections.append(context.base.warning)
    if context.independent is False:
        sections.append(
            "> **NOT speaker-independent**: its scores were taken on speakers who were, or may have been, trained on; "
            "they say nothing about others."
        )
    if context.note:
        sections.append(f"> {context.note}")
    rated = ", ".join(context.config.get("dimensions", []))
    what = f"Tells which of {len(labels)} emotions a voice resembles: {', '.join(labels)}. " if labels else ""
    what += f"Rates its {rated}, on the scale of the training annotations. " if rated else ""
    out = ["one label and a probability for each emotion"] if labels else []
    out += ["a number for each dimension"] if rated else []
    return [*sections, what + f"Audio in, {' and '.join(out)} out. Made with ser_tl."]


def _score_section(context: CardContext) -> list[str]:
    report = context.report
    if context.estimate is not None:
        return _estimate_section(context, context.estimate)
    if report is None:
        return ["## Score", "None: this model comes without an evaluation. Don't rely on it before it has had one."]
    statements = (
        [f"protocol {context.protocol} ({_PROTOCOLS[context.protocol]})"] if context.protocol in _PROTOCOLS else []
    )
    if context.independent is False and UNKNOWN in report.per_speaker:
        statements.append("**NOT speaker-independent: the speakers are unknown, in training and in the test**")
    elif context.independent is False:
        statements.append("**NOT speaker-independent: speakers tested on were trained on as well**")
    else:
        statements.append("no test speaker was used in training or in choosing the epoch")
    notes = [*report.cautions, *report.notes]
    seed = context.facts.get("seed")
    statements += [f"seed {seed}, one run"] if seed is not None else []
    return [
        "## Score",
        f"{headline(report)}",
        *([f"{others(report)}. {LEGEND}."] if report.scores else []),
        f"{report.title + ': ' if report.title else ''}{'; '.join(statements)}.",
        *(["\n".join(f"- {note}" for note in notes)] if notes else []),
        *([dimension_table(report)] if report.dimensions else []),
        *([class_table(report), _CONFUSION] if report.scores else []),
    ]


def _estimate_section(context: CardContext, estimate: Report) -> list[str]:
    """What the held-out speakers of the same run tell about a model that was trained on all of them."""
    how = (
        f"protocol {context.protocol} ({_PROTOCOLS[context.protocol]})"
        if context.protocol in _PROTOCOLS
        else "one split"
    )
    dependent = "; **NOT speaker-independent**, as speakers tested on were trained on as well"
    return [
        "## Score",
        "**This model has no score of its own**: all speakers are in its training, so no speaker is left to test it. "
        "Test it on speakers of your own (`ser-tl evaluate`).",
        f"The estimate: the same training scored {headline(estimate).rstrip('.')} on held-out speakers, {how}"
        f"{dependent if context.independent is False else ''}. Those models had fewer speakers to learn from.",
        *([f"{line}." for line in folds_sentence(estimate)]),
        *([f"{others(estimate)}. {LEGEND}."] if estimate.scores else []),
    ]


def _data_section(context: CardContext) -> list[str]:
    base = "" if context.base is None else context.base.data
    inherited = ["The model that it was made of:", base] if base else []
    if not context.corpora:
        return ["## Data", *(inherited or ["What it was trained on wasn't recorded."])]
    rows = [
        [
            source.title,
            ", ".join(source.languages) or "not recorded",
            source.style or "not recorded",
            source.licence,
            source.terms,
        ]
        for source in context.corpora
    ]
    facts, sections = (
        context.facts,
        ["## Data", table(["corpus", "languages", "speech", "licence", "terms"], rows, rest="---")],
    )
    if isinstance(facts.get("training_data"), Mapping):
        sections += _describe_people(facts["training_data"])
    if "training_utterances" in facts:
        who = f"{facts['training_speakers']} speakers, the epoch chosen on {facts['dev_speakers']} more"
        if context.independent is False:
            who = "speakers who weren't kept apart, the epoch chosen on other clips"
        sections.append(
            f"Trained on {facts['training_utterances']} utterances of {who}. Salted hashes of their names are in "
            f"config.json, so that the "
            f"model can't be evaluated on them by accident."
        )
    return [*sections, *inherited]


def _describe_people(data: Mapping[str, Any]) -> list[str]:
    """Who is in the training data: utterances and speakers by sex and language, and ages."""
    rows = [
        [f"{column}: {name}", str(counts["utterances"]), str(counts["speakers"])]
        for column in ("sex", "language")
        for name, counts in data.get(column, {}).items()
    ]
    ages = data.get("age")
    if ages:
        rows.append([f"age: {ages['youngest']:g} to {ages['oldest']:g} years", str(ages["utterances"]), ""])
    unknown = [name for name in ("sex", "age") if not data.get(name)]
    missing = [f"Not recorded in these corpora: {', '.join(unknown)} of the speakers."] if unknown else []
    return ["Who is in the training data:", table(["", "utterances", "speakers"], rows), *missing]


def _model_section(context: CardContext) -> list[str]:
    config, facts, options = context.config, context.facts, context.options
    rows = [[f"encoder {source.title}", f"licence: {source.licence}"] for source in context.encoders]
    rows.append(["architecture", f"{config['encoder']['family']}, pooling {config['pooling']}"])
    strategy = {f"strategy.{name}": value for name, value in (options.get("strategy_options") or {}).items()}
    for name in ("strategy", *strategy, "pretrained"):
        value = strategy.get(name, facts.get(name, options.get(name)))
        if value is not None:
            rows.append([name, value if isinstance(value, str) else json.dumps(value)])
    if facts.get("augment"):
        views = f" ({facts['views']} fixed views of each clip)" if facts.get("views") else ""
        rows.append(["augmentation, in training alone", ", ".join(facts["augment"]) + views])
    if "parameters" in facts:
        trainable = facts.get("trainable_parameters")
        rows.append(["parameters", f"{facts['parameters']:,}, of which {trainable:,} were trained"])
    if facts.get("training_seconds"):
        where = f"{facts.get('processes', 1)} process(es) on {facts.get('device')}; {facts.get('machine')}"
        rows += [
            ["training", f"{facts['training_seconds'] / 60:.1f} min, {facts.get('epochs')} epochs"],
            ["machine", where],
        ]
    return ["## Model", table(["", ""], rows, rest="---")]


def _usage_section(context: CardContext) -> list[str]:
    address = Address.read(context.repo or "./model")  # without a hub: the folder that the card lies in
    where = json.dumps(address.text) + (f", revision={json.dumps(address.revision)}" if address.revision else "")
    labels = context.config["labels"]
    attributes = ["prediction.label", "prediction.probabilities"] if labels else []
    attributes += ["prediction.dimensions"] if context.config.get("dimensions") else []
    example = (
        f"```python\nimport ser_tl as ser\n\nmodel = ser.EmotionModel.from_pretrained({where})\n"
        f'prediction = model.predict("clip.wav")\n{", ".join(attributes)}\n```'
    )
    plain = (
        f"```python\nfrom transformers import pipeline\n\n"
        f'classify = pipeline("audio-classification", model={where}, trust_remote_code=True)\n```'
    )
    on_a_folder_hub = context.repo and address.folder is not None  # which transformers doesn't know
    through = [] if on_a_folder_hub or not labels else ["Or through transformers, where ser_tl is installed:", plain]
    return ["## How to use", example, *through]
