"""Synthetic training clips: points between neighbours of one class, in the space of pooled states.

    PooledClips of the training part --SMOTE and its relatives (imbalanced-learn)--> SyntheticClips

Where an encoder is frozen and the pooling has no weights, a clip is a vector: the few frames that `pool_clips` keeps
of each layer. A point between two such vectors is again a possible clip (a deviation between two deviations is
no less than zero), so the model takes it as it takes any clip. Neighbours are searched for with each channel at unit
variance: otherwise a few channels of large variance would decide.

Only training clips come in, so a synthetic clip lies between two of them, and none gets into dev or test.
`fit_statistics` and the refit take real clips only.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ser_tl.cache.pooled import PooledClips, find_reduction
from ser_tl.data.batching import Clip, Clips, PackedState
from ser_tl.errors import ConfigError
from ser_tl.training.part import PARTS, Part, Training
from ser_tl.training.parts.balance_config import BalanceConfig


class SyntheticClips:
    """Pooled clips, and after them synthetic ones.

    Args:
        real: the training part
        frames: (M, L, T, D) of the synthetic clips, T as few as the real ones have
        classes: of each synthetic clip
    """

    def __init__(self, real: PooledClips, frames: Tensor, classes: Sequence[int]) -> None:
        self.real = real
        self.frames = frames
        self.classes = list(classes)
        self.layers = sorted(real.layers)
        annotated = real[0].dimensions
        self.unknown = None if annotated is None else torch.full_like(annotated, torch.nan)

    @property
    def seconds(self) -> list[float]:
        """The length of each clip; a synthetic one takes as much of a batch as the mean of the real ones."""
        real = self.real.seconds
        return real + [sum(real) / len(real)] * len(self.classes)

    @property
    def epoch(self) -> int:
        """Chooses the real clips' windows."""
        return self.real.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.real.epoch = epoch

    def __len__(self) -> int:
        return len(self.real) + len(self.classes)

    def __getitem__(self, index: int) -> Clip:
        number = index - len(self.real)
        if number < 0:
            return self.real[index]
        means = self.frames[number].mean(dim=1, keepdim=True)  # (L, 1, D)
        states = {
            layer: PackedState(mean, frames - mean)
            for layer, mean, frames in zip(self.layers, means, self.frames[number], strict=True)
        }
        return Clip(torch.empty(0), self.classes[number], f"synthetic_{number}", states, dimensions=self.unknown)


@PARTS.register("synthetic-clips")
class ClipSynthesis(Part):
    """Synthetic clips of smaller classes, if they are asked for.

    Args:
        config: by which method, and of how many neighbours
    """

    order = 20

    def __init__(self, config: BalanceConfig | None = None) -> None:
        self.config = config or BalanceConfig()

    @property
    def active(self) -> bool:
        """Whether clips are made."""
        return self.config.synthesise != "none"

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"balance.synthesise is {self.config.synthesise}"

    def check(self, training: Training) -> None:
        """Refuses synthetic clips where there are no vectors to interpolate between.

        Raises:
            ConfigError: imbalanced-learn isn't installed, another part needs clips' audio or frames or has targets of
                single clips, or the model's input is more than a few frames of cached states
        """
        model = training.model
        if not self.active or not model.labels:
            return
        _build_resampler(self.config, {}, seed=0)
        for part in training.parts:
            if part.adds_clip_targets:
                raise ConfigError(
                    f"{self.requested_by}, and {part.requested_by}, but a synthetic clip has no such targets: leave "
                    f"one of the two out, or choose balance.sampling over, which repeats real clips"
                )
            if part.reads != "pooled":
                raise ConfigError(
                    f"{self.requested_by}, and augmentation changes the audio or the frames of training clips "
                    f"({part.requested_by}), which a synthetic clip doesn't have: leave one of the two out, or choose "
                    f"balance.sampling over"
                )
        if find_reduction(model) is None or not set(training.features.cacheable_layers) >= set(model.layers):
            raise ConfigError(
                f"{self.requested_by}, which makes clips of pooled states and needs a model without other input: "
                f"`strategy` frozen, train.cache true, `pooling` mean, stats, max or last, and neither "
                f"model.network, .projection or .fusion nor (with several layers) model.join sum. Otherwise "
                f"balance.sampling over repeats real clips"
            )
        if model.config.statistics != "training":
            raise ConfigError(
                f"{self.requested_by}, but model.statistics is {model.config.statistics}: a clip between two "
                f"speakers is of no speaker, and has no statistics. Choose model.statistics training, or "
                f"balance.sampling over"
            )

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """The clips, and synthetic ones."""
        if not self.active or not training.model.labels:
            return clips
        return synthesize_clips(clips, self.config, training.model.labels, training.seed)


