"""The machine-readable head of a card: what the hub searches, filters and ranks by.

Known --metadata()--> ModelCardData, with the scores as `model-index`
"""

from huggingface_hub import EvalResult, ModelCardData

from ser_tl.card.base_card import RESTRICTED
from ser_tl.card.context import CardContext
from ser_tl.evaluation import Interval, Report

TASK = "audio-classification"
_METRICS = {  # figure of Scores: type and name on the hub
    "uar": ("recall", "UAR (recall, mean over classes)"),
    "war": ("accuracy", "WAR (accuracy)"),
    "macro_f1": ("f1", "macro F1"),
}


def metadata(context: CardContext) -> ModelCardData:
    """The metadata of a card.

    A licence of the weights is for whoever publishes them to choose: the field says `other`, and by its name whether
    what went in allows commerce.
    """
    bases = [source.hub_id for source in context.encoders if source.hub_id]
    results = [] if context.report is None else _results(context, context.report)
    return ModelCardData(
        language=context.languages or None,
        license="other",
        license_name=RESTRICTED if context.restricted else "see-data-and-encoder",
        library_name="ser_tl",
        pipeline_tag=TASK,
        tags=["speech-emotion-recognition", "emotion", *([RESTRICTED] if context.restricted else [])],
        base_model=bases or None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=context.title if results else None,
        eval_results=results or None,
    )


def _results(context: CardContext, report: Report) -> list[EvalResult]:
    names = [source.name for source in context.corpora] or ["unknown"]
    ends = _ends(report.interval)
    figures = [
        (kind, name, getattr(report.scores, figure), ends if figure == "uar" else None)
        for figure, (kind, name) in (_METRICS if report.scores else {}).items()
    ]
    figures += [
        ("ccc", f"CCC (concordance correlation) of {name}", concordance.ccc, _ends(concordance.ccc_interval))
        for name, concordance in report.dimensions.items()
        if concordance.ccc is not None
    ]
    return [
        EvalResult(
            task_type=TASK,
            task_name="speech emotion recognition",
            dataset_type="+".join(names),
            dataset_name=", ".join(source.title for source in context.corpora) or "unknown",
            dataset_split=context.protocol or "test",
            metric_type=kind,
            metric_name=name if context.independent else f"{name}, NOT speaker-independent",
            metric_value=round(value, 4),
            metric_args=None if around is None else {"interval_over_speakers": around},
        )
        for kind, name, value, around in figures
    ]


def _ends(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"level": interval.level, "low": interval.low, "high": interval.high}
