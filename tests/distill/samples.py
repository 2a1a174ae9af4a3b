"""Tiny teachers and students, audio to teach with, and a distillation of a second."""

from pathlib import Path

import numpy as np
import soundfile
from transformers import Wav2Vec2Config

from ser_tl.augment import AugmentConfig
from ser_tl.distill import CropSampler, DistillConfig, EncoderDistiller, find_recordings
from ser_tl.encoders import SpeechSSL
from ser_tl.training import seed_everything
from tests.encoders.tiny import DIM, tiny

SMALL = {
    "conv_dim": [8, 8],
    "conv_kernel": [400, 2],
    "conv_stride": [160, 2],
    "hidden_size": DIM,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    **dict.fromkeys(("attention_dropout", "activation_dropout", "feat_proj_dropout", "hidden_dropout"), 0.0),
}


def small_student(**changes) -> SpeechSSL:
    """A student of two layers, fit to take two of the tiny Whisper's."""
    seed_everything(1)
    config = Wav2Vec2Config(**(SMALL | changes))
    return SpeechSSL.from_config({"architecture": config.to_diff_dict(), "normalise": True})


def audio_folder(folder: Path, *seconds: float) -> Path:
    """Tones in noise, of these lengths."""
    draw = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number, length in enumerate(seconds):
        times = np.arange(round(16000 * length)) / 16000
        tone = 0.3 * np.sin(2 * np.pi * 200 * (number + 1) * times * (1 + times))
        soundfile.write(folder / f"{number}.wav", tone + 0.05 * draw.standard_normal(len(times)), 16000)
    return folder


def recordings(folder: Path, crop: float = 0.5, memory: float = 1.0) -> CropSampler:
    """Crops of a folder's audio."""
    return CropSampler(find_recordings("", folder=folder), crop, memory)


def distiller(folder: Path, augment: AugmentConfig | None = None, **options) -> EncoderDistiller:
    """A tiny Whisper teaches a tiny wav2vec 2.0."""
    config = DistillConfig(**({"steps": 6, "batch": 2, "crop": 0.5, "precision": "no", "log_every": 2} | options))
    return EncoderDistiller(tiny("whisper"), small_student(), config, folder, augment=augment)
