"""Systems side by side: paired tests on the same clips, and what runs left on disk.

    folders --read_runs--> {system: [Report, one a seed]} --Comparison.of--> rows, best first, and pairs

It computes; `ser_tl.reporting` writes the tables, the page and the pictures.
"""

from ser_tl.comparison.comparison import Comparison as Comparison
from ser_tl.comparison.comparison import Row as Row
from ser_tl.comparison.paired_tests import Pair as Pair
from ser_tl.comparison.runs import Cost as Cost
from ser_tl.comparison.runs import read_runs as read_runs
from ser_tl.comparison.runs import with_model_size as with_model_size
