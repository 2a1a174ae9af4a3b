"""What a model costs: bytes, and CPU time for three seconds of speech, in torch on one thread.

Times are those of the process and the least of several, models in turn, so that a busy machine changes little.
"""

import time
from collections.abc import Mapping

import torch

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.inference.clips import evaluation_mode
from ser_tl.model import EmotionModel

SECONDS = 3.0
"""Of speech."""

_REPEATS = 7


@torch.no_grad()
def measure_times(models: Mapping[str, EmotionModel], repeats: int = _REPEATS) -> dict[str, float]:
    """CPU milliseconds of each model.

    Args:
        models: on the CPU, by name
        repeats: how often each is measured
    """
    samples = round(SECONDS * SAMPLE_RATE)
    waveform = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([samples])
    threads = torch.get_num_threads()
    times: dict[str, list[float]] = {name: [] for name in models}
    torch.set_num_threads(1)
    try:
        with evaluation_mode(*models.values()):
            for turn in range(repeats + 1):
                for name, model in models.items():
                    begin = time.process_time()
                    model(waveform, lengths)
                    if turn:  # the first warms up
                        times[name].append(1000.0 * (time.process_time() - begin))
    finally:
        torch.set_num_threads(threads)
    return {name: min(taken) for name, taken in times.items()}
