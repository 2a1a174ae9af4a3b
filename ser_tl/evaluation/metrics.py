"""UAR and WAR as `evaluate.Metric`s, for training loops that use that interface.

    UAR(labels).compute(predictions=..., references=...)  ->  {"uar": 0.71}

They work by instantiation: no `evaluate.load`, no hub, no network, and no cache file either, so any number of processes
may compute at once. Labels are all strings or all integers. `scores` says what the figures average over, and
computes them.
"""

import ser_tl.audio_support  # noqa: F401 - first: evaluate imports transformers, and that torchaudio

# isort: split
from collections.abc import Sequence
from typing import Any, ClassVar

import datasets
import evaluate

from ser_tl.errors import ConfigError
from ser_tl.evaluation.scores import Label, Scores, confusion_matrix

_FEATURES = [
    datasets.Features({"predictions": datasets.Value(kind), "references": datasets.Value(kind)})
    for kind in ("string", "int64")
]
_CITATION = "B. Schuller, S. Steidl, A. Batliner: The INTERSPEECH 2009 Emotion Challenge. Proc. Interspeech 2009"
_INPUTS = """
Args:
    predictions: the predicted label of each utterance, all strings or all integers
    references: the true label of each utterance, of the same type
"""


class _ConfusionMetric(evaluate.Metric):
    """A metric that is one of the figures of `Scores`.

    Args:
        labels: the classes. Every label given later has to be one of them; if None, the classes are what occurs
        options: what `evaluate.Metric` takes. Data stays in memory unless `num_process` asks for several processes
            that gather over files
    """

    _figure: ClassVar[str]
    _meaning: ClassVar[str]

    def __init__(self, labels: Sequence[Label] | None = None, **options: Any) -> None:  # noqa: ANN401
        options.setdefault("keep_in_memory", options.get("num_process", 1) == 1)
        super().__init__(**options)
        self.labels = None if labels is None else list(labels)

    def _build_data_dir(self) -> str:  # evaluate would make a cache folder, which fails under a read-only home
        return "" if self.keep_in_memory else super()._build_data_dir()

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self._meaning, citation=_CITATION, features=_FEATURES, inputs_description=_INPUTS
        )

    def _compute(
        self, *, predictions: Sequence[Label] = (), references: Sequence[Label] = (), **unknown: object
    ) -> dict[str, float]:
        if unknown:
            raise ConfigError(f"found the options {', '.join(unknown)}; labels are pinned when the metric is made")
        labels = self.labels if self.labels is not None else sorted({*predictions, *references})
        scores = Scores.from_confusion(confusion_matrix(references, predictions, labels))
        return {self._figure: getattr(scores, self._figure)}


class UAR(_ConfusionMetric):
    """Unweighted average recall, over the classes that occur in the references: {"uar": fraction}.

    Args:
        labels: the classes, all strings or all integers; what occurs if None
        options: what `evaluate.Metric` takes
    """

    _figure = "uar"
    _meaning = "Unweighted average recall, over the classes that occur in the references."


class WAR(_ConfusionMetric):
    """Weighted average recall, the accuracy: {"war": fraction}.

    Args:
        labels: the classes, all strings or all integers; what occurs if None
        options: what `evaluate.Metric` takes
    """

    _figure = "war"
    _meaning = "Weighted average recall: recalls weighted by the classes' sizes, the accuracy."
