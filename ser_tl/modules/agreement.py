"""How far two classifiers agree beyond chance: what there is to judge one by where there are no labels."""

from torch import Tensor


def measure_kappa(answers: Tensor, others: Tensor, classes: int) -> float:
    """The share of alike answers above chance, for equally frequent classes (Bennett et al. 1954): 1 if all are.

    Args:
        answers: (n,) class indices
        others: (n,) of another classifier
        classes: number of classes, C
    """
    if classes < 2:
        return 1.0
    chance = 1.0 / classes
    return (float((answers == others).double().mean()) - chance) / (1.0 - chance)
