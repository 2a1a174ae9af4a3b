"""Transfer strategies: which weights move during fine-tuning, and how fast."""

from ser_tl.transfer.adapter_config import AdapterConfig as AdapterConfig
from ser_tl.transfer.adapters import load_adapter as load_adapter
from ser_tl.transfer.adapters import load_adapters as load_adapters
from ser_tl.transfer.adapters import merge_adapter as merge_adapter
from ser_tl.transfer.adapters import save_adapter as save_adapter
from ser_tl.transfer.frozen import Frozen as Frozen
from ser_tl.transfer.full import Full as Full
from ser_tl.transfer.lora import IA3 as IA3
from ser_tl.transfer.lora import Lora as Lora
from ser_tl.transfer.partial import Partial as Partial
from ser_tl.transfer.strategy import STRATEGIES as STRATEGIES
from ser_tl.transfer.strategy import Rates as Rates
from ser_tl.transfer.strategy import Strategy as Strategy
