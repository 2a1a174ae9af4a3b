"""The progress of a training: everything a resumed run needs apart from weights, optimizer and random states.

Plain JSON, so that a person can read it in a killed run's folder.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ser_tl.files import write_text
from ser_tl.training.train_config import TrainConfig


@dataclass
class Progress:
    """The position in a training, and its history.

    Args:
        epoch: the running epoch, from 0
        step: steps done in it
        loss_sum: sum of the training loss over the utterances of the running epoch
        utterances: their number
        seconds: wall-clock time spent in the running epoch's steps
        audio_seconds: speech seen in them, over all processes
        best: (dev UAR, minus dev loss) of the best epoch so far; ties in UAR go to the lower loss. Where dimensions are
            learned alone, their dev CCC stands for the UAR
        best_epoch: the one that is kept, the best or the last; -1 before the first
        stale: epochs since the best
        scale: the plateau schedule's present factor
        history: one record per finished epoch, which counts from 1 there
        finished: whether training has ended
        planned: `TrainConfig.epochs` when it began, and whenever it was resumed with another number
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    utterances: int = 0
    seconds: float = 0.0
    audio_seconds: float = 0.0
    best: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = -1
    stale: int = 0
    scale: float = 1.0
    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    planned: list[int] = field(default_factory=list)

    def plan(self, config: TrainConfig) -> None:
        """Sets the number of epochs; a training that had ended may continue."""
        if self.planned[-1:] != [config.epochs]:
            self.planned.append(config.epochs)
        self.finished = self._has_ended(config)

    @property
    def note(self) -> str:
        """A sentence for the report on epochs that were added or left out; empty if there was one plan."""
        if len(self.planned) < 2:
            return ""
        return (
            f"resumed with another number of epochs ({', then '.join(map(str, self.planned))}): learning rates and "
            f"ramps followed the one that was planned at the time"
        )

    def _has_ended(self, config: TrainConfig) -> bool:
        stalls = config.keep == "best" and config.patience and self.stale >= config.patience
        return self.epoch >= config.epochs or bool(stalls)

    def end_epoch(self, record: dict[str, Any], config: TrainConfig) -> bool:
        """Closes the running epoch.

        Args:
            record: its figures, `dev_loss` among them, and `dev_uar` or `dev_ccc`
            config: says when to stop and when the plateau schedule acts

        Returns:
            Whether it is the one to keep so far.
        """
        score = (record["dev_uar"] if "dev_uar" in record else record["dev_ccc"], -record["dev_loss"])
        improved = score > self.best
        if improved:
            self.best, self.stale = score, 0
        else:
            self.stale += 1
            if config.schedule == "plateau" and self.stale % config.plateau_patience == 0:
                self.scale *= 0.5
        is_kept = improved or config.keep == "last"
        if is_kept:
            self.best_epoch = self.epoch
        self.history.append(record | {"epoch": self.epoch + 1})
        for number, past in enumerate(self.history):
            past["best"] = number == self.best_epoch
        self.epoch += 1
        self.step, self.utterances = 0, 0
        self.loss_sum = self.seconds = self.audio_seconds = 0.0
        self.finished = self._has_ended(config)
        return is_kept

    def save(self, path: Path) -> None:
        """Writes JSON."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        saved = json.loads(path.read_text(encoding="utf-8"))
        return cls(**(saved | {"best": tuple(saved["best"])}))


def format_dev_scores(record: Mapping[str, Any]) -> str:
    """An epoch's scores on the dev part as text: the first one chooses the best epoch."""
    scores = [f"UAR {100 * record['dev_uar']:.1f}"] if "dev_uar" in record else []
    return ", ".join([*scores, *([f"CCC {record['dev_ccc']:.3f}"] if "dev_ccc" in record else [])])


def rate_factor(config: TrainConfig, done: float, scale: float = 1.0) -> float:
    """The factor of the peak learning rates.

    A function of the share of the training that is done, so that it has no state to save and doesn't depend on the
    number of batches of an epoch.

    Args:
        config: schedule and warm-up
        done: share of the training, 0 to 1
        scale: the plateau schedule's present factor
    """
    if done < config.warmup:
        return done / config.warmup
    rest = (done - config.warmup) / (1.0 - config.warmup)
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * rest))
    if config.schedule == "linear":
        return 1.0 - rest
    return scale
