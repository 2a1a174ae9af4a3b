"""Speaker statistics in training states, as they were when the epoch began."""

import torch
from torch import Tensor

from ser_tl.modules.feature_norm import NormTable, Statistics


class NormState:
    """A table of statistics that Accelerate saves and loads.

    Args:
        table: changed in place when a training state is loaded
        device: where its tensors belong
    """

    def __init__(self, table: NormTable, device: torch.device) -> None:
        self.table = table
        self.device = device

    def state_dict(self) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
        """Mean and deviation by name, of states and of embeddings."""
        return {name: {key: tuple(pair) for key, pair in part.items()} for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, dict[str, tuple[Tensor, Tensor]]]) -> None:
        """Restores what `state_dict` returned."""
        for name, part in self._parts.items():
            part.clear()
            part.update(
                (key, Statistics(*(tensor.to(self.device) for tensor in pair))) for key, pair in state[name].items()
            )

    @property
    def _parts(self) -> dict[str, dict[str, Statistics]]:
        return {"states": self.table.states, "embedding": self.table.embedding}
