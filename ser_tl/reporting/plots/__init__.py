"""Pictures of reports, trainings, comparisons, embeddings, recordings, augmentation, generation, distillation.

Each function takes what it draws and the file to write. Independent of models and corpora.
"""

from ser_tl.reporting.plots.augmentation import augmentation_picture as augmentation_picture
from ser_tl.reporting.plots.canvas import choose_formats as choose_formats
from ser_tl.reporting.plots.comparison import comparison_picture as comparison_picture
from ser_tl.reporting.plots.comparison import cost_picture as cost_picture
from ser_tl.reporting.plots.dimensions import dimensions_picture as dimensions_picture
from ser_tl.reporting.plots.distillation import distillation_picture as distillation_picture
from ser_tl.reporting.plots.embedding import domains_picture as domains_picture
from ser_tl.reporting.plots.embedding import embeddings_picture as embeddings_picture
from ser_tl.reporting.plots.embedding import layers_picture as layers_picture
from ser_tl.reporting.plots.generation import adversaries_picture as adversaries_picture
from ser_tl.reporting.plots.generation import sample_sheet as sample_sheet
from ser_tl.reporting.plots.recording import recording_picture as recording_picture
from ser_tl.reporting.plots.reliability import reliability_picture as reliability_picture
from ser_tl.reporting.plots.report import confusion_picture as confusion_picture
from ser_tl.reporting.plots.report import confusions_picture as confusions_picture
from ser_tl.reporting.plots.timeline import timeline_picture as timeline_picture
from ser_tl.reporting.plots.training import plot_weight_change as plot_weight_change
from ser_tl.reporting.plots.training import training_curves as training_curves
from ser_tl.reporting.plots.training import unfreezing_picture as unfreezing_picture

_RENAMED = {"travel_picture": "plot_weight_change"}  # for one version more


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        return globals()[_RENAMED[name]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
