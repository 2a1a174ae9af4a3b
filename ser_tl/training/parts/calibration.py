"""Every training ends calibrated on speakers whom its weights never saw, unless `train.calibration` is none.

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
        """Forgets the calibration of the weights before."""
        training.model.calibration = training.model.outliers = None

    def finish(self, training: Training) -> None:
        """Calibrates the model."""
        method = training.config.calibration
        if method == "none" or training.refits:
            return
        train, dev = (training.real, training.real_clips), (training.dev, training.dev_clips)
        calibrate(training.model, train, dev, training.evaluation, method=method, norms=training.norms)
