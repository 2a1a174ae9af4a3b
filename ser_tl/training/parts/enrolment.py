"""The classifier fitted anew for speakers who are enrolled with a few clips (`train.refit enrolment`).

    train + dev -> embeddings by the training speech's statistics -> prior, enrolments made up for every training clip
      -> discriminant -> the model's head, and model.enrolment

A classifier of clips from which their speakers' whole means were taken out has never met a mean of two clips, and loses
by it. This one learns from enrolments of none, one, two, four, ... clips. Only the embedding's mean is a speaker's; its
deviation stays the training speech's.
"""

from typing import Any

from ser_tl.cache.pooled import find_reduction
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import DiscriminantFit, fit_discriminant
from ser_tl.modules.enrolment import fit_prior, simulate_enrolments
from ser_tl.modules.feature_norm import NormTable, SpeakerPrior
from ser_tl.training.part import PARTS, Training
from ser_tl.training.parts.refit import EmbeddedClips, Refit


@PARTS.register("enrolment")
class EnrolmentRefit(Refit):
    """A discriminant of training speakers who are enrolled with few clips, if `train.refit` says so."""

    kinds = ("enrolment",)
    perturbs = False  # changed clips would lack the enrolments that the others were made with

    def __init__(self) -> None:
        super().__init__()
        self.prior: SpeakerPrior | None = None
        self.seed = 0

    def check(self, training: Training) -> None:
        """Refuses models that take no speaker's statistics, and poolings that theirs don't pass through."""
        super().check(training)
        if self.kind == "none":
            return
        model = training.model
        if model.config.statistics != "speaker":
            raise ConfigError(
                f"{self.requested_by}, which is for models that take a speaker's own statistics, and model.statistics "
                f"is {model.config.statistics}: choose model.statistics speaker, or train.refit discriminant"
            )
        if find_reduction(model) is None or model.dimensions:
            raise ConfigError(
                f"{self.requested_by}, which takes a speaker's mean out of the pooled states, and this model has "
                f"weights before the pooling, in it ({model.pooling_name}), or a head of dimensions: choose pooling "
                f"stats or mean, model.join concat, no model.projection, model.network or model.fusion, and no "
                f"dimensions"
            )
        self.seed = training.seed

    def norms(self, training: Training) -> NormTable | None:  # noqa: ARG002
        """None: embeddings are normalised by the training speech."""
        return None

    def transform(self, rows: EmbeddedClips) -> EmbeddedClips:
        """The clips as if their speakers had been enrolled with a few of them."""
        classes = int(rows.labels.max()) + 1
        self.prior = fit_prior(rows.embedding, rows.speakers, labels=rows.labels, classes=classes)
        return rows._replace(embedding=simulate_enrolments(rows.embedding, rows.speakers, self.prior, self.seed))

    def fit(self, model: EmotionModel, rows: EmbeddedClips) -> DiscriminantFit:
        """The discriminant of all of them."""
        embedding, labels, speakers, weights, _ = rows
        return fit_discriminant(embedding, labels, speakers, len(model.labels), weights=weights)

    def finish(self, training: Training) -> None:
        """Replaces the head, and says how the model believes an enrolment."""
        super().finish(training)
        if self.prior is not None:
            training.model.enrolment = self.prior.to(training.model.device)

    @property
    def facts(self) -> dict[str, Any]:
        """What the discriminant chose, and how many clips the training speech's mean counts as."""
        return {} if self.prior is None else {"refit": self.scores | {"enrolment_prior": self.prior.clips}}
