"""The refit: the classifier in closed form, on all training and dev speakers.

    train + dev -> model -> embeddings, gathered over the processes -> discriminant -> the model's head

The epoch is chosen on dev speakers and stays; after that they can be trained on too, and with twenty speakers two more
are worth having. The discriminant's own options are chosen on training speakers held out in turn, with all views of
their clips where there are views: these then share the weight of the clip that they are of.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from datasets import Dataset, concatenate_datasets
from torch import Tensor

from ser_tl.cache.cached import AllViews, CachedClips
from ser_tl.data.batching import Clips
from ser_tl.data.corpus_balance import weigh_corpora
from ser_tl.errors import ConfigError
from ser_tl.inference.calibration import Method
from ser_tl.inference.clips import CollectedValues, Pass, collect_clips, embed_batch
from ser_tl.inference.refit_calibration import calibrate_refit, embed_changed
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import DiscriminantFit, fit_discriminant
from ser_tl.modules.feature_norm import NormTable
from ser_tl.training.compatibility import check_refit
from ser_tl.training.normalization import measure_training_domains
from ser_tl.training.part import PARTS, Part, Training


class EmbeddedClips(NamedTuple):
    """The clips that a discriminant is fitted to.

    Attributes:
        embedding: (n, E), in the order of the utterances' names
        labels: (n,) class indices
        speakers: n names
        weights: (n,) how much each clip counts
        target: (m, E) of the unlabelled clips; None where there are none
    """

    embedding: Tensor
    labels: Tensor
    speakers: list[str]
    weights: Tensor
    target: Tensor | None


def refit_discriminant(
    model: EmotionModel,
    train: Clips,
    dev: Clips,
    speaker_of: dict[str, str],
    unlabelled: Clips | None,
    how: Pass,
    *,
    fit: Callable[[EmbeddedClips], DiscriminantFit],
    transform: Callable[[EmbeddedClips], EmbeddedClips] = lambda rows: rows,
    norms: NormTable | None = None,
    views: Clips | None = None,
    calibration: Method | None = None,
    corpus: Dataset | None = None,
    layers: Sequence[Tensor] = (),
    weight_of: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Replaces the model's head. Every process calls it and gets the same head.

    Args:
        model: with the weights of the best epoch
        train: its clips as they are in evaluation
        dev: likewise
        speaker_of: utterance id to speaker
        unlabelled: clips of another domain that are embedded as well; None for none
        how: the processes, and the size of batches
        fit: from embeddings to a discriminant
        transform: what becomes of the embeddings before that, and before calibration
        norms: statistics of the speakers or corpora that clips are of
        views: all augmented views of train's clips, which are used besides; None for none
        calibration: how its probabilities are calibrated; None for not at all
        corpus: train's and dev's rows, changed clips of which tell how sure to be of clips unlike them; None for none
        layers: channels of the embedding that have a discriminant of their own; all in one if empty
        weight_of: utterance id to how much it counts; all alike if None

    Returns:
        For the record: shrinkage, temperature, and the UAR over the held-out training speakers.

    Raises:
        ConfigError: too few speakers to hold one out, or mixed layers where each is to have a discriminant
    """

    def embed(clips: Clips) -> CollectedValues:
        return collect_clips([model], clips, lambda batch: embed_batch(model, batch, norms), how)

    parts = [embed(clips) for clips in ([train, dev] if views is None else [train, dev, views])]
    rows = [(name, part, row) for part, fitted in enumerate(parts) for row, name in enumerate(fitted.ids)]
    rows.sort(key=lambda row: row[0])  # one order, whichever part a clip is in
    embedding = torch.stack([torch.from_numpy(parts[part].values[row]) for _, part, row in rows])
    labels = torch.tensor([int(parts[part].labels[row]) for _, part, row in rows])
    speakers = [speaker_of[name] for name, _, _ in rows]
    share = 1.0 if views is None else len(train) / (len(train) + len(views))
    weights = torch.tensor([share, 1.0, share])[[part for _, part, _ in rows]]
    if weight_of is not None:
        weights = weights * torch.tensor([weight_of[name] for name, _, _ in rows])
    target = None if unlabelled is None else _sort_by_id(embed(unlabelled))
    transformed = transform(EmbeddedClips(embedding, labels, speakers, weights, target))
    fitted = fit(transformed)
    model.replace_head(fitted.discriminant)
    if calibration is not None:
        ids, real = [name for name, _, _ in rows], [row for row, (_, part, _) in enumerate(rows) if part < 2]
        changed = None if corpus is None else embed_changed(model, corpus, how, norms)
        calibrate_refit(
            model, fitted, transformed.embedding, labels, ids, speakers, real, method=calibration, changed=changed,
            channel_groups=layers,
        )  # fmt: skip
    return {"shrinkage": fitted.shrinkage, "temperature": fitted.temperature, "held_out_uar": fitted.uar}


