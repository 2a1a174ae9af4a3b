"""The whole model: from audio to logits, to the disk and back. Predicting recordings is `ser_tl.inference`'s."""

from typing import TYPE_CHECKING

from ser_tl.model.emotion import EmotionModel as EmotionModel
from ser_tl.model.emotion import Output as Output
from ser_tl.model.model_config import ModelConfig as ModelConfig
from ser_tl.model.serialization import CONFIG_FILE as CONFIG_FILE
from ser_tl.model.serialization import WEIGHTS_FILE as WEIGHTS_FILE
from ser_tl.model.speakers import KnownSpeakers as KnownSpeakers

if TYPE_CHECKING:
    from ser_tl.model.transformers_classifier import export_transformers as export_transformers


def __getattr__(name: str) -> object:
    if name == "export_transformers":  # transformers' classifiers take a second to import, and predicting needs none
        from ser_tl.model.transformers_classifier import export_transformers

        return export_transformers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
