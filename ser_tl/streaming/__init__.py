"""Emotion from streams, and over time in long recordings.

    blocks of samples -> StreamingPredictor -> Update, Update, ...
    long recording -> build_timeline -> Timeline -> page, RTTM, TextGrid, ELAN, Audacity, CSV

Stands on `inference` alone and needs no torch where the model is an exported one. Knows no transport.
"""

from ser_tl.streaming.diarization_error import DiarizationError as DiarizationError
from ser_tl.streaming.diarization_error import LabelSpan as LabelSpan
from ser_tl.streaming.diarization_error import measure_eder as measure_eder
from ser_tl.streaming.predictor import StreamingPredictor as StreamingPredictor
from ser_tl.streaming.timeline import Timeline as Timeline
from ser_tl.streaming.timeline import TimelineSegment as TimelineSegment
from ser_tl.streaming.timeline import build_timeline as build_timeline
from ser_tl.streaming.update import Update as Update
