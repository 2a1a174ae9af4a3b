"""From a trained model to a graph that others compute: made, checked, and kept with what was measured.

    export_model(model, folder, format="onnx", quantize="int8") -> Manifest
    ser_tl.inference.Predictor(folder)                          predictions, for ONNX without torch

The graph is the whole model: 16 kHz samples and lengths in; probabilities, dimensions and embedding out. A format is a
file here and an entry of `EXPORTERS`. Whatever gives other answers than the model raises `ExportError` and leaves no
file.
"""

from ser_tl.export.base import EXPORTERS as EXPORTERS
from ser_tl.export.base import Exporter as Exporter
from ser_tl.export.exporting import export_model as export_model
