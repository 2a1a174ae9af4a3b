"""The options of a WaveGAN, checked where they enter."""

from dataclasses import dataclass

from ser_tl.errors import ConfigError

FRAMES = 16
"""Frames that the generator starts from and the critic ends with (Donahue et al. 2019, tables 3 and 4)."""

STRIDE = 4

CHANGEABLE = ("steps", "minutes", "log_every", "save_every", "clips")
"""Options that may have other values when a training is resumed: its weights depend on none of them."""

_MINUTES = 0.5  # where neither steps nor minutes are given: enough to see that all works


@dataclass(frozen=True)
class WaveGanConfig:
    """Architecture, training and output of a WaveGAN.

    The paper has a width of 64, batches of 64 and 200 000 steps, which takes a GPU; the defaults are for two cores.

    Args:
        samples: samples per clip, N: 16 times a power of 4, or twice that; 16384 is about a second at 16 kHz
        rate: samples a second of the clips; below 16000 they cover more time, and lack what is above half of it
        width: channels of the critic's first layer; each further one has twice as many
        latent: dimensions of the latent vector
        class_channels: width of a class' embedding beside them
        phase_shuffle: most samples by which the critic's activations are moved; 0 switches it off
        batch: clips per step and process
        critic_steps: steps of the critic per step of the generator
        penalty: weight of the gradient penalty
        learning_rate: Adam's learning rate, of both networks
        ema: decay of the averaged generator that makes the clips; 0 takes the trained one itself
        steps: steps of the generator after which training ends
        minutes: minutes after which training ends, over all resumed runs; with `steps`, whichever is first. 0.5 without
            both
        log_every: steps per line of the log
        save_every: steps between training states on disk, each with a sample sheet
        clips: synthetic clips of each class
    """

    samples: int = 16_384
    rate: int = 16_000
    width: int = 8
    latent: int = 100
    class_channels: int = 16
    phase_shuffle: int = 2
    batch: int = 16
    critic_steps: int = 5
    penalty: float = 10.0
    learning_rate: float = 1e-4
    ema: float = 0.999
    steps: int | None = None
    minutes: float | None = None
    log_every: int = 10
    save_every: int = 500
    clips: int = 20

    def __post_init__(self) -> None:
        for name in ("width", "latent", "class_channels", "batch", "critic_steps", "log_every", "save_every", "clips"):
            if getattr(self, name) < 1:
                raise ConfigError(f"wavegan.{name} is {getattr(self, name)}: expected 1 or more")
        for name in ("phase_shuffle", "penalty"):
            if getattr(self, name) < 0:
                raise ConfigError(f"wavegan.{name} is {getattr(self, name)}: expected 0 or more")
        for name in ("learning_rate", "steps", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"wavegan.{name} is {value}: expected more than 0")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"wavegan.ema is {self.ema}: expected a decay from 0 to below 1")
        if not 4_000 <= self.rate <= 16_000:
            raise ConfigError(f"wavegan.rate is {self.rate}: expected 4000 to 16000 Hz, at which clips are read")
        possible = [FRAMES * STRIDE**layers * last for layers in range(1, 7) for last in (1, 2)]
        if self.samples not in possible:
            raise ConfigError(f"wavegan.samples is {self.samples}: expected one of {', '.join(map(str, possible))}")
        if self.phase_shuffle >= FRAMES:
            raise ConfigError(f"wavegan.phase_shuffle is {self.phase_shuffle}: expected less than {FRAMES} samples")

    @property
    def strides(self) -> list[int]:
        """Of the layers from the latent to the waveform: fours, and a last two where that makes the length."""
        left, strides = self.samples // FRAMES, []
        while left > 1:
            strides.append(min(STRIDE, left))
            left //= strides[-1]
        return strides

    @property
    def changeable(self) -> list[str]:
        """What may be changed in a resumed training, as the command line calls it."""
        return [f"wavegan.{name}" for name in CHANGEABLE]

    @property
    def most_minutes(self) -> float:
        """Minutes after which training ends; without end where only `steps` are given."""
        if self.minutes is None:
            return float("inf") if self.steps is not None else _MINUTES
        return self.minutes
