"""The epochs of a training: steps, the dev part's scores, the best epoch, and training states.

    Training with its clips -> EpochRunner -> each epoch: strategy, steps, dev scores, training state
      -> Progress, and the model has the weights of the epoch that is kept

It never sees a test set, and uses parts by their contract only.
"""

from functools import partial
from typing import Any

from ser_tl.encoders import is_frozen
from ser_tl.errors import CheckpointError
from ser_tl.evaluation import Scores, confusion_matrix
from ser_tl.inference.bars import write_line
from ser_tl.inference.scoring import score_clips
from ser_tl.terminal import is_quiet
from ser_tl.training.checkpoint import TrainingStates
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.training.facts import count_trainable
from ser_tl.training.normalization import fit_statistics, measure_domains, measure_training_domains
from ser_tl.training.part import Training
from ser_tl.training.progress import Progress, format_dev_scores


def run_epochs(training: Training, states: TrainingStates | None, *, resume: bool) -> Progress:
    """Trains until the last epoch or until dev UAR stalls, then puts the kept epoch's weights back.

    Args:
        training: its strategy prepared and its clips made
        states: training states on disk; None keeps none
        resume: go on from the newest of them

    Raises:
        CheckpointError: the training state can't be used, or is of other labels, audio or encoder weights
        StorageError: the disk is full, or a folder can't be written to
    """
    model, config, processes = training.model, training.config, training.accelerator
    tracked = training.folder is not None and config.tracker != "none"
    steps = EpochRunner(training)
    progress, best = Progress(), None
    loaded = states.load() if resume and states is not None else None
    if loaded is not None:
        progress, best = loaded
    else:
        fit_statistics(model, training.real_clips, training.evaluation, seed=training.seed)
    progress.plan(config)
    if tracked:
        processes.init_trackers("curves")
    while not progress.finished:
        if training.strategy.on_epoch_start(model, progress.history):
            steps.prepare()
        training.features.cache.touch_all()
        if not progress.step:  # a training state holds them
            measure_training_domains(training)
        save = None if states is None else partial(states.save, progress, best)
        steps.run_epoch(training.clips, training.target_clips, progress, save)
        measure_domains(training, (training.dev, training.dev_clips))
        if progress.end_epoch(_record(training, progress, steps) | score_dev(training), config):
            if config.keep == "best":  # the last epoch's weights are where they are in the end
                best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            for part in training.parts if processes.is_main_process else ():
                part.on_best(model, progress.history[-1])
        _track(training, progress, tracked=tracked)
        if states is not None:
            states.save(progress, best)
    if best is not None:
        model.load_state_dict(best)
    elif config.keep == "best" and config.epochs:
        raise CheckpointError("the training state has no best epoch: delete the folder's states and train again")
    if tracked:
        for tracker in processes.trackers:  # not end_training: it ends the process group too
            tracker.finish()
    return progress


def _record(training: Training, progress: Progress, steps: EpochRunner) -> dict[str, Any]:
    model = training.model
    return {
        "train_loss": progress.loss_sum / progress.utterances,
        "learning_rates": steps.rates,
        "moving_blocks": [block.name for block in model.encoder.blocks() if not is_frozen(block.modules)],
        "trainable_parameters": count_trainable(model),
        "steps": progress.step,
        "seconds": progress.seconds,
        "audio_seconds_per_second": progress.audio_seconds / progress.seconds,
    }


def score_dev(training: Training) -> dict[str, float]:
    """The loss and the scores of the dev part, which choose the epoch. Every process calls it and gets the same."""
    clips, norms = training.dev_clips, training.norms
    predictions, loss = score_clips(training.model, training.dev, clips, training.evaluation, norms)
    scores: dict[str, float] = {}
    if predictions.labels:
        dev = Scores.from_confusion(
            confusion_matrix(predictions.references, predictions.predictions, predictions.labels)
        )
        scores |= {"dev_uar": dev.uar, "dev_war": dev.war}
    if predictions.ratings is not None:
        scores["dev_ccc"] = predictions.ratings.mean_ccc
    for part in training.parts:
        loss = part.dev_loss(training, predictions, loss)
    return {"dev_loss": loss} | scores


def _track(training: Training, progress: Progress, *, tracked: bool) -> None:
    record, processes = progress.history[-1], training.accelerator
    if tracked:
        numbers = {name: value for name, value in record.items() if isinstance(value, float)}
        rates = {f"learning_rate/{name}": value for name, value in record["learning_rates"].items()}
        processes.log(numbers | rates, step=record["epoch"])
    if processes.is_main_process and not is_quiet():
        name = f"{training.name}  " if training.name else ""
        write_line(
            f"{name}epoch {record['epoch']:>3}  train loss {record['train_loss']:.3f}  dev loss "
            f"{record['dev_loss']:.3f}  dev {format_dev_scores(record)}{' best' if record['best'] else ''}  "
            f"{record['audio_seconds_per_second']:.0f} audio s/s"
        )
