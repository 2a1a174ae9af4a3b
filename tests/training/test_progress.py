"""Which epoch is kept, and when a training ends."""

import pytest

from ser_tl.training import TrainConfig
from ser_tl.training.progress import Progress

UARS = [0.5, 0.7, 0.6, 0.7, 0.65, 0.6]


def ended(**options):
    """A training whose dev UAR goes up and down, as far as it goes."""
    progress = Progress()
    for uar in UARS:
        if progress.finished:
            break
        progress.end_epoch({"dev_uar": uar, "dev_loss": 1.0 - uar}, TrainConfig(**options))
    return progress


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("last", 6)])
def test_one_epoch_is_kept(keep, kept):
    progress = ended(epochs=len(UARS), keep=keep, patience=0)
    assert progress.finished
    assert [record["epoch"] for record in progress.history if record["best"]] == [kept]
    assert progress.best == (0.7, pytest.approx(-0.3))


@pytest.mark.parametrize(("keep", "epochs"), [("best", 4), ("last", 6)])
def test_patience_is_for_the_best(keep, epochs):
    assert len(ended(epochs=len(UARS), keep=keep, patience=2).history) == epochs
