"""How a model came about, in facts for its report: parameters, epochs, time, machine."""

import os
import platform
import resource
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from ser_tl.model import EmotionModel


def moving_parameters(model: nn.Module) -> int:
    """How many parameters a strategy lets move now."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def what_is_heard(train: Dataset, dev: Dataset) -> dict[str, Any]:
    """The facts of the speech that a model learns from and that chooses its epoch."""
    return {
        "corpora": sorted({*train["corpus"], *dev["corpus"]}),
        "languages": sorted({*train["language"], *dev["language"]}),
        "training_utterances": len(train),
        "training_speakers": len(set(train["speaker"])),
        "dev_speakers": len(set(dev["speaker"])),
    }


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
