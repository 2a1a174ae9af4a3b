"""All transforms of a training, applied to one batch after the other.

    Batch --clip transforms, mixup--> Batch, with targets where labels were mixed
          --mel masks, state masks, embedding mixup, for the model to apply as it goes--> FeatureHooks

What is drawn follows from (seed, epoch, step, process) alone. Only training steps hold a chain; nothing here can reach
a clip of dev or test.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.augment.augment_config import AugmentConfig
from ser_tl.augment.base import EmbeddingTransform, MelTransform, Mixing, StateTransform, WaveformTransform
from ser_tl.augment.crop import cut_segments
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Batch, Clips

VOICES = 64
"""How many training clips are held for babble: about three minutes."""


class FeatureHooks:
    """Hooks that a model's forward pass calls on a training batch's features; these change nothing.

    A model calls each on the features of its name.
    """

    def mel(self, mel: Tensor, counts: Tensor) -> Tensor:  # noqa: ARG002
        """A log-mel spectrogram (B, F, bands) of clips with numbers of frames (B,)."""
        return mel

    def states(self, states: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002
        """Standardised states (L, B, T, D) under a mask (B, T)."""
        return states

    def embedding(self, embedding: Tensor) -> Tensor:
        """Embeddings (B, E)."""
        return embedding


class _ChainHooks(FeatureHooks):
    """A chain's hooks for one batch."""

    def __init__(self, chain: "Chain", draws: BatchRng, mixings: list[Mixing]) -> None:
        self._chain = chain
        self._draws = draws
        self._mixings = mixings

    def mel(self, mel: Tensor, counts: Tensor) -> Tensor:
        return self._chain.mask_mel(mel, counts, self._draws)

    def states(self, states: Tensor, mask: Tensor) -> Tensor:
        for transform in self._chain.transforms:
            if isinstance(transform, StateTransform):
                states = transform(states, mask, self._draws, centred=self._chain.centred)
        return states

    def embedding(self, embedding: Tensor) -> Tensor:
        for mixing in self._mixings:
            embedding = mixing.apply(embedding)
        return embedding


class Chain:
    """A training's transforms.

    Args:
        config: which
        classes: number of labels, C
        longest: seconds of the longest clip that may leave the chain; slower speech is cropped to it
        seed: of all draws
        centred: whether the states that are masked have mean zero
    """

    def __init__(
        self, config: AugmentConfig, classes: int, *, longest: float, seed: int = 0, centred: bool = True
    ) -> None:
        self.transforms = config.build()
        self.names = list(config.transform_options)
        self.classes = classes
        self.longest = longest * SAMPLE_RATE
        self.seed = seed
        self.centred = centred

    def __bool__(self) -> bool:
        return bool(self.transforms)

    @property
    def on_audio(self) -> bool:
        """Whether it changes an encoder's input, so that cached states can't be used."""
        return any(isinstance(transform, WaveformTransform | MelTransform) for transform in self.transforms)

    @property
    def on_mel(self) -> bool:
        """Whether it needs a log-mel front end."""
        return any(isinstance(transform, MelTransform) for transform in self.transforms)

    @property
    def needs_voices(self) -> bool:
        """Whether it mixes training clips in."""
        return any(transform.needs_voices for transform in self.transforms if isinstance(transform, WaveformTransform))

    @property
    def on_states(self) -> bool:
        """Whether it changes single frames of the encoder's states."""
        return any(isinstance(transform, StateTransform) for transform in self.transforms)

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """All options of each transform, by its name."""
        return {name: asdict(transform) for name, transform in zip(self.names, self.transforms, strict=True)}

    def prepare(self, clips: Clips) -> None:
        """Loads what is mixed in, once, before the first batch. Every process has the same.

        Args:
            clips: the training part, decoded; the only voices that are ever mixed in
        """
        order = BatchRng(self.seed).permutation(len(clips))[:VOICES] if self.needs_voices else []
        self.prepare_from([clips[int(index)].waveform for index in order])

    def prepare_from(self, voices: Sequence[Tensor]) -> None:
        """The same, of clips (N,) that are at hand."""
        for transform in self.transforms:
            if isinstance(transform, WaveformTransform):
                transform.prepare(voices, self.seed)

    @torch.no_grad()
    def __call__(self, batch: Batch, *step: int) -> tuple[Batch, FeatureHooks]:
        """The augmented batch, and the hooks for the model's forward pass.

        Args:
            batch: labelled clips, on the device
            step: the training's position: epoch, step, batch of the step, process
        """
        draws = BatchRng(self.seed, *step, device=batch.labels.device)
        waveform, lengths = batch.waveform, batch.lengths
        mixings: list[Mixing] = []
        for transform in self.transforms:
            if isinstance(transform, WaveformTransform):
                waveform, lengths, _, _, mixing = transform(waveform, lengths, draws)
                mixings += [] if mixing is None else [mixing]
        embedded = [
            transform.draw(len(lengths), draws)
            for transform in self.transforms
            if isinstance(transform, EmbeddingTransform)
        ]
        targets, dimensions, auxiliary = batch.targets, batch.dimensions, batch.auxiliary
        if targets is None and self.classes and (mixings or embedded):
            targets = functional.one_hot(batch.labels, self.classes).float()
        for mixing in [*mixings, *embedded]:  # in the order in which clips go through them
            targets = None if targets is None else mixing.apply(targets)
            dimensions = None if dimensions is None else mixing.apply(dimensions)  # unknown in part is unknown
            auxiliary = {name: mixing.apply(values) for name, values in auxiliary.items()}
        if waveform is not batch.waveform:
            waveform, lengths = self._crop(waveform, lengths, draws)
        mixed = {"targets": targets, "dimensions": dimensions, "auxiliary": auxiliary}
        changed = replace(batch, waveform=waveform, lengths=lengths, **mixed)
        return changed, _ChainHooks(self, draws, embedded)

    def mask_mel(self, mel: Tensor, counts: Tensor, draws: BatchRng) -> Tensor:
        """Log-mel spectrograms (B, F, bands) of clips with numbers of frames (B,), parts of them blank."""
        for transform in self.transforms:
            mel = transform(mel, counts, draws) if isinstance(transform, MelTransform) else mel
        return mel

    def _crop(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor]:
        """Clips that are too long now, at a random place."""
        full_lengths = lengths.cpu()
        if int(full_lengths.max()) <= self.longest:
            return waveform, lengths
        new_lengths = full_lengths.clamp_max(round(self.longest))
        return cut_segments(waveform, draws.randint_below(full_lengths - new_lengths + 1), new_lengths), new_lengths.to(
            lengths
        )
