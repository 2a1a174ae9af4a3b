"""Pictures of reports, trainings, comparisons, embeddings, recordings, augmentation, generation, distillation.

Each function takes what it draws and the file to write. It knows neither models nor corpora.
"""

from ser_tl.evaluation.plots.augmentation import augmentation_picture as augmentation_picture
from ser_tl.evaluation.plots.canvas import choose_formats as choose_formats
from ser_tl.evaluation.plots.comparison import comparison_picture as comparison_picture
from ser_tl.evaluation.plots.comparison import cost_picture as cost_picture
from ser_tl.evaluation.plots.dimensions import dimensions_picture as dimensions_picture
from ser_tl.evaluation.plots.distillation import distillation_picture as distillation_picture
from ser_tl.evaluation.plots.embedding import domains_picture as domains_picture
from ser_tl.evaluation.plots.embedding import embeddings_picture as embeddings_picture
from ser_tl.evaluation.plots.embedding import layers_picture as layers_picture
from ser_tl.evaluation.plots.generation import adversaries_picture as adversaries_picture
from ser_tl.evaluation.plots.generation import sample_sheet as sample_sheet
from ser_tl.evaluation.plots.recording import recording_picture as recording_picture
from ser_tl.evaluation.plots.reliability import reliability_picture as reliability_picture
from ser_tl.evaluation.plots.report import confusion_picture as confusion_picture
from ser_tl.evaluation.plots.report import confusions_picture as confusions_picture
from ser_tl.evaluation.plots.timeline import timeline_picture as timeline_picture
from ser_tl.evaluation.plots.training import training_curves as training_curves
from ser_tl.evaluation.plots.training import travel_picture as travel_picture
from ser_tl.evaluation.plots.training import unfreezing_picture as unfreezing_picture
