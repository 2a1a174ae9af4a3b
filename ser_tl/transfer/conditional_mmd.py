"""Maximum mean discrepancy class by class, where the target's classes are the model's confident predictions.

    target logits --threshold--> pseudo-labels of some clips
      --with the source's labels--> one discrepancy a class --> mean

Plain MMD draws whole batches together, whatever emotions they happen to hold; where the domains' emotions differ in
number it mixes classes up. Here only clips of one class are compared (as Zhu et al. 2021, Deep Subdomain Adaptation
Network, whose weights are the probabilities and whose estimate is the biased one).
"""

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.transfer.alignment import ALIGNMENTS, Alignment, Domain
from ser_tl.transfer.mmd import pair_kernel, squared_mmd


@ALIGNMENTS.register("class-mmd")
class LocalMMD(Alignment):
    """MMD between the clips of one class, averaged over the target's clips.

    A class counts by the share of the batch's target clips that are surely of it. One with fewer than two clips on
    either side contributes nothing, and neither do target clips below the threshold: with no sure clip the penalty is
    0. The pseudo-labels get no gradient.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C
        threshold: least probability of a pseudo-label, 0 to 1

    Shape:
        source of (B, E), target of (B', E) -> a scalar

    Raises:
        ConfigError: a threshold that is no probability
    """

    def __init__(self, dim: int, classes: int, threshold: float = 0.8) -> None:
        super().__init__(dim, classes)
        if not 0.0 <= threshold <= 1.0:
            raise ConfigError(f"the threshold of class-mmd is {threshold}: expected a probability, 0 to 1")
        self.classes = classes
        self.threshold = threshold

    def penalty(self, source: Domain, target: Domain, weight: float) -> Tensor:
        """The weight times the mean discrepancy of the classes.

        Raises:
            ValueError: the source has no labels
        """
        if source.labels is None:
            raise ValueError("class-mmd compares the clips of one class: it needs the source's labels")
        confidence, guess = target.logits.detach().softmax(dim=-1).max(dim=-1)
        sure = (confidence >= self.threshold).float()
        source_weights = functional.one_hot(source.labels, self.classes).float()
        target_weights = functional.one_hot(guess, self.classes).float() * sure[:, None]
        kernel = pair_kernel(torch.cat([source.embedding, target.embedding]))
        return weight * (squared_mmd(kernel, source_weights, target_weights) * target_weights.mean(dim=0)).sum()
