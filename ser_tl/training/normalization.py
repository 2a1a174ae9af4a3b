"""The statistics that a model normalises features by: mean and deviation of the training speech or of a domain.

before the first step   fit_statistics: the training speech's
in each epoch           measure_domains: each speaker's or corpus', where the model has them
in the end              check_domains: whether these help, on training speakers
"""

from typing import Any

from datasets import Dataset

from ser_tl.data.batching import Clips
from ser_tl.inference.speaker_norm import check_norms, measure_norms
from ser_tl.inference.statistics import fit_statistics as fit_statistics
from ser_tl.training.norm_effect import check_statistics
from ser_tl.training.norm_state import NormState
from ser_tl.training.part import Training


def keep_norms(training: Training) -> None:
    """Makes the domains' statistics, if there are any, a part of training states."""
    if training.model.config.statistics != "training":
        training.accelerator.register_for_checkpointing(NormState(training.norms, training.accelerator.device))


def measure_training_domains(training: Training, *, dev: bool = False) -> None:
    """Measures the statistics of the speakers or corpora that are trained on, with or without labels.

    Args:
        training: its clips are made
        dev: those of the dev part as well, together with the others where they are of one corpus
    """
    pairs = [(training.real, training.real_clips)]
    if training.unlabelled is not None and training.unlabelled_clips is not None:
        pairs.append((training.unlabelled, training.unlabelled_clips))
    measure_domains(training, *pairs, *([(training.dev, training.dev_clips)] if dev else []))


def measure_domains(training: Training, *pairs: tuple[Dataset, Clips]) -> None:
    """Measures the statistics of the speakers or corpora of some corpora, if the model normalises by them."""
    statistics = training.model.config.statistics
    if statistics != "training":
        check_norms(statistics, [name for corpus, _ in pairs for name in corpus[statistics][:]])
        training.norms.update(measure_norms(training.model, [clips for _, clips in pairs], training.evaluation))


def check_domains(training: Training) -> tuple[dict[str, Any], list[str]]:
    """Facts and notes on whether the domains' own statistics help. Every process calls it and gets the same."""
    pairs = [(training.real, training.real_clips), (training.dev, training.dev_clips)]
    return check_statistics(training.model, pairs, training.evaluation, seed=training.seed)
