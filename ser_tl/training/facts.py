"""How a model came about, in facts for its report: parameters, epochs, time, machine."""

import os
import platform
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from ser_tl.data.schema import SYNTHETIC, real_rows
from ser_tl.model import EmotionModel
from ser_tl.runtime.peak_memory import measure_peak_memory


def count_trainable(model: nn.Module) -> int:
    """The number of parameters that are trainable now."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def collect_data_facts(train: Dataset, dev: Dataset) -> dict[str, Any]:
    """The facts of the training and dev speech."""
    real = real_rows(train)
    synthetic = len(train) - len(real)
    return {
        "corpora": sorted({*real["corpus"][:], *dev["corpus"][:]}),
        "languages": sorted({*real["language"][:], *dev["language"][:]}),
        "training_utterances": len(real),
        "training_speakers": len(set(real["speaker"][:])),
        "dev_speakers": len(set(dev["speaker"][:])),
        "training_data": _summarize_speakers(real),
    } | ({"synthetic_utterances": synthetic} if synthetic else {})


def _summarize_speakers(corpus: Dataset) -> dict[str, Any]:
    """Utterances and speakers by sex and language, and the span of ages; what the corpus doesn't have is left out."""
    summary: dict[str, Any] = {}
    speakers = corpus["speaker"][:]
    for column in ("sex", "language"):
        if column in corpus.column_names:
            pairs = [pair for pair in zip(corpus[column][:], speakers, strict=True) if pair[0] is not None]
            summary[column] = {
                value: {
                    "utterances": sum(entry == value for entry, _ in pairs),
                    "speakers": len({speaker for entry, speaker in pairs if entry == value}),
                }
                for value in sorted({entry for entry, _ in pairs})
            }
    ages = [age for age in corpus["age"][:] if age is not None] if "age" in corpus.column_names else []
    if ages:
        summary["age"] = {"youngest": min(ages), "oldest": max(ages), "utterances": len(ages)}
    return summary


def describe_synthetic(train: Dataset, *, refit: bool) -> list[str]:
    """A line for the report where synthetic clips were trained on.

    Args:
        train: the training part
        refit: whether the classifier was refitted in the end
    """
    count = train["speaker"][:].count(SYNTHETIC)
    if not count:
        return []
    note = f"trained on {count} synthetic clips beside {len(train) - count} real ones; dev and test are real speech"
    return [note + ("; the refitted classifier was fitted to the real ones alone" if refit else "")]


def collect_run_facts(model: EmotionModel, history: list[dict[str, Any]], accelerator: Accelerator) -> dict[str, Any]:
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
        "trainable_parameters": count_trainable(model),
        "epochs": len(history),
        "best_epoch": next((record["epoch"] for record in history if record["best"]), None),
        "training_seconds": round(sum(record["seconds"] for record in history), 1),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
        "device": str(accelerator.device),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "peak_memory_mib": measure_peak_memory(),
    }
