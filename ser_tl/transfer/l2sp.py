"""A pull back to the pretrained weights: the starting point as the reference of weight decay.

    weights w, where they began w0 --L2SP--> alpha / 2 * |w - w0|^2, a scalar

Knows parameters, and nothing of encoders or strategies.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class L2SP:
    """The penalty of Li, Grandvalet and Davoine (2018), eq. 4: what was pretrained is left only for a reason.

    Args:
        parameters: pretrained weights that may move, as they are before training; copies of them are kept
        weight: alpha
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight: float) -> None:
        self.weight = weight
        self.anchors = [(parameter, parameter.detach().clone()) for parameter in parameters]

    def __call__(self) -> Tensor | None:
        """The penalty of what moves now; None if nothing does."""
        terms = []
        for number, (parameter, anchor) in enumerate(self.anchors):
            if not parameter.requires_grad:
                continue
            if anchor.device != parameter.device:  # the trainer has moved the model since
                anchor = anchor.to(parameter.device)
                self.anchors[number] = (parameter, anchor)
            terms.append((parameter - anchor).square().sum())
        return 0.5 * self.weight * torch.stack(terms).sum() if terms else None
