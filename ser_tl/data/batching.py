"""From corpus rows to padded batches.

    corpus -> Utterances (clips) -> plan_batches() (`data.batch_plan`) -> loader() -> Batch

Clips of like length share a batch, and a batch has a budget in seconds of audio rather than a number of clips: memory
stays level and little is spent on padding. Everything random follows from (seed, epoch), so a run that was killed goes
on exactly where it stood.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ser_tl.data import audio
from ser_tl.data.audio import SAMPLE_RATE, AudioConfig
from ser_tl.data.batch_plan import Plan
from ser_tl.data.checks import durations, source
from ser_tl.data.dimensions import annotations


class State(NamedTuple):
    """What a layer of an encoder made of a clip before, in the least space.

    Attributes:
        mean: (1, D) each channel's mean over the clip, float32
        rest: (T, D) what is left, float16; float32 where that would overflow
        deviation: (1, D) float32 of all frames, where only few of them are in `rest`; None where all are
        frames: how many there were, then
    """

    mean: Tensor
    rest: Tensor
    deviation: Tensor | None = None
    frames: int = 0


class ClipMoments(NamedTuple):
    """Mean and deviation over all frames of clips that bring few frames.

    Attributes:
        frames: (B,) how many there were of each clip
        mean: (L, B, 1, D)
        deviation: (L, B, 1, D)
    """

    frames: Tensor
    mean: Tensor
    deviation: Tensor


class Clip(NamedTuple):
    """One stretch of an utterance: decoded, or what an encoder made of it before."""

    waveform: Tensor  # (N,) float32 at 16 kHz; empty where the states are there
    label: int
    id: str
    states: dict[int, State] | None = None  # by the layer's place in the encoder
    domain: str = ""  # whose own statistics it is standardised by, if any
    target: Tensor | None = None  # (C,) probabilities of the classes, where it isn't the label alone
    dimensions: Tensor | None = None  # (K,) annotations on the corpus' scale, NaN where unknown
    auxiliary: Mapping[str, Tensor] = MappingProxyType({})  # by name: what a part of the training gave it


class Clips(Protocol):
    """Clips that can be planned, batched and, in training, renewed each epoch: decoded ones or an encoder's states."""

    epoch: int

    @property
    def seconds(self) -> list[float]:
        """The length of each clip."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Clip: ...


@dataclass
class Batch:
    """Clips padded to one length.

    Args:
        waveform: (B, N) float32 at 16 kHz, zeros after each clip's end
        lengths: (B,) samples in each clip
        labels: (B,) class indices; -1 where the class isn't known
        ids: B utterance ids; a long utterance's windows share one
        states: (L, B, T, D) what the frozen part of an encoder made of the clips before; the waveform is empty then
        layers: the states' places in the encoder, from 0 and rising
        means: (L, B, 1, D) what has to be added to the states; None once it is
        moments: of all frames, where the states are only few of them
        mask: (B, T) True on speech, with the states
        domains: B names of domains (a corpus, a speaker) whose own statistics standardise the clips; empty strings
            where the training speech's do
        targets: (B, C) probabilities of the classes, which training draws the model to; None where the labels say it
        dimensions: (B, K) float32 annotations on the corpus' own scale, NaN where unknown; None where none are wanted
        auxiliary: by name (B, ...), what parts of a training gave each clip, for their loss
    """

    waveform: Tensor
    lengths: Tensor
    labels: Tensor
    ids: list[str]
    states: Tensor | None = None
    layers: tuple[int, ...] = ()
    means: Tensor | None = None
    moments: ClipMoments | None = None
    mask: Tensor | None = None
    domains: list[str] = field(default_factory=list)
    targets: Tensor | None = None
    dimensions: Tensor | None = None
    auxiliary: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device; states travel in half precision and become float32 there."""
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in vars(self).items()}
        moved["auxiliary"] = {name: value.to(device) for name, value in self.auxiliary.items()}
        if self.moments is not None:
            moved["moments"] = ClipMoments(*(value.to(device) for value in self.moments))
        if self.means is not None:
            # Converted before the sum: an addition of halves to floats is three times slower on a CPU.
            states = moved["states"].to(torch.float32, copy=True).add_(moved["means"])
            moved |= {"states": states, "means": None}
        return Batch(**moved)

    @property
    def seconds(self) -> float:
        """Seconds of audio, padding not counted."""
        return self.lengths.sum().item() / SAMPLE_RATE


def collate(clips: Sequence[Clip]) -> Batch:
    """Clips padded with zeros to the longest of them."""
    batch = Batch(
        waveform=pad_sequence([clip.waveform for clip in clips], batch_first=True),
        lengths=torch.tensor([len(clip.waveform) for clip in clips]),
        labels=torch.tensor([clip.label for clip in clips]),
        ids=[clip.id for clip in clips],
        domains=[clip.domain for clip in clips],
    )
    soft = [clip.target for clip in clips if clip.target is not None]
    if soft:
        batch.targets = torch.stack(soft)
    annotated = [clip.dimensions for clip in clips if clip.dimensions is not None]
    if annotated:
        unknown = torch.full_like(annotated[0], torch.nan)
        batch.dimensions = torch.stack([unknown if clip.dimensions is None else clip.dimensions for clip in clips])
    batch.auxiliary = {name: torch.stack([clip.auxiliary[name] for clip in clips]) for name in clips[0].auxiliary}
    held = [clip.states for clip in clips if clip.states is not None]
    if held:
        batch.layers = tuple(sorted(held[0]))
        rows = [[states[layer] for states in held] for layer in batch.layers]
        frames = torch.tensor([len(state.rest) for state in rows[0]])
        batch.mask = torch.arange(int(frames.max())) < frames[:, None]
        batch.states = _side_by_side(rows, batch.mask.shape[1])
        batch.means = torch.stack([torch.stack([state.mean for state in row]) for row in rows])
        deviations = [
            torch.stack([state.deviation for state in row if state.deviation is not None])
            for row in rows
            if row[0].frames
        ]
        if deviations:
            counts = torch.tensor([state.frames for state in rows[0]])
            batch.moments = ClipMoments(counts, batch.means, torch.stack(deviations))
    return batch


