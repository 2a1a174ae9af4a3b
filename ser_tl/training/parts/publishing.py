"""What happens whenever an epoch is the best so far: a push to a hub (`ser_tl.publish`), or your own functions."""

from collections.abc import Callable, Sequence
from typing import Any

from ser_tl.model import EmotionModel
from ser_tl.training.part import Part

OnBest = Callable[[EmotionModel, dict[str, Any]], None]


class Callbacks(Part):
    """Calls functions, in the main process, with the model as it is then and the epoch's record.

    Args:
        functions: in their order
    """

    order = 90

    def __init__(self, functions: Sequence[OnBest] | None = None) -> None:
        self.functions = list(functions or ())

    def on_best(self, model: EmotionModel, record: dict[str, Any]) -> None:
        """Calls them."""
        for function in self.functions:
            function(model, record)
