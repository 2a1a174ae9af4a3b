"""Quantisation-aware training: the layers compute as the INT8 export will, and learn to live with it.

    training clips --ranges of the layers' inputs--> epochs with rounded weights and inputs, the best on dev speakers
      --> the float weights, and the ranges, by which `export_model(quantize="int8")` quantises

Jacob et al. 2018. For models whose INT8 export loses too much (docs/exporting.md): most lose nothing that this could
bring back.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from ser_tl.data.batching import Batch, Clips
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import encode_batch, run_clips
from ser_tl.model.peft_state import adapted_layers
from ser_tl.modules.fake_quantization import (
    InputRange,
    add_fake_quantization,
    observe_ranges,
    quantized_layers,
    remove_fake_quantization,
)
from ser_tl.training.part import PARTS, Part, Training
from ser_tl.training.parts.publishing import Callbacks

_CLIPS = 40
"""Training clips on which ranges begin."""


@PARTS.register("quantization")
@dataclass
class QuantizationAware(Part):
    """Rounds weights to 7 bits and layers' inputs to 8 in every step, as the INT8 export does.

    Args:
        momentum: share of a batch in the ranges of inputs that were found before it
    """

    momentum: float = 0.1

    order: ClassVar[int] = 97  # the classifier is fitted and calibrated on what the rounded layers compute
    reads = "audio"

    def __post_init__(self) -> None:
        if not 0 < self.momentum <= 1:
            raise ConfigError(f"parts.quantization.momentum is {self.momentum}: expected more than 0, up to 1")
        self._facts: dict[str, Any] = {}

    def bind(self, training: Training) -> None:
        """Refuses what rounded layers can't go with."""
        config = training.config
        if training.features.cacheable_layers:
            raise ConfigError(
                "parts: quantization computes every layer in every step, and the feature cache holds states of layers "
                "that aren't rounded: train.cache false"
            )
        for option in ("compile", "shard"):
            if getattr(config, option):
                raise ConfigError(f"parts: quantization changes layers while they learn: train.{option} false")
        if any(isinstance(part, Callbacks) and part.functions for part in training.parts):
            raise ConfigError(
                "parts: quantization keeps ranges in the model until the training ends, so that no epoch's model can "
                "be published: publish the model afterwards (ser-tl push)"
            )
        if next(quantized_layers(training.model), None) is None:
            raise ConfigError("parts: quantization: the model has no linear or convolutional layer below its head")

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """Lets the layers round, on the ranges of some training clips."""
        model = training.model
        if adapted_layers(model):
            raise ConfigError(
                "parts: quantization rounds the weights of layers, and those with adapters get others when they are "
                "folded in: take `strategy` partial, full or frozen"
            )
        add_fake_quantization(model, momentum=self.momentum)
        model.to(training.accelerator.device)

        def encode(batch: Batch) -> None:  # statistics above the encoder aren't measured yet
            encode_batch(model, batch)

        chosen = range(0, len(clips), max(1, len(clips) // _CLIPS))
        with observe_ranges(model):
            for _ in run_clips([model], clips, encode, training.evaluation, chosen=chosen):
                pass
        self._share(training, model)
        return clips

    def finish(self, training: Training) -> None:
        """Takes the rounding out, and keeps the ranges in the model."""
        self._share(training, training.model)
        ranges = remove_fake_quantization(training.model)
        training.model.activation_ranges = ranges
        self._facts = {"quantization": {"layers": len(ranges), "weight_bits": 7, "activation_bits": 8}}

    def _share(self, training: Training, model: nn.Module) -> None:
        """Gives all processes the same ranges: the mean of theirs."""
        processes = training.accelerator
        if processes.num_processes == 1:
            return
        for module in model.modules():
            if isinstance(module, InputRange):
                both = torch.stack([module.low, module.high])
                module.low, module.high = processes.reduce(both, "mean").unbind()

    @property
    def facts(self) -> dict[str, Any]:
        """What was rounded."""
        return self._facts

    @property
    def notes(self) -> list[str]:
        """How the scores were measured."""
        if not self._facts:
            return []
        return [
            "quantisation-aware training: epochs were chosen with weights of 7 and inputs of 8 bits; this report is of "
            "the float model, and the INT8 export's own comparison is on its card"
        ]
