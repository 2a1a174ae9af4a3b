"""Transfer strategies: which weights move during fine-tuning, how fast, and towards which domain."""

from ser_tl.transfer.alignment import ALIGNMENTS as ALIGNMENTS
from ser_tl.transfer.config import AlignmentConfig as AlignmentConfig
from ser_tl.transfer.config import TransferConfig as TransferConfig
from ser_tl.transfer.frozen import Frozen as Frozen
from ser_tl.transfer.full import Full as Full
from ser_tl.transfer.partial import Partial as Partial
from ser_tl.transfer.progressive import Progressive as Progressive
from ser_tl.transfer.strategy import STRATEGIES as STRATEGIES
from ser_tl.transfer.strategy import Rates as Rates
from ser_tl.transfer.strategy import Strategy as Strategy
