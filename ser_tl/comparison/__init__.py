"""Systems side by side: paired tests on the same clips, and what runs left on disk.

    folders --read_runs--> {system: [Report, one a seed]} --Comparison.of--> rows, best first, and pairs

It computes; `ser_tl.reporting` writes the tables, the page and the pictures.
"""

from ser_tl.comparison.comparison import Comparison as Comparison
from ser_tl.comparison.comparison import ComparisonRow as ComparisonRow
from ser_tl.comparison.paired_tests import PairedTest as PairedTest
from ser_tl.comparison.runs import Cost as Cost
from ser_tl.comparison.runs import read_runs as read_runs
from ser_tl.comparison.runs import with_model_size as with_model_size

_RENAMED = {"Pair": "PairedTest", "Row": "ComparisonRow"}  # for one version more


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        return globals()[_RENAMED[name]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
