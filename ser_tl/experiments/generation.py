"""The options of a WaveGAN's training: `WaveGanTrainer` trains it, `write_synthetic` writes its clips."""

from dataclasses import dataclass, field

from ser_tl.generate import WaveGanConfig
from ser_tl.options import Options


@dataclass(frozen=True)
class WaveGanOptions(Options):
    """The options of the recipe.

    Args:
        wavegan: sizes of the generator, how long it is trained, and how many clips it makes
    """

    wavegan: WaveGanConfig = field(default_factory=WaveGanConfig)
