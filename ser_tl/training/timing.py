"""How long a training will take, measured on a few batches of it.

    Trainer, a sample of its data --time_training()--> Pace, work per second of audio --minutes--> an estimate

The model is trained on the sample, so it is of no use afterwards. Refit, calibration and statistics aren't measured.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Dataset

from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.data.checks import measure_durations
from ser_tl.inference.speaker_norm import measure_norms
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.training.loop import score_dev
from ser_tl.training.normalization import fit_statistics
from ser_tl.training.progress import Progress
from ser_tl.training.trainer import Trainer

_BATCHES = 3


class Pace(NamedTuple):
    """Seconds of work for a second of audio.

    Attributes:
        encode: the layers whose features are cached, once; 0 where none are
        train: in each epoch
        score: whenever a part is scored
    """

    encode: float
    train: float
    score: float


def time_training(
    trainer: Trainer, train: Dataset, dev: Dataset, unlabelled: Dataset | None = None, *, scratch: Path
) -> Pace:
    """Trains on some batches, and measures the time. Every process calls it.

    Args:
        trainer: fresh, and used up by this
        train: of which a sample is trained on
        dev: of which a sample is scored
        unlabelled: clips of the other domain, if any
        scratch: a folder for features, in the place of the cache
    """
    training, config = trainer.training, trainer.config
    wanted = _BATCHES * config.batch_seconds * config.accumulate * trainer.accelerator.num_processes
    parts = [draw_sample(part, wanted, trainer.seed) for part in (train, dev)]
    training.set_data(*parts, None if unlabelled is None else draw_sample(unlabelled, wanted, trainer.seed))
    audio = [sum(measure_durations(part)) for part in parts]
    trainer.features.cache = FeatureCache(scratch, gib=config.cache_gib)
    trainer.strategy.prepare(trainer.model)
    with _measure_seconds() as encoding:
        training.prepare_clips()
    fit_statistics(trainer.model, training.real_clips, training.evaluation, seed=trainer.seed)
    if trainer.model.config.statistics != "training":
        clips = [training.real_clips, training.dev_clips]
        clips += [] if training.unlabelled_clips is None else [training.unlabelled_clips]
        training.norms.update(measure_norms(trainer.model, clips, training.evaluation))
    steps = EpochRunner(training)
    steps.run_epoch(training.clips, training.target_clips, Progress())  # the first steps are slower than the others
    with _measure_seconds() as stepping:
        steps.run_epoch(training.clips, training.target_clips, Progress())
    with _measure_seconds() as scoring:
        score_dev(training)
    encode = encoding[0] / sum(audio) if trainer.features.cacheable_layers else 0.0
    return Pace(encode, stepping[0] / audio[0], scoring[0] / audio[1])


def draw_sample(corpus: Dataset, seconds: float, seed: int) -> Dataset:
    """Rows with at least `seconds` of audio, or all: each emotion in turn, in a random order.

    Args:
        corpus: rows with the columns of `data.schema`
        seconds: of audio
        seed: of the order
    """
    lengths, emotions = measure_durations(corpus), corpus["emotion"][:]
    remaining: dict[str, list[int]] = {}
    for row in np.random.default_rng(seed).permutation(len(corpus)).tolist():
        remaining.setdefault(emotions[row], []).append(row)
    chosen: list[int] = []
    while remaining and sum(lengths[row] for row in chosen) < seconds:
        chosen += [rows.pop() for rows in remaining.values()]
        remaining = {emotion: rows for emotion, rows in remaining.items() if rows}
    return corpus.select(sorted(chosen))


@contextmanager
def _measure_seconds() -> Generator[list[float]]:
    """A list that holds the seconds which the block took."""
    seconds: list[float] = []
    begin = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - begin)
