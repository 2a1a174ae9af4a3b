"""A trained generator, with its classes, its sizes and the level of the speech that it learned from.

    emotion, count, seed --WaveGan.sample--> waveforms (count, N)

It is kept in one safetensors file.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ser_tl.augment import BatchRng
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.files import write_atomically
from ser_tl.generate.networks import Generator
from ser_tl.generate.wavegan_config import WaveGanConfig

_BATCH = 64  # clips made at once


class WaveGan:
    """A generator of clips.

    Args:
        config: sizes
        labels: the C classes
        level: what a waveform is multiplied with, so that synthetic clips are as loud as the real ones
        seed: of the random weights it starts with
    """

    def __init__(self, config: WaveGanConfig, labels: list[str], *, level: float = 1.0, seed: int = 0) -> None:
        self.config = config
        self.labels = list(labels)
        self.level = level
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = Generator(config, len(labels))

    @torch.no_grad()
    def sample(self, emotion: str, count: int, seed: int = 0) -> np.ndarray:
        """Clips of a class.

        Args:
            emotion: one of the labels
            count: how many
            seed: the same gives the same clips, and the first of them are the same for any count

        Returns:
            (count, N), float32 in [-1, 1], at the config's rate.

        Raises:
            ConfigError: no such class
        """
        if emotion not in self.labels:
            raise ConfigError(f"{emotion!r} is no class of this generator, which has {', '.join(self.labels)}")
        index = self.labels.index(emotion)
        device = next(self.generator.parameters()).device
        batches = []
        for start in range(0, count, _BATCH):
            latent = BatchRng(seed, index, start).normal(_BATCH, self.config.latent).to(device)
            classes = torch.full((_BATCH,), index, device=device)
            batches.append(self.generator(latent, classes).float().cpu().numpy() * self.level)
        return np.concatenate(batches)[:count].clip(-1.0, 1.0)

    def save(self, path: Path) -> None:
        """Writes weights and everything else into one file."""
        about = {"config": asdict(self.config), "labels": self.labels, "level": self.level}
        weights = {name: tensor.contiguous().cpu() for name, tensor in self.generator.state_dict().items()}
        with write_atomically(path) as temporary:
            save_file(weights, temporary, metadata={"wavegan": json.dumps(about)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged or something else
        """
        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["wavegan"])
                gan = cls(WaveGanConfig(**about["config"]), about["labels"], level=about["level"])
                gan.generator.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{path}: no WaveGAN ({error}): expected the generator.safetensors of a run of recipes/train_wavegan.py"
            ) from error
        return gan
