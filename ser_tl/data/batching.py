"""From corpus rows to padded batches.

    corpus -> UtteranceDataset (clips) -> plan_batches() (`data.batch_plan`) -> make_loader() -> Batch

Clips of like length share a batch, and a batch has a budget in seconds of audio rather than a number of clips: memory
stays level and little is spent on padding. Everything random follows from (seed, epoch), so a run that was killed is
resumed exactly.
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
from ser_tl.data.batch_plan import BatchPlan
from ser_tl.data.checks import audio_source, measure_durations
from ser_tl.data.dimensions import read_annotations


class PackedState(NamedTuple):
    """Cached hidden states of a clip in one layer of an encoder, packed into half precision.

    Attributes:
        mean: (1, D) each channel's mean over the clip, float32
        rest: (T, D) what is left, float16; float32 where that would overflow
        deviation: (1, D) float32 of all frames, where only few of them are in `rest`; None where all are
        frames: how many there were, then
    """

    mean: Tensor
    residual: Tensor
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
    """A segment of an utterance: decoded, or its cached hidden states."""

    waveform: Tensor  # (N,) float32 at 16 kHz; empty where the states are there
    label: int
    id: str
    states: dict[int, PackedState] | None = None  # by the layer's index in the encoder
    domain: str = ""  # whose statistics standardise it, if any
    target: Tensor | None = None  # (C,) probabilities of the classes, where it isn't the label alone
    dimensions: Tensor | None = None  # (K,) annotations on the corpus' scale, NaN where unknown
    auxiliary: Mapping[str, Tensor] = MappingProxyType({})  # by name: from a part of the training


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
        states: (L, B, T, D) cached hidden states of the encoder's frozen layers; the waveform is empty then
        layers: the states' layer indices in the encoder, from 0 and rising
        means: (L, B, 1, D) what has to be added to the states; None once it is
        moments: of all frames, where the states are only few of them
        mask: (B, T) True on speech, with the states
        domains: B names of domains (a corpus, a speaker) whose own statistics standardise the clips; empty strings
            where the training speech's do
        targets: (B, C) soft labels, probabilities of the classes; None where the labels are the targets
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
        """The same batch on a device; states are copied in half precision and become float32 there."""
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
    packed = [clip.states for clip in clips if clip.states is not None]
    if packed:
        batch.layers = tuple(sorted(packed[0]))
        rows = [[states[layer] for states in packed] for layer in batch.layers]
        frames = torch.tensor([len(state.residual) for state in rows[0]])
        batch.mask = torch.arange(int(frames.max())) < frames[:, None]
        batch.states = _stack_residuals(rows, batch.mask.shape[1])
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


def _stack_residuals(rows: list[list[PackedState]], longest: int) -> Tensor:
    """Residuals of the states, without their means, (L, B, T, D), zeros on padding; each number is written once."""
    residuals = [state.residual for row in rows for state in row]
    kind = torch.float16 if all(residual.dtype == torch.float16 for residual in residuals) else torch.float32
    states = torch.empty(len(residuals), longest, residuals[0].shape[1], dtype=kind)
    for row_states, residual in zip(states, residuals, strict=True):
        row_states[: len(residual)] = residual
        row_states[len(residual) :] = 0.0
    return states.unflatten(0, (len(rows), -1))


class UtteranceDataset(TorchDataset[Clip]):
    """The clips of a corpus, decoded when asked for.

    In training each utterance is one clip; one that is too long is cropped anew in each epoch. In evaluation a long
    utterance is one clip a window (`AudioConfig.evaluation`).

    Args:
        corpus: rows with the columns of `data.schema`
        labels: the classes; a row's label is its emotion's index among them, -1 if it isn't there. Without any, the
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
        self.annotations = torch.from_numpy(read_annotations(corpus, dimensions)).float() if dimensions else None
        self.auxiliary = {name: torch.from_numpy(table) for name, table in (auxiliary or {}).items()}
        self.ids: list[str] = corpus["id"][:]
        self.durations = measure_durations(corpus)
        self.segments: list[tuple[int, float, float]] = []  # row, start and end in seconds within the utterance
        for row, seconds in enumerate(self.durations):
            self.segments += [
                (row, *segment) for segment in ([(0.0, seconds)] if training else config.segments(seconds))
            ]

    @property
    def seconds(self) -> list[float]:
        """The length of each clip."""
        return [min(end - start, self.config.max_seconds) for _, start, end in self.segments]

    def __len__(self) -> int:
        return len(self.segments)

    def __getitem__(self, index: int) -> Clip:
        row_number, start, end = self.segments[index]
        row = self.corpus[row_number]
        longest = self.config.max_seconds
        if self.training and end > longest:
            generator = np.random.default_rng((self.seed, self.epoch, index))
            start = generator.uniform(0.0, end - longest)
            end = start + longest
        # A pause may fill a part of an utterance; an utterance that is silent as a whole is broken.
        silence = end - start < self.durations[row_number]
        waveform = audio.decode(audio_source(row), row["start"] + start, row["start"] + end, silence=silence)
        waveform = audio.normalise(waveform, self.config.normalise)
        return self.describe(row_number)._replace(waveform=torch.from_numpy(waveform))

    def describe(self, row: int) -> Clip:
        """A row's clip without its waveform: labels, id and annotations."""
        return Clip(
            torch.empty(0),
            self.classes[row],
            self.ids[row],
            domain=self.domains[row],
            target=self.targets[row],
            dimensions=None if self.annotations is None else self.annotations[row],
            auxiliary={name: table[row] for name, table in self.auxiliary.items()},
        )


def make_loader(clips: Clips, plan: BatchPlan, *, process: int = 0, workers: int = 0) -> Iterator[Batch]:
    """The batches of one process, in the plan's order.

    Args:
        clips: what the plan's indices mean
        plan: from `plan_batches`
        process: whose batches
        workers: processes that decode beside this one
    """
    batches = [step[process] for step in plan if step[process]]
    # With a generator of its own the loader draws nothing from torch's, which a resumed run could not make up for.
    generator = torch.Generator()
    return iter(
        DataLoader(
            cast(Any, clips), batch_sampler=batches, collate_fn=collate, num_workers=workers, generator=generator
        )
    )
