"""The whole model: from a batch of audio to logits, from a recording to an emotion, to the disk and back."""

from ser_tl.model.config import ModelConfig as ModelConfig
from ser_tl.model.emotion import EmotionModel as EmotionModel
from ser_tl.model.emotion import Output as Output
from ser_tl.model.folder import CONFIG_FILE as CONFIG_FILE
from ser_tl.model.folder import WEIGHTS_FILE as WEIGHTS_FILE
from ser_tl.model.interchange import export_transformers as export_transformers
from ser_tl.model.prediction import Prediction as Prediction
from ser_tl.model.prediction import Recording as Recording
