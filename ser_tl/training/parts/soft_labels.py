"""The targets of training clips: their emotion, or the distribution of annotators' votes.

training part, AnnotationConfig --soft_targets--> targets (n, C), which the loss of emotions takes in place of labels
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ser_tl.data.votes import AnnotationConfig, soft_targets
from ser_tl.errors import ConfigError
from ser_tl.training.part import PARTS, Part, Training

REFIT_NOTE = "; the refitted classifier is fitted to emotions alone"


@PARTS.register("labels")
class SoftLabels(Part):
    """Votes or recognition rates as targets, if they are asked for.

    Args:
        config: whose labels count
    """

    order = 10

    def __init__(self, config: AnnotationConfig | None = None) -> None:
        self.config = config or AnnotationConfig()
        self.adds_clip_targets = self.config.targets != "label"
        self._notes: list[str] = []
        self._facts: dict[str, Any] = {}

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"labels.targets is {self.config.targets}"

    @property
    def voided_by_refit(self) -> str:
        """Soft targets."""
        return "labels.targets" if self.adds_clip_targets else ""

    def bind(self, training: Training) -> None:
        """Refuses options where no emotions are learned."""
        if not training.model.labels and self.config != AnnotationConfig(classes=self.config.classes):
            raise ConfigError(
                "dimensions.weight is 1, so no emotions are learned: leave the balance and labels options out"
            )

    def tables(self, training: Training) -> Mapping[str, np.ndarray]:
        """The targets."""
        if not training.model.labels:
            return {}
        targets, notes = soft_targets(training.train, training.model.labels, self.config)
        self._notes = [f"{note}{REFIT_NOTE * training.refits}" for note in notes]
        settings = asdict(self.config)
        if settings["classes"] == "all":  # which nothing else is with one corpus
            del settings["classes"]
        self._facts = {"labels": settings}
        return {} if targets is None else {"targets": targets}

    @property
    def facts(self) -> dict[str, Any]:
        """Whose labels count."""
        return self._facts

    @property
    def notes(self) -> list[str]:
        """A sentence on the targets."""
        return self._notes
