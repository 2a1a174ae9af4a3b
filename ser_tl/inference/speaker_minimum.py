"""How much audio of a speaker the speaker's own statistics need."""

import warnings

from ser_tl.errors import ConfigError

FEWEST_CLIPS = 8
"""Of a speaker whose own statistics normalise: those of fewer cost more than they give (18 points of UAR at one)."""

FEWEST_SECONDS = 20.0
"""Likewise, seconds of audio."""

FEW_CLIPS = 16
"""Below so many a warning stands: statistics of few clips depend on which emotions are in them."""


def check_enough(clips: int, seconds: float) -> None:
    """Refuses to take a speaker's statistics of too little audio, and warns where it is little.

    Args:
        clips: windows there are of the speaker
        seconds: their length in all

    Raises:
        ConfigError: too little
    """
    if clips < FEWEST_CLIPS or seconds < FEWEST_SECONDS:
        raise ConfigError(
            f"speaker_normalize takes the mean and deviation of one speaker's recordings, of which there are {clips} "
            f"with {seconds:.1f} s: at least {FEWEST_CLIPS} clips and {FEWEST_SECONDS:g} s are needed, since the "
            f"statistics of fewer cost more than they give; add recordings of the speaker, or leave it out"
        )
    if clips < FEW_CLIPS:
        warnings.warn(
            f"speaker_normalize with {clips} clips of the speaker: from {FEW_CLIPS} clips on the statistics depend "
            f"less on which emotions are in them",
            stacklevel=3,
        )
