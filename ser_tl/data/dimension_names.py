"""The dimensions of emotion that are annotated, and their order."""

from collections.abc import Sequence

from ser_tl.errors import ConfigError

DIMENSIONS = ("arousal", "valence", "dominance")


def check_names(names: Sequence[str]) -> list[str]:
    """The names of dimensions, as a list.

    Raises:
        ConfigError: an unknown one, or one twice
    """
    if not set(names) <= set(DIMENSIONS) or len(set(names)) < len(names):
        raise ConfigError(
            f"the dimensions are {list(names)}: expected some of {', '.join(DIMENSIONS)}, each once "
            f"(dimensions.names '[arousal, valence]')"
        )
    return list(names)
