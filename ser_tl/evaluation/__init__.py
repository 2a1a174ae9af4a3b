"""From a model's predictions on a test set to its figures: data alone, which `ser_tl.reporting` writes and draws.

    Predictions --confusion_matrix--> counts --Scores.from_confusion--> Scores
    counts by speaker --speaker_interval--> Interval
    Predictions --Report.of--> Report --Report.over_folds--> Report

Independent of models and corpora: the input is ids, speakers, labels and probabilities. `UAR` and `WAR`, the
figures as `evaluate.Metric`s, load on first use: importing the evaluate library takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ser_tl.evaluation.bootstrap import Interval as Interval
from ser_tl.evaluation.bootstrap import speaker_interval as speaker_interval
from ser_tl.evaluation.embeddings import Embeddings as Embeddings
from ser_tl.evaluation.fold_pooling import JSON as JSON
from ser_tl.evaluation.fold_pooling import FoldScores as FoldScores
from ser_tl.evaluation.predictions import Predictions as Predictions
from ser_tl.evaluation.ratings import DimensionScores as DimensionScores
from ser_tl.evaluation.ratings import Ratings as Ratings
from ser_tl.evaluation.report import Report as Report
from ser_tl.evaluation.scores import Scores as Scores
from ser_tl.evaluation.scores import confusion_matrix as confusion_matrix
from ser_tl.evaluation.scores import mean_recall as mean_recall

if TYPE_CHECKING:
    from ser_tl.evaluation.metrics import UAR as UAR
    from ser_tl.evaluation.metrics import WAR as WAR


_LATE = {
    "UAR": "ser_tl.evaluation.metrics",
    "WAR": "ser_tl.evaluation.metrics",
    # Names that were here in the last version, for one version more.
    "Comparison": "ser_tl.comparison",
    "read_runs": "ser_tl.comparison",
    "with_model_size": "ser_tl.comparison",
    "plots": "ser_tl.reporting",
    "confusion_picture": "ser_tl.reporting.plots",
    "dimensions_picture": "ser_tl.reporting.plots",
    "training_curves": "ser_tl.reporting.plots",
}
_RENAMED = {"Agreement": "DimensionScores", "Fold": "FoldScores", "confusion": "confusion_matrix"}  # likewise


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        return globals()[_RENAMED[name]]
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
