"""Pictures of a training that unfreezes block by block."""

from pathlib import Path

from ser_tl.analysis import weight_change
from ser_tl.encoders import Encoder
from ser_tl.reporting import plots
from ser_tl.training.trainer import Trainer


def plot_unfreezing(trainer: Trainer, before: Encoder, folder: Path) -> None:
    """Plots when each block was unfrozen (unfreezing.png), and how far it moved (travel.png).

    Args:
        trainer: whose training has ended
        before: a copy of the encoder from before the training
        folder: of the training
    """
    if trainer.accelerator.is_main_process:
        plots.unfreezing_picture(trainer.history, folder / "unfreezing.png")
        plots.plot_weight_change(weight_change(before, trainer.model.encoder), folder / "travel.png")
