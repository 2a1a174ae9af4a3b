"""Robustness tests: the same words, recorded or sent in another way.

make_suite() -> changes of the audio;  check(Predictor, Sample, changes) -> Check -> page, JSON, pass rates
"""

from ser_tl.robustness.change import THEMES as THEMES
from ser_tl.robustness.change import Change as Change
from ser_tl.robustness.change import Limits as Limits
from ser_tl.robustness.check import Check as Check
from ser_tl.robustness.check import change_table as change_table
from ser_tl.robustness.check import check as check
from ser_tl.robustness.check import rate_table as rate_table
from ser_tl.robustness.measure import ChangeRow as ChangeRow
from ser_tl.robustness.measure import Sample as Sample
from ser_tl.robustness.suite import make_suite as make_suite

_RENAMED = {"Row": "ChangeRow"}  # for one version more


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        return globals()[_RENAMED[name]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