def synthesize_clips(clips: Clips, config: BalanceConfig, labels: Sequence[str], seed: int) -> SyntheticClips:
    """The clips, and synthetic ones of every class but the largest.

    They are made once, of the windows that long clips have in the first epoch. Every process makes the same.

    Args:
        clips: the training part
        config: which method, and how many neighbours
        labels: the classes
        seed: chooses between which neighbours, and where between them

    Raises:
        ConfigError: the cache couldn't hold the clips, a class has one clip only, or the method finds no clip to begin
            with
    """
    option = f"balance.synthesise is {config.synthesise}"
    if not isinstance(clips, PooledClips):
        raise ConfigError(
            f"{option}, but the feature cache can't hold the training clips: raise train.cache_gib, or choose "
            f"balance.sampling over"
        )
    clips.epoch = 0
    real = [clips[index] for index in range(len(clips))]
    real_classes = np.array([clip.label for clip in real])
    counts = Counter(real_classes.tolist())
    single = [labels[number] for number, count in counts.items() if count < 2]
    if single:
        raise ConfigError(
            f"{option}, but there is only one training clip of {', '.join(single)}, and no second one to interpolate "
            f"with: merge the class (emotions.merge) or drop it"
        )
    frames = np.stack([_stack_frames(clip.states or {}) for clip in real])  # (n, L, T, D)
    flat = frames.reshape(len(frames), -1)
    scale = flat.std(axis=0)
    scale[scale == 0] = 1.0
    try:
        rows, row_classes = _build_resampler(config, counts, seed).fit_resample(flat / scale, real_classes)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{option}, which can't use these clips ({error}): choose smote") from error
    synthetic = torch.from_numpy(np.ascontiguousarray(rows[len(real) :] * scale, dtype=np.float32))
    return SyntheticClips(clips, synthetic.unflatten(1, frames.shape[1:]), row_classes[len(real) :].tolist())


def _stack_frames(states: dict[int, PackedState]) -> np.ndarray:
    """The few frames of each layer (L, T, D)."""
    return torch.stack([states[layer].mean + states[layer].residual for layer in sorted(states)]).numpy()


def _build_resampler(config: BalanceConfig, counts: dict[int, int], seed: int) -> Any:  # noqa: ANN401 - imbalanced-learn's
    try:
        from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
    except ImportError as error:
        raise ConfigError(
            f"balance.synthesise {config.synthesise} needs the package imbalanced-learn, which can't be imported "
            f'({error}): run `pip install "ser_tl[imbalance]"`, or choose balance.sampling over'
        ) from error
    near = min([config.neighbours, *(count - 1 for count in counts.values())])
    if config.synthesise == "smote":
        return SMOTE(k_neighbors=near, random_state=seed)
    if config.synthesise == "adasyn":
        return ADASYN(n_neighbors=near, random_state=seed)
    around = min(2 * config.neighbours, max(1, sum(counts.values()) - 1))
    return BorderlineSMOTE(k_neighbors=near, m_neighbors=around, random_state=seed)
