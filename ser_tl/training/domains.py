"""Each domain's own statistics, measured without labels: what `ModelConfig.statistics` asks for.

    all clips of a domain -> encoder -> mean, deviation of its states -> pooling -> mean, deviation of its embeddings

A domain is a corpus or a speaker. Its clips are needed together, so this is adaptation by what is to be judged itself
(transductive, as the literature has it): honest as long as no label is looked at, and a report says so.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batching import Batch, Clips, plan_batches
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.standardise import Moments, Standardise
from ser_tl.training.config import TrainConfig
from ser_tl.training.processes import own_batches

FEWEST_CLIPS = 8
"""Of a domain: the deviation of fewer embeddings says little."""


@torch.no_grad()
def fit_domains(
    model: EmotionModel, parts: Sequence[Clips], names: Sequence[str], accelerator: Accelerator, config: TrainConfig
) -> None:
    """Sets the statistics of the domains that the clips are of. Every process calls it and gets the same values.

    Args:
        model: on the accelerator's device
        parts: all clips of the domains, as they are in evaluation
        names: the domain of each utterance in them, to be counted
        accelerator: whose processes share the work
        config: batch size and workers

    Raises:
        ConfigError: a domain has too few utterances
    """
    check_domains(model.config.statistics, names)
    training = model.training
    model.eval()
    for module, rows_of in ((model.standardise_states, _states), (model.standardise_embedding, _embeddings)):
        if module is not None:
            _measure(model, module, rows_of, parts, accelerator, config)
    model.train(training)


def check_domains(statistics: str, names: Sequence[str]) -> None:
    """Refuses domains with too few utterances.

    Args:
        statistics: `ModelConfig.statistics`
        names: the domain of each utterance

    Raises:
        ConfigError: a domain has too few of them
    """
    few = sorted(f"{name} ({count})" for name, count in Counter(names).items() if count < FEWEST_CLIPS)
    if few:
        raise ConfigError(
            f"model.statistics is {statistics}, which takes at least {FEWEST_CLIPS} utterances of each; there are "
            f"fewer of {', '.join(few[:10])}: leave these out, or choose corpus or training"
        )


def _states(model: EmotionModel, batch: Batch) -> Iterator[Tensor]:
    hidden = model.states(batch)
    for clip in range(len(batch.ids)):
        yield hidden.states[:, clip, hidden.mask[clip]].transpose(0, 1)[:, :, None, None]  # (frames, L, 1, 1, D)


def _embeddings(model: EmotionModel, batch: Batch) -> Iterator[Tensor]:
    yield from model.pooling(*model.frames(batch))[:, None]  # (1, E) each


def _measure(
    model: EmotionModel,
    module: Standardise,
    rows_of: Callable[[EmotionModel, Batch], Iterator[Tensor]],
    parts: Sequence[Clips],
    accelerator: Accelerator,
    config: TrainConfig,
) -> None:
    own: dict[str, Moments] = {}
    for clips in parts:
        plan = plan_batches(clips.seconds, config.batch_seconds, processes=accelerator.num_processes)
        for batch in own_batches(clips, plan, accelerator, config.workers):
            with accelerator.autocast():
                for name, rows in zip(batch.domains, rows_of(model, batch), strict=True):
                    one = Moments.of(rows)
                    own[name] = own[name].plus(one) if name in own else one
    here = [(name, [part.cpu() for part in moments]) for name, moments in own.items()]
    every: dict[str, Moments] = {}
    for name, sums in sorted(gather_object(here), key=lambda item: item[0]):
        one = Moments(*sums)
        every[name] = every[name].plus(one) if name in every else one
    for name, moments in every.items():
        module.set_domain(name, moments)


def statistics_note(statistics: str, test: Dataset) -> str:
    """What a report has to say when test clips are standardised by statistics of their own.

    Args:
        statistics: `ModelConfig.statistics`
        test: what is evaluated
    """
    domains = len(set(test[statistics][:]))
    return (
        f"Adapted without labels: test clips are standardised by the mean and deviation of their own {statistics} "
        f"(--model.statistics {statistics}), {domains} of them with {len(test) / domains:.0f} clips on average; a "
        f"single clip of a new {statistics} would have none."
    )


class DomainTables:
    """The statistics of all domains as a part of training states: they are of the epoch's beginning.

    Args:
        model: whose domains
    """

    def __init__(self, model: EmotionModel) -> None:
        self._modules = {"states": model.standardise_states, "embedding": model.standardise_embedding}

    def state_dict(self) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
        """Mean and deviation of each domain, of layer states and of embeddings."""
        return {name: module.domains for name, module in self._modules.items() if module is not None}

    def load_state_dict(self, held: dict[str, dict[str, tuple[Tensor, Tensor]]]) -> None:
        """Takes over what `state_dict` gave."""
        for name, module in self._modules.items():
            if module is not None:
                device = module.mean.device
                module.domains = {key: (one.to(device), two.to(device)) for key, (one, two) in held[name].items()}
