"""What a training leaves when it has ended: model, card, history, curves, report, and a push.

Trainer, Report --finish()--> FOLDER/model, history.json, training_curves.png, report.json
Trainer, Report of the splits --finish_final()--> FOLDER/model, its card with an estimate, and no report
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ser_tl.card import write_card
from ser_tl.evaluation import Report
from ser_tl.files import write_text
from ser_tl.model.serialization import ADAPTER, write_remote
from ser_tl.options import Options
from ser_tl.publish import Publisher
from ser_tl.reporting import write_report
from ser_tl.reporting.plots import training_curves
from ser_tl.reporting.text import score_text
from ser_tl.resume import CONFIG_FILE
from ser_tl.training.trainer import Trainer

HISTORY_FILE = "history.json"


def make_publisher(options: Options, folder: Path) -> list[Publisher]:
    """The publisher of each best epoch of a training, for `Trainer(parts=...)`; empty without `push_to_hub`.

    Args:
        options: of the run
        folder: of the training: the run's, or a fold's in it
    """
    if options.push_to_hub is None:
        return []
    return [Publisher(options.push_to_hub, folder, fold=fold_of(folder))]


def run_of(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The run that a training's folder belongs to, and its options; none for a training outside of a run."""
    for candidate in [folder, *folder.parents][:4]:  # RUN/01/seed_0/fold_1: of a compared system, of a seed, of a fold
        if (candidate / CONFIG_FILE).is_file():
            options = yaml.safe_load((candidate / CONFIG_FILE).read_text(encoding="utf-8"))
            if isinstance(options, dict) and "push_to_hub" in options:  # else another program's
                return candidate, options
    return None, {}


def fold_of(folder: Path) -> str:
    """The path of a training's folder in its run's: `fold_1`; empty for the run's own, and outside of a run."""
    root, _ = run_of(folder)
    return "" if root is None or folder == root else folder.relative_to(root).as_posix()


def finish(trainer: Trainer, report: Report, folder: Path) -> Report:
    """Writes model, card, report, history and curves of one split, then deletes its training states.

    With `push_to_hub` the model goes there first. The report comes last: where it is, everything is.
    """
    if trainer.accelerator.is_main_process:
        _write_history(trainer, folder)
        _write_model(trainer, folder, f"{report.title}: {score_text(report)}", report=report)
        write_report(report, folder, pictures=folder / "model")  # as it is in the card
    trainer.accelerator.wait_for_everyone()
    trainer.clear_states()
    return report


def describe_adapter(report: Report, folder: Path) -> Report:
    """A report that also says how many weights were trained, and how large the adapter's file is.

    Args:
        report: of the split
        folder: of the training; the adapter is in adapter/, as `save_adapter` writes it
    """
    file = folder / "adapter" / ADAPTER.weights
    size, trained = file.stat().st_size, report.facts["trainable_parameters"]
    note = f"{trained} of {report.facts['parameters']} parameters were trained; {file.name} has {size / 1e6:.2f} MB"
    return replace(report, notes=[*report.notes, note], facts={**report.facts, "adapter_bytes": size})


def finish_final(trainer: Trainer, estimate: Report, folder: Path) -> None:
    """Writes model, card, history and curves of a model that was trained on all speakers. The card comes last.

    Args:
        trainer: trained
        estimate: of the run's splits, whose test speakers this model was trained on
        folder: of the training, in the run's
    """
    if trainer.accelerator.is_main_process:
        _write_history(trainer, folder)
        message = f"Trained on all speakers; the held-out speakers of the same run gave {score_text(estimate)}"
        _write_model(trainer, folder, message, estimate=estimate, facts=trainer.facts)
    trainer.accelerator.wait_for_everyone()
    trainer.clear_states()


def _write_history(trainer: Trainer, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / HISTORY_FILE, json.dumps(trainer.history, indent=1) + "\n")
    if trainer.history:  # a classifier fitted in closed form has no epochs
        training_curves(trainer.history, folder / "training_curves.png")


def _write_model(trainer: Trainer, folder: Path, message: str, **scores: Any) -> None:  # noqa: ANN401 - the card's
    """Writes the model and its card, and pushes them where the run asks for it."""
    _, options = run_of(folder)
    publisher = trainer.part(Publisher)
    if publisher is None and options.get("push_to_hub"):
        publisher = Publisher(options["push_to_hub"], folder, fold=fold_of(folder))
    trainer.model.save_pretrained(folder / "model")
    write_remote(folder / "model")
    write_card(folder / "model", repo="" if publisher is None else publisher.address, options=options, **scores)
    if publisher is not None:
        publisher.push(folder / "model", message)
