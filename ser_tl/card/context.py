"""The content of a model's card: gathered once, from the files of its run.

config.json, report's facts, run's options --CardContext.from_run()--> CardContext
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ser_tl.card.base_card import BaseCard
from ser_tl.card.sources import Source, corpus_source, encoder_sources
from ser_tl.corpora import parse_sources
from ser_tl.evaluation import Report


@dataclass(frozen=True)
class CardContext:
    """The facts that a card is written from.

    Args:
        config: the model's config.json
        title: what the model is called
        repo: where it is, for the example; empty if it isn't on a hub
        corpora: what it was trained on; empty if that isn't known
        encoders: what it was built on
        report: its scores; None if it has none
        options: those of its run; empty without one
        note: what a reader has to know first
        estimate: the scores of the same training on held-out speakers, for a model without speakers left to test it
        training: facts of the training of a model without a report
        base: what the card of the model says that this one was made of; None without one
    """

    config: Mapping[str, Any]
    title: str
    repo: str
    corpora: list[Source]
    encoders: list[Source]
    report: Report | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    estimate: Report | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    base: BaseCard | None = None

    @classmethod
    def from_run(
        cls,
        config: Mapping[str, Any],
        report: Report | None,
        options: Mapping[str, Any],
        repo: str,
        note: str,
        *,
        estimate: Report | None = None,
        training: Mapping[str, Any] | None = None,
        base: BaseCard | None = None,
    ) -> Self:
        """Gathers the facts."""
        facts = (training or {}) if report is None else report.facts
        corpora = facts.get("corpora") or _corpora_of(options)
        encoders = encoder_sources(config["encoder"]["name"])
        encoder = "+".join(source.title for source in encoders) or config["encoder"]["family"]
        return cls(
            config=config,
            title=f"Speech emotion recognition: {encoder}",
            repo=repo,
            corpora=[corpus_source(str(name)) for name in corpora] if isinstance(corpora, list) else [],
            encoders=encoders,
            report=report,
            options=options,
            note=note,
            estimate=estimate,
            training=dict(training or {}),
            base=base,
        )

    @property
    def sources(self) -> list[Source]:
        """Everything that has a licence."""
        return [*self.corpora, *self.encoders]

    @property
    def restricted(self) -> bool:
        """Whether something that went in forbids commerce."""
        if self.base is not None and self.base.warning:
            return True
        return any(source.terms == "non-commercial" for source in self.sources)

    @property
    def languages(self) -> list[str]:
        """Of the training speech, as ISO 639-1 codes, where they are known."""
        inherited = [] if self.base is None else self.base.languages
        return sorted({*inherited, *(code for source in self.corpora for code in source.languages)})

    @property
    def facts(self) -> Mapping[str, Any]:
        """How the model and its figures came about; empty where that isn't known."""
        return self.training if self.report is None else self.report.facts

    @property
    def independent(self) -> bool | None:
        """Whether test speakers are others than training's; None without a report."""
        scored = self.report or self.estimate
        return None if scored is None else scored.facts.get("speaker_independent") is not False

    @property
    def purpose(self) -> str:
        """What the model is for, as its makers state it; empty where they don't."""
        stated = str(self.options.get("purpose") or "").strip()
        return stated or ("" if self.base is None else self.base.purpose)

    @property
    def protocol(self) -> str:
        """Who was tested on, in one word; empty if that isn't known."""
        return str(self.options.get("protocol") or "")


def _corpora_of(options: Mapping[str, Any]) -> list[str]:
    """The corpora that a run's options name, without their roots."""
    return [source.name for source in parse_sources(options["corpus"])] if options.get("corpus") else []
