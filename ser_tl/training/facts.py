"""How a model came about, in facts for its report: parameters, epochs, time, machine."""

import os
import platform
import resource
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from ser_tl.data.schema import SYNTHETIC, real_rows
from ser_tl.model import EmotionModel


def moving_parameters(model: nn.Module) -> int:
    """How many parameters a strategy lets move now."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def what_is_heard(train: Dataset, dev: Dataset) -> dict[str, Any]:
    """The facts of the speech that a model learns from and that chooses its epoch."""
    real = real_rows(train)
    made = len(train) - len(real)
    return {
        "corpora": sorted({*real["corpus"][:], *dev["corpus"][:]}),
        "languages": sorted({*real["language"][:], *dev["language"][:]}),
        "training_utterances": len(real),
        "training_speakers": len(set(real["speaker"][:])),
        "dev_speakers": len(set(dev["speaker"][:])),
        "training_data": _people(real),
    } | ({"synthetic_utterances": made} if made else {})


def _people(corpus: Dataset) -> dict[str, Any]:
    """Utterances and speakers by sex and language, and the span of ages; what the corpus doesn't tell is left out."""
    found: dict[str, Any] = {}
    speakers = corpus["speaker"][:]
    for column in ("sex", "language"):
        if column in corpus.column_names:
            pairs = [pair for pair in zip(corpus[column][:], speakers, strict=True) if pair[0] is not None]
            found[column] = {
                value: {
                    "utterances": sum(one == value for one, _ in pairs),
                    "speakers": len({speaker for one, speaker in pairs if one == value}),
                }
                for value in sorted({one for one, _ in pairs})
            }
    ages = [age for age in corpus["age"][:] if age is not None] if "age" in corpus.column_names else []
    if ages:
        found["age"] = {"youngest": min(ages), "oldest": max(ages), "utterances": len(ages)}
    return found


def synthetic_notes(train: Dataset, *, refit: bool) -> list[str]:
    """A line for the report where synthetic clips were trained on.

    Args:
        train: the training part
        refit: whether the classifier was fitted anew in the end
    """
    made = train["speaker"][:].count(SYNTHETIC)
    if not made:
        return []
    note = f"trained on {made} synthetic clips beside {len(train) - made} real ones; dev and test are real speech"
    return [note + ("; the refitted classifier heard the real ones alone" if refit else "")]


def run_facts(model: EmotionModel, history: list[dict[str, Any]], accelerator: Accelerator) -> dict[str, Any]:
    """The facts of one training.

    Args:
        model: the trained model
        history: one record an epoch, empty for a model that was loaded
        accelerator: whose processes trained it
    """
    return {
        "encoder": model.encoder_name,
        "pooling": model.pooling_name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trainable_parameters": moving_parameters(model),
        "epochs": len(history),
        "best_epoch": next((record["epoch"] for record in history if record["best"]), None),
        "training_seconds": round(sum(record["seconds"] for record in history), 1),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
        "device": str(accelerator.device),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
