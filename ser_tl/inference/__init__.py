"""From a trained model, in torch or exported, to predictions: the one way by which recordings and corpora are scored.

    recordings -> Predictor(model, folder or name) -> list[Prediction]
    corpus, clips -> loop (torch) -> scores, embeddings, statistics

What is named here needs no torch: an exported model is predicted with numpy, soundfile, soxr and its own runtime alone.
Independent of training.
"""

from ser_tl.inference.prediction import Prediction as Prediction
from ser_tl.inference.prediction import Segment as Segment
from ser_tl.inference.predictor import Predictor as Predictor
from ser_tl.inference.recordings import Recording as Recording
from ser_tl.inference.recordings import is_recording as is_recording
from ser_tl.inference.speaker import Speaker as Speaker
