"""Which precision is fastest here, by measuring it: `train.precision auto`.

    a GPU: bf16 if it has it      a CPU: a linear layer's passes, float32 against bf16 autocast -> "bf16" or "no"

Processors without bf16 instructions run bf16 up to a hundred times slower than float32.
"""

import time
from functools import cache
from statistics import median

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch import nn

from ser_tl.encoders.onednn import use_onednn

WORTH = 1.2
"""So many times faster has bf16 to be before its coarser numbers are taken for it."""

_WIDTH, _FRAMES, _REPEATS = 256, 64, 3  # small: bf16 without instructions takes a second a repeat at a base's sizes


def fastest_precision(state: PartialState) -> str:
    """`bf16` or `no`, the same in every process; each of them calls it.

    Args:
        state: the run's processes, whose main one decides
    """
    kind = str(state.device).partition(":")[0]
    if kind == "cuda":
        answer = ["bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"]
    else:
        answer = [_measured() if state.is_main_process and kind == "cpu" else "no"]
    return str(broadcast_object_list(answer)[0])


@cache
def _measured() -> str:
    """This CPU's answer. Measured once: near the limit a second look might give another."""
    plain, half = (_time_layer(enabled=enabled) for enabled in (False, True))
    return "bf16" if plain > WORTH * half else "no"


def _time_layer(*, enabled: bool) -> float:
    """The median time of a forward and backward pass."""
    layer = nn.Sequential(nn.Linear(_WIDTH, 4 * _WIDTH))
    use_onednn(layer)  # float32 as encoders have it
    frames = torch.zeros(_FRAMES, _WIDTH, requires_grad=True)
    taken = []
    for repeat in range(_REPEATS + 1):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = layer(frames)
        output.sum().backward()
        if repeat:  # the first one sets things up
            taken.append(time.perf_counter() - begin)
    return median(taken)
