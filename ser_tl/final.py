"""The model to use, trained on all speakers once the splits have shown what to expect of it.

    splits, their report --run_final()--> RUN/final/model, whose card has the report's score as an estimate

Its dev speakers are those of the first split: they choose the epoch and calibrate, as in every split, so that the
estimate is of this very procedure. Training on them too, for the median of the splits' best epochs, would leave no
speakers to calibrate probabilities and prediction sets on.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset, concatenate_datasets

from ser_tl.card.card import CARD_FILE
from ser_tl.data.splits import Split
from ser_tl.evaluation import Report
from ser_tl.files import write_text
from ser_tl.outputs import finish_final
from ser_tl.reporting.text import score_text
from ser_tl.resume import SPLIT_FILE
from ser_tl.runtime.processes import processes
from ser_tl.training.trainer import Trainer

FINAL = "final"
"""The folder in the run's, and the branch on a hub."""


def run_final(
    splits: Sequence[Split], train: Callable[[Dataset, Dataset, Path], Trainer], report: Report, folder: Path
) -> Path:
    """Trains on the speakers of all parts but dev. Every process calls it.

    Args:
        splits: of the run's protocol
        train: trains on a training and a dev part, in a folder
        report: over all splits
        folder: the run's

    Returns:
        The model's folder. A model that is whole is not trained again.
    """
    target = folder / FINAL
    first, state = splits[0], processes()
    if not (target / "model" / CARD_FILE).is_file():
        state.wait_for_everyone()
        everyone = concatenate_datasets([first.train, first.test])
        if state.is_main_process:
            target.mkdir(parents=True, exist_ok=True)
            ids = {"train": everyone["id"][:], "dev": first.dev["id"][:]}
            write_text(target / SPLIT_FILE, json.dumps(ids, indent=1) + "\n")
        finish_final(train(everyone, first.dev, target), report, target)
    model = target / "model"
    state.print(f"{model}: trained on all speakers, without a score of its own; the estimate is {score_text(report)}")
    return model
