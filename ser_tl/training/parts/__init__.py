"""The techniques of trainings, a file each, and which of them every training has."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from ser_tl.errors import ConfigError
from ser_tl.training.part import PARTS as PARTS
from ser_tl.training.part import Part
from ser_tl.training.parts.alignment import DomainAlignment as DomainAlignment
from ser_tl.training.parts.augmentation import Augmentation as Augmentation
from ser_tl.training.parts.balance import ClassBalance as ClassBalance
from ser_tl.training.parts.calibration import ProbabilityCalibration as ProbabilityCalibration
from ser_tl.training.parts.contrastive import SupervisedContrastive as SupervisedContrastive
from ser_tl.training.parts.dimensions import Dimensions as Dimensions
from ser_tl.training.parts.distillation import Distillation as Distillation
from ser_tl.training.parts.enrolment import EnrolmentRefit as EnrolmentRefit
from ser_tl.training.parts.publishing import Callbacks
from ser_tl.training.parts.quantization import QuantizationAware as QuantizationAware
from ser_tl.training.parts.refit import Refit as Refit
from ser_tl.training.parts.self_training import SelfTraining as SelfTraining
from ser_tl.training.parts.soft_labels import SoftLabels as SoftLabels
from ser_tl.training.parts.synthetic import ClipSynthesis as ClipSynthesis

STANDARD: dict[str, tuple[Callable[[Any], Part], ...]] = {
    "labels": (SoftLabels,),
    "augment": (Augmentation,),
    "balance": (ClipSynthesis, ClassBalance),
    "dimensions": (Dimensions,),
    "alignment": (DomainAlignment,),
    "on_best": (Callbacks,),
}
"""The parts of every training, by the name of their options; without options they have their defaults."""


def build_standard_parts(**options: Any) -> list[Part]:  # noqa: ANN401 - each part's own
    """The parts that every training has.

    Args:
        options: by the names in `STANDARD`

    Raises:
        ConfigError: there are no options of that name
    """
    unknown = sorted(set(options) - set(STANDARD))
    if unknown:
        raise ConfigError(
            f"a training has no options called {', '.join(unknown)}: known are {', '.join(STANDARD)}; other "
            f"techniques are given as parts=[...], known are {', '.join(PARTS)}"
        )
    built = [build(options.get(name)) for name, builders in STANDARD.items() for build in builders]
    return [*built, Refit(), EnrolmentRefit(), SelfTraining(), ProbabilityCalibration()]


def build_parts(options: Mapping[str, Any]) -> list[Part]:
    """Techniques beside the usual ones: those of `PARTS` that are dataclasses of their options.

    Args:
        options: name to a part's options, by theirs; None or none for the defaults

    Raises:
        UnknownNameError: there is no such part
        ConfigError: it has options of its own group, or none of such a name, or a value that it refuses
    """
    built = []
    for name, given in options.items():
        kind, given = PARTS[name], {} if given is None else given
        if not is_dataclass(kind):
            raise ConfigError(f"parts: {name} is part of every training: set its own options instead")
        names = [option.name for option in fields(kind)]
        unknown = sorted(set(given) - set(names)) if isinstance(given, Mapping) else [given]
        if unknown:
            raise ConfigError(f"parts: {name} has no options {unknown}: expected some of {', '.join(names) or 'none'}")
        built.append(kind(**given))
    return built
