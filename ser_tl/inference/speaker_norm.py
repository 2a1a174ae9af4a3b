"""Speaker normalisation: the mean and deviation of each speaker's, or each corpus', own features, without labels.

    all clips of a speaker -> encoder -> mean, deviation of its states -> pooling -> mean, deviation of its embeddings

All clips of a speaker are needed together, so this is adaptation by what is to be judged itself (transductive, as the
literature has it): honest as long as no label is looked at, and a report says so.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from datasets import Dataset
from torch import Tensor

from ser_tl.data.batching import Batch, Clips
from ser_tl.data.speakers import UNKNOWN
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import Pass, batch_norm, pool_batch, run_clips
from ser_tl.inference.moments import state_moments
from ser_tl.model import EmotionModel
from ser_tl.model.enrolment import enrolled_norm
from ser_tl.modules.feature_norm import Moments, NormTable, Statistics

FEWEST_CLIPS = 8
"""Of a speaker: the deviation of fewer embeddings says little."""


def measure_norms(model: EmotionModel, clip_sets: Sequence[Clips], how: Pass) -> NormTable:
    """The statistics of the speakers or corpora that clips are of. Every process calls it and gets the same.

    Args:
        model: on the processes' device
        clip_sets: all clips of them, as they are in evaluation; `Clip.domain` names the speaker or corpus
        how: the processes, and the size of batches
    """
    table = NormTable()
    if model.standardise_states is None or model.standardise_embedding is None:
        return table
    if model.enrolment is not None:
        return _measure_enrolled(model, clip_sets, how)

    def states(batch: Batch) -> list[Moments]:
        return state_moments(model, batch)

    def embeddings(batch: Batch) -> list[Moments]:
        pooled = pool_batch(model, batch, batch_norm(model, batch, table))
        return [Moments.from_rows(row[None]) for row in pooled]  # of (1, E)

    table.states.update(_measure(model, clip_sets, states, how))
    table.embedding.update(_measure(model, clip_sets, embeddings, how))
    return table


def _measure_enrolled(model: EmotionModel, clip_sets: Sequence[Clips], how: Pass) -> NormTable:
    """The same for a model that was trained for enrolled speakers: each is enrolled with all clips there are."""
    device, table = how.processes.device, NormTable()

    def embeddings(batch: Batch) -> list[Moments]:
        return [Moments.from_rows(row[None]) for row in model.normalize_embedding(pool_batch(model, batch))]

    for name, moments in _sum_moments(model, clip_sets, embeddings, how).items():
        norm = enrolled_norm(model, (moments.total / moments.count).to(device), int(moments.count))
        table.states[name], table.embedding[name] = norm
    return table


def check_norms(statistics: str, names: Sequence[str], fewest: int | None = None) -> None:
    """Refuses unknown speakers, and speakers or corpora with too few utterances to take statistics of.

    Args:
        statistics: `ModelConfig.statistics`
        names: the speaker or corpus of each utterance
        fewest: utterances of each; as many as statistics take if None

    Raises:
        ConfigError: one has too few of them, or is an unknown speaker
    """
    fewest = FEWEST_CLIPS if fewest is None else fewest
    if statistics == "speaker" and UNKNOWN in names:
        raise ConfigError(
            "model.statistics is speaker, but the speakers of some utterances are unknown: choose model.statistics "
            "corpus or training"
        )
    few = sorted(f"{name} ({count})" for name, count in Counter(names).items() if count < fewest)
    if few:
        raise ConfigError(
            f"model.statistics is {statistics}, which takes at least {fewest} utterances of each; there are "
            f"fewer of {', '.join(few[:10])}: leave these out, or choose corpus or training"
        )


def describe_norm(statistics: str, test: Dataset) -> str:
    """What a report has to say when test clips are normalised by statistics of their own.

    Args:
        statistics: `ModelConfig.statistics`
        test: what is evaluated
    """
    names = len(set(test[statistics][:]))
    return (
        f"Adapted without labels: test clips are standardised by the mean and deviation of their own {statistics} "
        f"(model.statistics {statistics}), {names} of them with {len(test) / names:.0f} clips on average; a "
        f"single clip of a new {statistics} would have none."
    )


def _measure(
    model: EmotionModel, clip_sets: Sequence[Clips], moments_of: Callable[[Batch], list[Moments]], how: Pass
) -> dict[str, Statistics]:
    """Mean and deviation by name. A table can be updated with them only when all are there: they are read meanwhile."""
    device = how.processes.device
    return {
        name: Statistics(*(tensor.to(device) for tensor in moments.statistics()))
        for name, moments in _sum_moments(model, clip_sets, moments_of, how).items()
    }


def _sum_moments(
    model: EmotionModel, clip_sets: Sequence[Clips], moments_of: Callable[[Batch], list[Moments]], how: Pass
) -> dict[str, Moments]:
    """The moments of all clips of each name."""
    local_moments: dict[str, Moments] = {}
    for clips in clip_sets:
        for _, batch, moments in run_clips([model], clips, moments_of, how):
            for name, clip_moments in zip(batch.domains, moments, strict=True):
                local_moments[name] = local_moments[name].add(clip_moments) if name in local_moments else clip_moments
    local_sums: list[tuple[str, list[Tensor]]] = [
        (name, [tensor.cpu() for tensor in moments]) for name, moments in local_moments.items()
    ]
    totals: dict[str, Moments] = {}
    for name, sums in sorted(how.processes.gather(local_sums), key=lambda item: item[0]):
        clip_moments = Moments(*sums)
        totals[name] = totals[name].add(clip_moments) if name in totals else clip_moments
    return totals
