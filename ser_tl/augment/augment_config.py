"""The options of augmentation: a preset, your own transforms, or both.

    preset's transforms, then those named beside it --> options by name --build()--> transforms, in that order

A transform is named once, so that its options have one place.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ser_tl.augment.base import TRANSFORMS, MelTransform, Transform, WaveformTransform
from ser_tl.augment.presets import PRESETS
from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of training clips. Dev and test clips are never augmented.

    Args:
        preset: transforms after a published recipe (docs/augmentation.md lists them); none for none
        transforms: transforms and their options, in the order in which they are applied: {noise: {snr: [10, 20]},
            speed: {}}. A transform of the preset keeps its position and gets these options besides; null removes it
        views: 0 augments clips anew in each epoch. With a number of fixed views of each clip, a frozen encoder computes
            each view once and the feature cache keeps the features; an epoch draws one view of each clip
    """

    preset: str = "none"
    transforms: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    views: int = 0

    def __post_init__(self) -> None:
        if self.preset != "none":
            PRESETS[self.preset]
        self.build()
        if type(self.views) is not int or self.views < 0:
            raise ConfigError(f"augment.views is {self.views!r}: expected a whole number from 0")
        if self.views:
            self._check_views()

    @property
    def transform_options(self) -> dict[str, dict[str, Any]]:
        """Options of each transform, where they aren't its defaults, by its name and in order."""
        transforms = (
            {} if self.preset == "none" else {name: dict(given) for name, given in PRESETS[self.preset].chain.items()}
        )
        for name, given in self.transforms.items():
            if given is None:
                TRANSFORMS[name]
                transforms.pop(name, None)
            else:
                transforms[name] = transforms.get(name, {}) | given
        return transforms

    def select(self, *, on_audio: bool) -> "AugmentConfig":
        """Some of the transforms, without views.

        Args:
            on_audio: those that change an encoder's input; else those on states and embeddings, which change with views
                anew in each epoch, too
        """
        return AugmentConfig(
            transforms={
                name: options for name, options in self.transform_options.items() if _is_on_audio(name) == on_audio
            }
        )

    def _check_views(self) -> None:
        mixing = [name for name in self.transform_options if getattr(TRANSFORMS[name], "mixes", False)]
        if mixing:
            raise ConfigError(
                f"augment.views is {self.views}, but {mixing[0]} mixes two clips, and a view is of one: leave it out "
                f"({{{mixing[0]}: null}} in augment.transforms), mix embeddings instead ({{mixup-embedding: {{}}}}), "
                f"or change clips anew in each epoch (augment.views 0)"
            )
        if not any(map(_is_on_audio, self.transform_options)):
            raise ConfigError(
                f"augment.views is {self.views}, but no transform changes the audio: name some, such as "
                f"augment.preset ser or augment.transforms '{{noise: {{}}}}', or leave augment.views out (masks on "
                f"states and mixup of embeddings don't need it)"
            )

    def build(self) -> list[Transform]:
        """New transforms, in order.

        Raises:
            UnknownNameError: there is no such transform
            ConfigError: it has no such option, or the option no such value
        """
        return [build_transform(name, options) for name, options in self.transform_options.items()]


def _is_on_audio(name: str) -> bool:
    return issubclass(TRANSFORMS[name], WaveformTransform | MelTransform)


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
    accepted = [item.name for item in fields(kind)]
    for option in options:
        if option not in accepted:
            near = difflib.get_close_matches(option, accepted, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"augment.transforms, {name}: no option {option!r}: {hint}known are {', '.join(accepted)}"
            )
    return kind(**options)
