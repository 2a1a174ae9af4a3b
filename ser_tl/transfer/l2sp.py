"""L2-SP: weight decay towards the pretrained weights.

    weights w, where they began w0 --L2SP--> alpha / 2 * |w - w0|^2, a scalar

Independent of encoders and strategies.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class L2SP:
    """The penalty of Li, Grandvalet and Davoine (2018), eq. 4.

    Args:
        parameters: pretrained weights to train, as they are before training; copies of them are kept
        weight: alpha
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight: float) -> None:
        self.weight = weight
        self.anchors = [(parameter, parameter.detach().clone()) for parameter in parameters]

    def __call__(self) -> Tensor | None:
        """The penalty of the weights that are trainable now; None if none is."""
        terms = []
        for number, (parameter, anchor) in enumerate(self.anchors):
            if not parameter.requires_grad:
                continue
            if anchor.device != parameter.device:  # the trainer has moved the model since
                anchor = anchor.to(parameter.device)
                self.anchors[number] = (parameter, anchor)
            terms.append((parameter - anchor).square().sum())
        return 0.5 * self.weight * torch.stack(terms).sum() if terms else None