def _side_by_side(rows: list[list[State]], longest: int) -> Tensor:
    """What is left of states without their means, (L, B, T, D), zeros on padding; each number is written once."""
    every = [state.rest for row in rows for state in row]
    kind = torch.float16 if all(rest.dtype == torch.float16 for rest in every) else torch.float32
    states = torch.empty(len(every), longest, every[0].shape[1], dtype=kind)
    for place, rest in zip(states, every, strict=True):
        place[: len(rest)] = rest
        place[len(rest) :] = 0.0
    return states.unflatten(0, (len(rows), -1))


class Utterances(TorchDataset[Clip]):
    """The clips of a corpus, decoded when asked for.

    In training each utterance is one clip; one that is too long is cropped anew in each epoch. In evaluation a long
    utterance is one clip a window (`AudioConfig.evaluation`).

    Args:
        corpus: rows with the columns of `data.schema`
        labels: the classes; a row's label is its emotion's place among them, -1 if it isn't there. Without any, the
            emotions are out of reach
        config: normalisation and lengths
        training: random crops instead of windows
        seed: chooses the crops, together with the epoch
        domain: which column (corpus or speaker) names the domain whose own statistics a clip is standardised by
        targets: (rows, C) probabilities of the classes, float32, for training; None where the labels say it
        dimensions: names of the dimensions whose annotations the clips bring
        auxiliary: tables of (rows, ...) by name, of which each clip brings its row
    """

    def __init__(
        self,
        corpus: Dataset,
        labels: Sequence[str],
        config: AudioConfig,
        *,
        training: bool,
        seed: int = 0,
        domain: str | None = None,
        targets: np.ndarray | None = None,
        dimensions: Sequence[str] = (),
        auxiliary: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.corpus = corpus
        self.config = config
        self.training = training
        self.seed = seed
        self.epoch = 0
        index = {label: number for number, label in enumerate(labels)}
        self.classes = [index.get(emotion, -1) for emotion in corpus["emotion"][:]]
        self.domains: list[str] = [""] * len(corpus) if domain is None else corpus[domain][:]
        self.targets = [None] * len(corpus) if targets is None else list(torch.from_numpy(targets))
        self.annotations = torch.from_numpy(annotations(corpus, dimensions)).float() if dimensions else None
        self.auxiliary = {name: torch.from_numpy(table) for name, table in (auxiliary or {}).items()}
        self.ids: list[str] = corpus["id"][:]
        self.durations = durations(corpus)
        self.parts: list[tuple[int, float, float]] = []  # row, start and end in seconds within the utterance
        for row, seconds in enumerate(self.durations):
            self.parts += [(row, *part) for part in ([(0.0, seconds)] if training else config.parts(seconds))]

    @property
    def seconds(self) -> list[float]:
        """The length of each clip."""
        return [min(end - start, self.config.max_seconds) for _, start, end in self.parts]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Clip:
        row_number, start, end = self.parts[index]
        row = self.corpus[row_number]
        longest = self.config.max_seconds
        if self.training and end > longest:
            generator = np.random.default_rng((self.seed, self.epoch, index))
            start = generator.uniform(0.0, end - longest)
            end = start + longest
        # A pause may fill a part of an utterance; an utterance that is silent as a whole is broken.
        silence = end - start < self.durations[row_number]
        waveform = audio.decode(source(row), row["start"] + start, row["start"] + end, silence=silence)
        waveform = audio.normalise(waveform, self.config.normalise)
        return self.describe(row_number)._replace(waveform=torch.from_numpy(waveform))

    def describe(self, row: int) -> Clip:
        """A row's clip without its waveform: what is known of it besides."""
        return Clip(
            torch.empty(0),
            self.classes[row],
            self.ids[row],
            domain=self.domains[row],
            target=self.targets[row],
            dimensions=None if self.annotations is None else self.annotations[row],
            auxiliary={name: table[row] for name, table in self.auxiliary.items()},
        )


def loader(clips: Clips, plan: Plan, *, process: int = 0, workers: int = 0) -> Iterator[Batch]:
    """The batches of one process, in the plan's order.

    Args:
        clips: what the plan's indices mean
        plan: from `plan_batches`
        process: whose batches
        workers: processes that decode beside this one
    """
    own = [step[process] for step in plan if step[process]]
    # With a generator of its own the loader draws nothing from torch's, which a resumed run could not make up for.
    generator = torch.Generator()
    return iter(
        DataLoader(cast(Any, clips), batch_sampler=own, collate_fn=collate, num_workers=workers, generator=generator)
    )
