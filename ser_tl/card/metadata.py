"""The machine-readable head of a card: what the hub searches, filters and ranks by.

Known --metadata()--> ModelCardData, with the scores as `model-index`
"""

from huggingface_hub import EvalResult, ModelCardData

from ser_tl.card.known import Known
from ser_tl.evaluation import Report

TASK = "audio-classification"
_METRICS = {  # figure of Scores: type and name on the hub
    "uar": ("recall", "UAR (recall, mean over classes)"),
    "war": ("accuracy", "WAR (accuracy)"),
    "macro_f1": ("f1", "macro F1"),
}


def metadata(known: Known) -> ModelCardData:
    """The metadata of a card.

    A licence of the weights is for whoever publishes them to choose: the field says `other`, and by its name whether
    what went in allows commerce.
    """
    bases = [source.hub_id for source in known.encoders if source.hub_id]
    restricted = "non-commercial" in [source.terms for source in known.sources]
    results = [] if known.report is None else _results(known, known.report)
    return ModelCardData(
        language=sorted({code for source in known.corpora for code in source.languages}) or None,
        license="other",
        license_name="non-commercial" if restricted else "see-data-and-encoder",
        library_name="ser_tl",
        pipeline_tag=TASK,
        tags=["speech-emotion-recognition", "emotion", *(["non-commercial"] if restricted else [])],
        base_model=bases or None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=known.title if results else None,
        eval_results=results or None,
    )


def _results(known: Known, report: Report) -> list[EvalResult]:
    names = [source.name for source in known.corpora] or ["unknown"]
    interval = report.interval
    ends = None if interval is None else {"level": interval.level, "low": interval.low, "high": interval.high}
    return [
        EvalResult(
            task_type=TASK,
            task_name="speech emotion recognition",
            dataset_type="+".join(names),
            dataset_name=", ".join(source.title for source in known.corpora) or "unknown",
            dataset_split=known.protocol or "test",
            metric_type=kind,
            metric_name=name,
            metric_value=round(getattr(report.scores, figure), 4),
            metric_args=None if figure != "uar" or ends is None else {"interval_over_speakers": ends},
        )
        for figure, (kind, name) in _METRICS.items()
    ]
