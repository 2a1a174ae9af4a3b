"""All transforms of a training, applied to one batch after the other.

    Batch --clip transforms, mixup--> Batch, with targets where labels were mixed
          --mel masks, state masks, embedding mixup, for the model to apply as it goes--> Disturbance

What is drawn follows from (seed, epoch, step, process) alone. Only training steps hold a chain; nothing here can reach
a clip of dev or test. Knows the shapes of a model's states, not the model.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.augment.base import EmbeddingTransform, MelTransform, Mixing, StateTransform, WaveformTransform
from ser_tl.augment.config import AugmentConfig
from ser_tl.augment.crop import stretches
from ser_tl.augment.draws import Draws
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Batch, Clips

VOICES = 64
"""How many training clips are held for babble: about three minutes."""


class Disturbance:
    """What a model's forward pass does to a training batch on the way; this one, nothing.

    A model calls each in turn, on what its name says.
    """

    def mel(self, mel: Tensor, counts: Tensor) -> Tensor:  # noqa: ARG002
        """A log-mel spectrogram (B, F, bands) of clips with so many frames (B,)."""
        return mel

    def states(self, states: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002
        """Standardised states (L, B, T, D) under a mask (B, T)."""
        return states

    def embedding(self, embedding: Tensor) -> Tensor:
        """Embeddings (B, E)."""
        return embedding


class _Drawn(Disturbance):
    """A chain's disturbance of one batch."""

    def __init__(self, chain: "Chain", draws: Draws, mixings: list[Mixing]) -> None:
        self._chain = chain
        self._draws = draws
        self._mixings = mixings

    def mel(self, mel: Tensor, counts: Tensor) -> Tensor:
        return self._chain.masked(mel, counts, self._draws)

    def states(self, states: Tensor, mask: Tensor) -> Tensor:
        for one in self._chain.transforms:
            if isinstance(one, StateTransform):
                states = one(states, mask, self._draws, centred=self._chain.centred)
        return states

    def embedding(self, embedding: Tensor) -> Tensor:
        for mixing in self._mixings:
            embedding = mixing.of(embedding)
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
        self.names = list(config.chosen)
        self.classes = classes
        self.longest = longest * SAMPLE_RATE
        self.seed = seed
        self.centred = centred

    def __bool__(self) -> bool:
        return bool(self.transforms)

    @property
    def on_audio(self) -> bool:
        """Whether it changes what an encoder hears: then states that were made before are of no use."""
        return any(isinstance(one, WaveformTransform | MelTransform) for one in self.transforms)

    @property
    def on_mel(self) -> bool:
        """Whether it needs a log-mel front end."""
        return any(isinstance(one, MelTransform) for one in self.transforms)

    @property
    def needs_voices(self) -> bool:
        """Whether it mixes training clips in."""
        return any(one.needs_voices for one in self.transforms if isinstance(one, WaveformTransform))

    @property
    def on_states(self) -> bool:
        """Whether it changes single frames of the encoder's states."""
        return any(isinstance(one, StateTransform) for one in self.transforms)

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """All options of each transform, by its name."""
        return {name: asdict(one) for name, one in zip(self.names, self.transforms, strict=True)}

    def prepare(self, clips: Clips) -> None:
        """Fetches what is mixed in, once, before the first batch. Every process has the same.

        Args:
            clips: the training part, decoded; the only voices that are ever mixed in
        """
        order = Draws(self.seed).permutation(len(clips))[:VOICES] if self.needs_voices else []
        self.take([clips[int(place)].waveform for place in order])

    def take(self, voices: Sequence[Tensor]) -> None:
        """The same, of clips (N,) that are at hand."""
        for one in self.transforms:
            if isinstance(one, WaveformTransform):
                one.prepare(voices, self.seed)

    @torch.no_grad()
    def __call__(self, batch: Batch, *place: int) -> tuple[Batch, Disturbance]:
        """The batch as it is heard this time, and what the model is to do to it.

        Args:
            batch: labelled clips, on the device
            place: where the training stands: epoch, step, batch of the step, process
        """
        draws = Draws(self.seed, *place, device=batch.labels.device)
        waveform, lengths = batch.waveform, batch.lengths
        heard: list[Mixing] = []
        for one in self.transforms:
            if isinstance(one, WaveformTransform):
                waveform, lengths, _, _, mixing = one(waveform, lengths, draws)
                heard += [] if mixing is None else [mixing]
        embedded = [one.draw(len(lengths), draws) for one in self.transforms if isinstance(one, EmbeddingTransform)]
        targets, dimensions, auxiliary = batch.targets, batch.dimensions, batch.auxiliary
        if targets is None and self.classes and (heard or embedded):
            targets = functional.one_hot(batch.labels, self.classes).float()
        for mixing in [*heard, *embedded]:  # in the order in which clips go through them
            targets = None if targets is None else mixing.of(targets)
            dimensions = None if dimensions is None else mixing.of(dimensions)  # unknown in part is unknown
            auxiliary = {name: mixing.of(values) for name, values in auxiliary.items()}
        if waveform is not batch.waveform:
            waveform, lengths = self._cropped(waveform, lengths, draws)
        mixed = {"targets": targets, "dimensions": dimensions, "auxiliary": auxiliary}
        changed = replace(batch, waveform=waveform, lengths=lengths, **mixed)
        return changed, _Drawn(self, draws, embedded)

    def masked(self, mel: Tensor, counts: Tensor, draws: Draws) -> Tensor:
        """Log-mel spectrograms (B, F, bands) of clips with so many frames (B,), parts of them blank."""
        for one in self.transforms:
            mel = one(mel, counts, draws) if isinstance(one, MelTransform) else mel
        return mel

    def _cropped(self, waveform: Tensor, lengths: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Clips that are too long now, at a random place."""
        whole = lengths.cpu()
        if int(whole.max()) <= self.longest:
            return waveform, lengths
        kept = whole.clamp_max(round(self.longest))
        return stretches(waveform, draws.below(whole - kept + 1), kept), kept.to(lengths)
