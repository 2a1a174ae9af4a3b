"""From what a model said about a test set to figures, a report on disk and pictures.

    Predictions --scores--> Scores --bootstrap--> Interval
    Predictions --Report.of--> Report --Report.over_folds--> Report --save--> a folder with text, table and picture

It knows neither models nor corpora: what comes in are ids, speakers, labels and probabilities. `UAR` and `WAR`, the
figures as `evaluate.Metric`s, load on first use: importing the evaluate library takes seconds.
"""

from typing import TYPE_CHECKING

from ser_tl.evaluation.bootstrap import Interval as Interval
from ser_tl.evaluation.bootstrap import speaker_interval as speaker_interval
from ser_tl.evaluation.comparison import Comparison as Comparison
from ser_tl.evaluation.embeddings import Embeddings as Embeddings
from ser_tl.evaluation.folds import JSON as JSON
from ser_tl.evaluation.folds import Fold as Fold
from ser_tl.evaluation.plots import confusion_picture as confusion_picture
from ser_tl.evaluation.plots import dimensions_picture as dimensions_picture
from ser_tl.evaluation.plots import training_curves as training_curves
from ser_tl.evaluation.predictions import Predictions as Predictions
from ser_tl.evaluation.ratings import Agreement as Agreement
from ser_tl.evaluation.ratings import Ratings as Ratings
from ser_tl.evaluation.report import Report as Report
from ser_tl.evaluation.runs import read_runs as read_runs
from ser_tl.evaluation.runs import with_model_size as with_model_size
from ser_tl.evaluation.scores import Scores as Scores
from ser_tl.evaluation.scores import confusion as confusion
from ser_tl.evaluation.scores import mean_recall as mean_recall

if TYPE_CHECKING:
    from ser_tl.evaluation.metrics import UAR as UAR
    from ser_tl.evaluation.metrics import WAR as WAR


def __getattr__(name: str) -> object:
    if name in ("UAR", "WAR"):
        from ser_tl.evaluation import metrics

        return getattr(metrics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