def _sort_by_id(collected: CollectedValues) -> Tensor:
    """Values (n, ...) in the order of the utterances' names, in which they are whatever the batches were."""
    order = sorted(range(len(collected.ids)), key=collected.ids.__getitem__)
    return torch.from_numpy(collected.values[order])


@PARTS.register("refit")
class Refit(Part):
    """A discriminant of the embedding, or one for each layer, if `train.refit` says so."""

    order = 90
    kinds = ("discriminant", "layer-discriminants")
    perturbs = True  # changed clips tell how sure to be far from the training data
    uses_unlabelled = False

    def __init__(self) -> None:
        self.kind = "none"
        self.scores: dict[str, float] = {}

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"train.refit is {self.kind}"

    def bind(self, training: Training) -> None:
        """Takes the training's option, if it is one of this part's."""
        self.kind = training.refit if training.refit in self.kinds else "none"

    def check(self, training: Training) -> None:
        """Refuses a refit of no emotions, of layers that are mixed, and where speakers can't be held out in turn."""
        self.bind(training)  # `auto` is known with the data
        if self.kind == "none":
            return
        if not training.model.labels:
            raise ConfigError(
                f"{self.requested_by}, which is about the head of emotions, and dimensions.weight 1 learns "
                f"none: leave it out, or take a lower weight"
            )
        if self.kind == "layer-discriminants":
            training.model.layer_channels()  # raises now rather than after the training
        check_refit(training.config, training.real, training.dev)

    def norms(self, training: Training) -> NormTable | None:
        """Statistics of the speakers or corpora that clips are normalised by; None for the training speech's."""
        measure_training_domains(training, dev=True)
        return training.norms

    def transform(self, rows: EmbeddedClips) -> EmbeddedClips:
        """What the discriminant is fitted to: the embeddings as they are."""
        return rows

    def fit(self, model: EmotionModel, rows: EmbeddedClips) -> DiscriminantFit:
        """The discriminant of training and dev speakers."""
        layers = self._layers(model)
        embedding, labels, speakers, weights, _ = rows
        return fit_discriminant(embedding, labels, speakers, len(model.labels), layers, weights=weights)

    def _layers(self, model: EmotionModel) -> list[Tensor]:
        return model.layer_channels() if self.kind == "layer-discriminants" else []

    def finish(self, training: Training) -> None:
        """Replaces the head."""
        if self.kind == "none":
            return
        model, real, dev = training.model, training.real, training.dev
        norms = self.norms(training)
        ids, speakers = ([*real[name][:], *dev[name][:]] for name in ("id", "speaker"))
        natural = training.natural_clips
        has_views = training.views is not None and isinstance(natural, CachedClips)
        self.scores = refit_discriminant(
            model,
            training.real_clips,
            training.dev_clips,
            dict(zip(ids, speakers, strict=True)),
            training.unlabelled_clips if self.uses_unlabelled else None,
            training.evaluation,
            fit=lambda rows: self.fit(model, rows),
            transform=self.transform,
            norms=norms,
            weight_of=self._weigh(training),
            calibration=None if training.config.calibration == "none" else training.config.calibration,
            corpus=concatenate_datasets([real, dev]) if self.perturbs else None,
            layers=self._layers(model),
            views=AllViews(natural, real["id"][:]) if has_views and isinstance(natural, CachedClips) else None,
        )

    def _weigh(self, training: Training) -> dict[str, float] | None:
        """The weight of each clip where corpora are balanced; None where not."""
        if not any(part.balances_corpora for part in training.parts):
            return None
        columns = ([*training.real[name][:], *training.dev[name][:]] for name in ("id", "emotion", "corpus"))
        ids, emotions, corpora = columns
        return dict(zip(ids, weigh_corpora(emotions, corpora).tolist(), strict=True))

    @property
    def facts(self) -> dict[str, Any]:
        """The discriminant's shrinkage and temperature, and its UAR over held-out speakers."""
        return {"refit": self.scores} if self.scores else {}
