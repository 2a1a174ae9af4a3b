"""A compression: pruned, fitted anew on training speakers, and judged on others.

    corpus --known speakers--> activity, refit, UAR over speakers held out in turn --> the plan that keeps most of it
                               [--> a few epochs of training]
           --other speakers--> reports of the model as it was and as it is, and their paired difference

What is chosen between plans is chosen on training speakers; the others only judge.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset

from ser_tl.augment import AugmentConfig
from ser_tl.comparison.paired_tests import PairedTest, compare_pairs, list_tested
from ser_tl.compress.activity import measure_activity
from ser_tl.compress.cost import measure_times
from ser_tl.compress.fine_tuning import divide_dev, finetune_pruned
from ser_tl.compress.importance import IMPORTANCES
from ser_tl.compress.pruning import check_prunable, inner_width, keep_layers, narrow_feed_forwards, parameter_bytes
from ser_tl.compress.refit import check_refit_corpus, refit_classifier
from ser_tl.compress.search import Plan, find_plans
from ser_tl.data.batching import UtteranceDataset
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Report
from ser_tl.inference.clips import Pass
from ser_tl.inference.evaluation import check_labels, evaluate
from ser_tl.inference.processes import OneProcess
from ser_tl.model import EmotionModel, KnownSpeakers
from ser_tl.reporting.cells import percent, table

BEFORE, AFTER, UNTRAINED = "as it was", "compressed", "compressed, before the fine-tune"


@dataclass(frozen=True)
class Trial:
    """A pruning and what it costs.

    Attributes:
        plan: what stays
        size: bytes in float32
        milliseconds: of CPU, for three seconds of speech in torch on one thread
        held_out_uar: of the refitted classifier, over training speakers held out in turn, a fraction
    """

    plan: Plan
    size: int
    milliseconds: float
    held_out_uar: float


@dataclass(frozen=True)
class Compressed:
    """A compressed model and what was measured.

    Attributes:
        model: the smaller model
        original: the model as it was, its classifier fitted anew as well: what pruning alone costs
        trials: of the prunings that were tried; the first is the chosen one
        reports: on speakers whom neither knows, by BEFORE and AFTER, with a fine-tune by UNTRAINED as well; empty
            where the corpus has none
        pair: their difference; None likewise
        facts: for the card
    """

    model: EmotionModel
    original: Trial
    trials: list[Trial]
    reports: dict[str, Report] = field(default_factory=dict)
    pair: PairedTest | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Trial:
        """The pruning that the model has."""
        return self.trials[0]


def compress_model(
    model: EmotionModel,
    corpus: Dataset,
    *,
    ffn: float | None = None,
    layers: int | None = None,
    target_size: float | None = None,
    target_speed: float | None = None,
    importance: str = "fluctuation",
    finetune: int = 0,
    augment: AugmentConfig | None = None,
    all_speakers: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Compressed:
    """Prunes a model and fits its classifier anew.

    Args:
        model: a trained classifier on a transformer encoder; it stays as it is
        corpus: what it was trained on, and held-out speakers if there are any: rows with the columns of `data.schema`
        ffn: share of the feed-forward networks' inner channels that stay; all if None
        layers: transformer layers that stay; those that the model uses if None
        target_size: in place of these, the share of the model's bytes that is left at most
        target_speed: in place of these, how many times as fast in torch at least
        importance: how inner channels are chosen, a name of `IMPORTANCES`
        finetune: epochs in which the layers that are left are trained, the model as it was for a teacher
        augment: whose views of each training clip the classifier is fitted on besides, as in training
        all_speakers: fits on every speaker of the corpus, also on those whom the model doesn't know
        seed: of the samples
        say: takes a line about each step

    Raises:
        ConfigError: nothing to be pruned, options that exclude each other, a target that can't be reached, or a corpus
            that the classifier can't be fitted on
    """
    check_prunable(model)
    IMPORTANCES[importance]
    _check_options(model, ffn, layers, target_size, target_speed)
    if finetune < 0:
        raise ConfigError(f"finetune is {finetune}: expected a number of epochs, or 0 for none")
    check_labels(corpus, model.labels)
    fitted_on, judged = divide_speakers(model, corpus, all_speakers=all_speakers)
    check_refit_corpus(model, fitted_on)
    if finetune:
        divide_dev(fitted_on)  # raises before anything is measured
    model = model if model.device.type == "cpu" else deepcopy(model).cpu()
    how = Pass(OneProcess("cpu"))
    if target_size is None and target_speed is None:
        whole = keep_layers(model, len(model.encoder.feed_forwards) if layers is None else layers)
        plans = [Plan(len(whole.encoder.feed_forwards), 1.0 if ffn is None else ffn)]
    else:
        plans = find_plans(model, target_size=target_size, target_speed=target_speed)
    lossless = keep_layers(model, len(model.encoder.feed_forwards))
    clips = UtteranceDataset(fitted_on, model.labels, model.audio, training=False)
    say(f"measuring {len(lossless.encoder.feed_forwards)} feed-forward networks on {len(clips)} clips")
    activity = measure_activity(lossless, clips, how, seed=seed)
    refitted = keep_layers(model, len(model.encoder.feed_forwards))
    before = refit_classifier(refitted, fitted_on, how, augment=augment, seed=seed)
    say(f"as it was, refitted: held-out UAR {100 * before:.1f}")
    speakers = model.known_speakers | KnownSpeakers.from_names(fitted_on["speaker"][:])
    pruned: list[tuple[EmotionModel, float]] = []
    for plan in plans:
        small = keep_layers(lossless, plan.layers)
        if plan.ffn < 1.0:
            small = narrow_feed_forwards(small, plan.ffn, activity[: plan.layers], importance)
        held_out = refit_classifier(small, fitted_on, how, augment=augment, seed=seed)
        small.known_speakers = speakers
        pruned.append((small, held_out))
        say(f"{plan}: held-out UAR {100 * held_out:.1f}")
    times = measure_times({"": model} | {str(index): small for index, (small, _) in enumerate(pruned)})
    trials = [
        Trial(plan, parameter_bytes(small), times[str(index)], held_out)
        for index, (plan, (small, held_out)) in enumerate(zip(plans, pruned, strict=True))
    ]
    best = max(range(len(trials)), key=lambda index: trials[index].held_out_uar)
    order = [best, *(index for index in range(len(trials)) if index != best)]
    original = Trial(Plan(len(model.encoder.feed_forwards), 1.0), parameter_bytes(model), times[""], before)
    systems = {BEFORE: model, AFTER: pruned[best][0]}
    if finetune:
        say(f"{plans[best]}: {finetune} epochs of training, the last of which is kept")
        systems[UNTRAINED] = systems[AFTER]
        systems[AFTER] = finetune_pruned(
            systems[UNTRAINED], model, fitted_on, epochs=finetune, augment=augment, seed=seed
        )
    reports = {name: evaluate(system, judged, how, title=name) for name, system in systems.items() if len(judged)}
    compared = {name: reports[name] for name in (BEFORE, AFTER) if reports}
    pairs = compare_pairs(
        {name: [report] for name, report in compared.items()}, {n: [list_tested(r)] for n, r in compared.items()}
    )
    corpora = sorted(set(fitted_on["corpus"][:]))
    systems[AFTER].derive_from(model, f"Compressed: {describe_fit(plans[best], finetune)}", corpora)
    facts = {
        "corpora": corpora,
        "training_utterances": len(fitted_on),
        "importance": importance,
        "finetune": finetune,
    }
    return Compressed(systems[AFTER], original, [trials[i] for i in order], reports, pairs[0] if pairs else None, facts)


def _check_options(
    model: EmotionModel, ffn: float | None, layers: int | None, target_size: float | None, target_speed: float | None
) -> None:
    named, targets = (ffn, layers), (target_size, target_speed)
    if all(value is None for value in (*named, *targets)):
        raise ConfigError("name what is to be pruned (`ffn` 0.5, `layers` 2), or a target (`target_size` 0.6)")
    if any(value is not None for value in named) and any(value is not None for value in targets):
        raise ConfigError("`ffn` and `layers` say what is pruned, `target_size` and `target_speed` choose it: not both")
    if ffn is not None:
        inner_width(1, ffn)
        if ffn < 1.0:
            total, width = len(model.encoder.feed_forwards), model.encoder.feed_forwards[0].expand.out_features
            model.encoder.shrunken_config(total, inner_width(width, ffn))  # raises where it can't


def divide_speakers(model: EmotionModel, corpus: Dataset, *, all_speakers: bool) -> tuple[Dataset, Dataset]:
    """Clips of the speakers whom the model knows, and of the others."""
    names: Sequence[str] = corpus["speaker"][:]
    familiar = set(names if all_speakers else model.known_speakers.among(names))
    if not familiar:
        raise ConfigError(
            "the model knows none of this corpus' speakers, and its classifier is to be fitted on those that it was "
            "trained on: name that corpus, or fit it on all speakers of this one (`all_speakers`)"
        )
    inside = [index for index, name in enumerate(names) if name in familiar]
    outside = [index for index, name in enumerate(names) if name not in familiar]
    return corpus.select(inside), corpus.select(outside)


def describe_fit(plan: Plan, finetune: int) -> str:
    """What was pruned and fitted, for the card.

    Args:
        plan: what stayed
        finetune: epochs in which its layers were trained
    """
    epochs = (
        f" Its layers were trained (epochs: {finetune}) with the model as it was for a teacher." if finetune else ""
    )
    return f"{plan}.{epochs} Its classifier was fitted anew."


def compression_table(compressed: Compressed) -> str:
    """What was measured, in Markdown."""
    header = [
        "",
        "MB",
        "of it",
        "CPU ms / 3 s",
        "times as fast",
        "UAR, training speakers in turn",
        "UAR, new speakers",
    ]
    trials = [
        ("as it was (refitted alone)", compressed.original),
        *((str(trial.plan), trial) for trial in compressed.trials),
    ]
    judged: list[str] = [BEFORE, UNTRAINED if UNTRAINED in compressed.reports else AFTER]
    rows = []
    for number, (name, trial) in enumerate(trials):
        report = compressed.reports.get(judged[number]) if number < len(judged) else None
        cost = [
            f"{trial.size / 1e6:.1f}",
            f"{100 * trial.size / compressed.original.size:.0f} %",
            f"{trial.milliseconds:.1f}",
            f"{compressed.original.milliseconds / trial.milliseconds:.2f}",
        ]
        rows.append([name, *cost, percent(trial.held_out_uar), "" if report is None else percent(report.uar)])
        epochs = compressed.facts.get("finetune", 0)
        if epochs and trial is compressed.best:  # its layers have learned from all these speakers
            tuned = compressed.reports.get(AFTER)
            rows.append([f"the same, fine-tuned (epochs: {epochs})", *cost, "", percent(tuned.uar) if tuned else ""])
    return table(header, rows)
