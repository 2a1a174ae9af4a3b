"""Probability calibration after training, on speakers that no weight was trained on; `train.calibration` none skips it.

    best epoch's weights, train, dev --calibrate--> model.calibration, model.outliers

A refitted classifier is calibrated by its refit, which has the held-out logits.
"""

from ser_tl.inference.calibration import calibrate
from ser_tl.training.part import PARTS, Part, Training


@PARTS.register("calibration")
class ProbabilityCalibration(Part):
    """The calibration on dev speakers."""

    order = 95

    def check(self, training: Training) -> None:
        """Removes the calibration of earlier weights."""
        training.model.calibration = training.model.outliers = None

    def finish(self, training: Training) -> None:
        """Calibrates the model."""
        method = training.config.calibration
        if method == "none" or training.refits:
            return
        train, dev = (training.real, training.real_clips), (training.dev, training.dev_clips)
        calibrate(training.model, train, dev, training.evaluation, method=method, norms=training.norms)
