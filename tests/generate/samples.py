"""A WaveGAN of a few hundred weights, and the tones that it learns from."""

from ser_tl.generate import WaveGanConfig


def tiny_config(**changes) -> WaveGanConfig:
    """Clips of 256 samples, and four steps."""
    usual = {"samples": 256, "width": 2, "latent": 8, "class_channels": 4, "batch": 4, "critic_steps": 2, "steps": 4}
    return WaveGanConfig(**(usual | {"log_every": 2, "save_every": 2, "clips": 3} | changes))
