"""Which inner channels of a feed-forward network matter: a score for each, the higher the more it matters.

    Activity, weight (D, F) of the second layer --IMPORTANCES[name]--> scores (F,)

Knows one layer, and nothing of what is done with the scores.
"""

from collections.abc import Callable

from torch import Tensor

from ser_tl.compress.activity import Activity
from ser_tl.registry import Registry

Importance = Callable[[Activity, Tensor], Tensor]

IMPORTANCES: Registry[Importance] = Registry("importance")
"""Scores by name."""


@IMPORTANCES.register("fluctuation")
def fluctuation(activity: Activity, weight: Tensor) -> Tensor:
    """Variance of a channel times the squared norm of its outgoing weights (FLAP, An et al. 2024, eq. 5).

    That is the mean squared error of a network in which the channel is replaced by its mean, which costs nothing: a
    constant goes into the bias.
    """
    return activity.covariance.diagonal() * weight.double().square().sum(dim=0)


@IMPORTANCES.register("magnitude")
def magnitude(activity: Activity, weight: Tensor) -> Tensor:
    """Root mean square of a channel times the sum of its outgoing weights' magnitudes (Wanda, Sun et al. 2024, eq. 1).

    Their score of a single weight, summed over those that go with a channel.
    """
    power = activity.products.diagonal() / activity.frames
    return power.sqrt() * weight.double().abs().sum(dim=0)
