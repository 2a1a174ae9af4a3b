"""Transfer: which weights are trained during fine-tuning and at which rates, and the alignment of a second domain."""

from ser_tl.transfer.adapters import load_adapter as load_adapter
from ser_tl.transfer.adapters import load_adapters as load_adapters
from ser_tl.transfer.adapters import merge_adapter as merge_adapter
from ser_tl.transfer.adapters import save_adapter as save_adapter
from ser_tl.transfer.alignment import ALIGNMENTS as ALIGNMENTS
from ser_tl.transfer.alignment import Alignment as Alignment
from ser_tl.transfer.alignment import Domain as Domain
from ser_tl.transfer.alignment_config import AlignmentConfig as AlignmentConfig
from ser_tl.transfer.conditional_mmd import LocalMMD as LocalMMD
from ser_tl.transfer.coral import CORAL as CORAL
from ser_tl.transfer.dann import DANN as DANN
from ser_tl.transfer.dann import dann_schedule as dann_schedule
from ser_tl.transfer.fine_tuning import FineTuning as FineTuning
from ser_tl.transfer.frozen import Frozen as Frozen
from ser_tl.transfer.full import Full as Full
from ser_tl.transfer.lora import IA3 as IA3
from ser_tl.transfer.lora import Lora as Lora
from ser_tl.transfer.mmd import MMD as MMD
from ser_tl.transfer.partial import Partial as Partial
from ser_tl.transfer.progressive import Progressive as Progressive
from ser_tl.transfer.strategy import STRATEGIES as STRATEGIES
from ser_tl.transfer.strategy import LearningRates as LearningRates
from ser_tl.transfer.strategy import Strategy as Strategy
