"""The options of augmentation: a preset, transforms of one's own, or both. Checked where they enter.

    preset's transforms, then those named beside it --> options by name --build()--> transforms, in that order

A transform is named once, so that its options have one place.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ser_tl.augment.base import TRANSFORMS, Transform
from ser_tl.augment.presets import PRESETS
from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class AugmentConfig:
    """How training clips are changed. Dev and test clips never are.

    Args:
        preset: transforms after a published recipe (docs/augmentation.md lists them); none for none
        transforms: transforms and their options, in the order in which they are applied: {noise: {snr: [10, 20]},
            speed: {}}. One of the preset's stays in its place and gets these options besides; null takes it out
    """

    preset: str = "none"
    transforms: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.preset != "none":
            PRESETS[self.preset]
        self.build()

    @property
    def chosen(self) -> dict[str, dict[str, Any]]:
        """Options of each transform, where they aren't its defaults, by its name and in order."""
        found = {} if self.preset == "none" else {name: dict(own) for name, own in PRESETS[self.preset].chain.items()}
        for name, own in self.transforms.items():
            if own is None:
                TRANSFORMS[name]
                found.pop(name, None)
            else:
                found[name] = found.get(name, {}) | own
        return found

    def build(self) -> list[Transform]:
        """New transforms, in order.

        Raises:
            UnknownNameError: there is no such transform
            ConfigError: it has no such option, or the option no such value
        """
        return [build_transform(name, options) for name, options in self.chosen.items()]


def build_transform(name: str, options: Mapping[str, Any]) -> Transform:
    """A transform with some options of its own.

    Args:
        name: in `TRANSFORMS`
        options: its other options have their defaults

    Raises:
        UnknownNameError: there is no such transform
        ConfigError: it has no such option, or the option no such value
    """
    kind = TRANSFORMS[name]
    known = [item.name for item in fields(kind)]
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"augment.transforms, {name}: no option {option!r}: {hint}known are {', '.join(known)}")
    return kind(**options)
