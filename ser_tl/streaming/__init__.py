"""Emotion from streams, and over time in long recordings.

    blocks of samples -> StreamingPredictor -> Update, Update, ...
    long recording -> build_timeline -> Timeline -> page, RTTM, TextGrid, ELAN, Audacity, CSV

Stands on `inference` alone and needs no torch where the model is an exported one. Knows no transport.
"""

from ser_tl.streaming.predictor import StreamingPredictor as StreamingPredictor
from ser_tl.streaming.update import Update as Update
