"""The output of a distillation: the student in transformers' layout, its card, its log and its picture.

    folder/ config.json, model.safetensors, preprocessor_config.json   what transformers and `load_encoder` load
            README.md                                                  the card
            config.yaml, log.jsonl, curves.png, probe/                 how it came about, and the probe's report

It trains nothing.
"""

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ser_tl.distill.crop_sampler import CropSampler
from ser_tl.distill.students import save_student
from ser_tl.distill.trainer import EncoderDistiller
from ser_tl.encoders import count_parameters
from ser_tl.evaluation import Report
from ser_tl.files import write_text
from ser_tl.reporting.text import score_text

CARD_FILE = "README.md"
PROBE_FOLDER = "probe"


def finish_distillation(
    distiller: EncoderDistiller, recordings: CropSampler, report: Report | None, options: Mapping[str, Any]
) -> Path:
    """Writes student, card and the probe's report into the distiller's folder.

    Args:
        distiller: whose training has ended
        recordings: its training audio
        report: the probe's; None if there was none
        options: of the run, as config.yaml has them

    Returns:
        The folder.
    """
    folder, config = distiller.folder, distiller.config
    save_student(distiller.student, folder, getattr(torch, config.dtype))
    if report is not None:
        report.save(folder / PROBE_FOLDER)
    write_text(folder / CARD_FILE, _card(distiller, recordings, report, options))
    return folder


def _card(
    distiller: EncoderDistiller, recordings: CropSampler, report: Report | None, options: Mapping[str, Any]
) -> str:
    config, student, loss = distiller.config, distiller.student, distiller.loss
    last = next((record for record in reversed(distiller.history) if "cosines" in record), {"cosines": {}})
    speed = [record["audio_seconds_per_second"] for record in distiller.history if "audio_seconds_per_second" in record]
    architecture = student.model.config
    licence = config.licence or "not stated (option distill.licence)"
    hours = distiller.step * config.batch * config.crop / 3600
    crops, each = f"{config.crop:g}", f"{config.batch} crops"
    if config.shortest is not None:
        crops, each = f"{config.shortest:g} to {crops}", f"{config.batch * config.crop:g} s"
    pairs_text = ", ".join(f"{pair.teacher} by {pair.student}" for pair in loss.pairs)
    cosines = ", ".join(f"{layer}: {value:.3f}" for layer, value in last["cosines"].items())
    facts = {
        "Teacher": f"{options['teacher']} ({distiller.teacher.family}), its states {pairs_text} of the student",
        "Student": f"{student.family}, {count_parameters([student]) / 1e6:.2f} M parameters, "
        f"{architecture.num_hidden_layers} layers of {architecture.hidden_size}; started from {options['student']}"
        + (", its layers from the teacher's" if config.initial == "teacher" else ""),
        "Audio": f"{recordings.seconds / 3600:.2f} h without labels, from "
        f"{options['audio'] or options['corpus']}; {hours:.1f} h of crops of {crops} s were used",
        "Loss": f"L1 - {config.cosine:g} log sigmoid(cosine), {config.targets} targets, {config.heads} heads (Chang et "
        f"al. 2022, equation 1)",
        "Training": f"{distiller.step} steps of {each} in {distiller.seconds / 60:.1f} minutes; AdamW, "
        f"peak rate {config.learning_rate:g}, {distiller.accelerator.mixed_precision} autocast"
        + (f", {sum(speed) / len(speed):.0f} s of audio a second" if speed else ""),
        "Machine": f"{distiller.accelerator.device.type}, {torch.get_num_threads()} threads, {platform.machine()}, "
        f"torch {torch.__version__}",
        "Cosine with the teacher in the end": cosines or "not measured",
        "Linear probe": "none" if report is None else f"{score_text(report)} ({report.title})",
        "Weights": config.dtype,
        "Licence": licence,
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    code = 'model = Wav2Vec2Model.from_pretrained("this/folder")' if student.family == "wav2vec2" else ""
    imported = "Wav2Vec2Model" if code else "AutoModel"
    code = code or 'model = AutoModel.from_pretrained("this/folder")'
    header = (
        f"---\nlibrary_name: transformers\npipeline_tag: feature-extraction\n"
        f"license: {json.dumps(config.licence or 'other')}\n---\n"
    )
    return (
        f"{header}\n# {distiller.folder.name}: a {student.family} encoder, distilled with ser_tl\n\n"
        f"It encodes 16 kHz audio{', each clip at zero mean and unit variance,' if student.normalise else ''} into "
        f"{student.frame_rate:.0f} frames a second.\n\n"
        f"| | |\n|---|---|\n{rows}\n\n"
        f"```python\nfrom transformers import {imported}\n\n{code}\n```\n\n"
        f"In ser_tl: `ser-tl train --encoder this/folder`. The options of the training are in config.yaml, its log in "
        f"log.jsonl; `accelerate launch recipes/distill_encoder.py --config config.yaml --output NEW` repeats it.\n\n"
        f"![loss and cosine by layer](curves.png)\n"
    )
