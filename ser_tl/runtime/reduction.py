"""What several processes agree on in a training without DDP: the mean of their gradients, and the time.

    weights with gradients --average_gradients--> each process the same gradients
    seconds of each process --agree_on_seconds--> the same number everywhere, so that all end with the same step

DDP waits for the same gradients in every step; where what is trained changes from step to step, this does without.
"""

from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import nn


def average_gradients(accelerator: Accelerator, parameters: Iterable[nn.Parameter]) -> None:
    """Gives each process the mean of all gradients. Every process calls it with gradients of the same parameters."""
    if accelerator.num_processes == 1:
        return
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    mean = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
    for gradient, averaged in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(averaged.view_as(gradient))


def agree_on_seconds(accelerator: Accelerator, seconds: float) -> float:
    """The mean of the processes' times. Every process calls it."""
    if accelerator.num_processes == 1:
        return seconds
    return float(accelerator.reduce(torch.tensor(seconds, device=accelerator.device), "mean"))
