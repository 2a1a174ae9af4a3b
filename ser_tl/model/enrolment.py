"""The statistics of an enrolled speaker, in the place of the training speech's, and the model of such a speaker alone.

mean (E,) of the speaker's embeddings, clips --enrolled_norm--> SpeakerNorm, an argument of the model
--personalise--> a model for that speaker alone
"""

import copy
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from ser_tl.errors import ConfigError
from ser_tl.modules.feature_norm import FeatureNorm, SpeakerNorm, SpeakerPrior, Statistics

if TYPE_CHECKING:
    from ser_tl.model.network import EmotionNetwork

ModelT = TypeVar("ModelT", bound="EmotionNetwork")


def enrolled_norm(model: "EmotionNetwork", mean: Tensor, clips: int) -> SpeakerNorm:
    """The statistics of one enrolled speaker, in the place of the training speech's.

    Args:
        model: trained for enrolled speakers
        mean: (E,) of the speaker's embeddings, as the model normalises them by the training speech
        clips: how many these were

    Raises:
        ConfigError: the model wasn't trained for them
    """
    prior, states, embedding = check_enrolment(model)
    taken = prior(mean.to(embedding.mean)[None], torch.tensor([clips], device=embedding.mean.device))[0]
    shifted = Statistics(embedding.mean + embedding.deviation * taken, embedding.deviation)
    return SpeakerNorm(Statistics(states.mean, states.deviation), shifted)


def personalise(model: ModelT, mean: Tensor, clips: int) -> ModelT:
    """The model of one enrolled speaker: to export, serve and stream as any other, and wrong for all other speakers.

    Args:
        model: trained for enrolled speakers; stays as it is
        mean: (E,) as for `enrolled_norm`
        clips: likewise

    Raises:
        ConfigError: the model wasn't trained for them
    """
    norm, personal = enrolled_norm(model, mean, clips), copy.deepcopy(model)
    with torch.no_grad():
        check_enrolment(personal)[2].mean.copy_(norm.embedding.mean)
    personal.enrolment, personal.config = None, replace(personal.config, statistics="training")
    return personal


def check_enrolment(model: "EmotionNetwork") -> tuple[SpeakerPrior, FeatureNorm, FeatureNorm]:
    """The prior of a model trained for enrolled speakers, and its normalisations of states and embeddings.

    Raises:
        ConfigError: the model wasn't trained for them
    """
    states, embedding = model.standardise_states, model.standardise_embedding
    if model.enrolment is None or states is None or embedding is None:
        raise ConfigError(
            f"speaker: this model wasn't trained for enrolled speakers (its model.statistics is "
            f"{model.config.statistics}): train one with model.statistics speaker, pooling stats and train.refit "
            f"enrolment, or leave the speaker out"
        )
    return model.enrolment, states, embedding


def embedding_digest(model: "EmotionNetwork") -> str:
    """16 hexadecimal digits that tell models apart whose embeddings mean something else.

    Raises:
        ConfigError: the model wasn't trained for enrolled speakers
    """
    _, states, embedding = check_enrolment(model)
    digest = hashlib.blake2b(digest_size=8)
    for part in (states.mean, states.deviation, embedding.mean, embedding.deviation):
        digest.update(part.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
