"""Feature distillation: pairs of teacher and student states, prediction heads, and the loss of a batch.

    teacher's states --align_states--> at the student's frames ---> targets (B, T, D)
    student's states --head--> predictions (B, T, D) ---> L1 - lambda log sigmoid(cosine), for each pair

The loss is DistilHuBERT's (Chang et al. 2022, equation 1), its mean over the pairs instead of their sum. The heads are
for training alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.distill.distill_config import DistillConfig
from ser_tl.encoders import Encoder, SpeechSSL, Whisper
from ser_tl.errors import ConfigError

_SPREAD_UNKNOWN = 0.0  # a deviation that hasn't been measured yet
_LEAST_SPREAD = 0.2  # of a channel, against the mean of all: channels that stand still aren't blown up


class LayerPair(NamedTuple):
    """A state of the teacher, and the state of the student that predicts it."""

    teacher: int
    student: int


def match_layers(config: DistillConfig, teacher: int, student: int) -> list[LayerPair]:
    """Matches the teacher's states with the student's.

    Args:
        config: layers and pairs
        teacher: number of its states
        student: number of its states

    Raises:
        ConfigError: states that there aren't, or pairs and layers that contradict each other
    """
    layers = sorted(config.pairs) if config.layers is None and config.pairs else config.layers
    layers = list(range(teacher)) if layers is None else layers
    if not layers or len(set(layers)) < len(layers) or not all(0 <= layer < teacher for layer in layers):
        raise ConfigError(
            f"distill.layers is {layers}: expected some of the teacher's states, each once, numbered 0 to {teacher - 1}"
        )
    if config.pairs and set(config.pairs) != set(layers):
        raise ConfigError(
            f"distill.pairs is for the teacher's states {sorted(config.pairs)}, and distill.layers is {layers}: name "
            f"the same states, or leave one of the two out"
        )
    top = max(*layers, 1)
    matches = config.pairs or {layer: round(layer * (student - 1) / top) for layer in layers}
    wrong = {layer: index for layer, index in matches.items() if not 0 <= index < student}
    if wrong:
        raise ConfigError(f"distill.pairs is {wrong}: the student has the states 0 to {student - 1}")
    pairs = [LayerPair(layer, matches[layer]) for layer in sorted(layers)]
    if config.freeze_steps and not any(pair.student == 0 for pair in pairs):
        raise ConfigError(
            "distill.freeze_steps trains the student's state 0 alone, and no pair has it: add a pair, "
            "such as distill.pairs '{0: 0, ...}', or leave distill.freeze_steps out"
        )
    return pairs


class FeatureDistillationLoss(nn.Module):
    """Pairs, heads and loss.

    Args:
        teacher: whose states are the targets
        student: whose states are trained
        config: pairs, heads, targets

    Raises:
        ConfigError: states that don't fit
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, teacher: Encoder, student: SpeechSSL, config: DistillConfig) -> None:
        super().__init__()
        self.pairs = match_layers(config, teacher.num_states, student.num_states)
        self.identity = config.heads == "identity"
        # With raw targets a front end is learned in units of the deviation and given the teacher's scale in the end
        # (`fold`); trainable layers above it need that scale from the beginning.
        self.front_alone = all(pair.student == 0 for pair in self.pairs)
        self.cosine = config.cosine
        self.dim = teacher.dim
        self.ratio = teacher.frame_rate / student.frame_rate
        last = student.num_states - 1
        self.normed = [
            config.targets == "normed" or (pair.student == last and student.stable and student.final_norm)
            for pair in self.pairs
        ]
        # Mean and deviation of each channel of a target state in its first batch, for raw targets.
        self.register_buffer("centre", torch.zeros(len(self.pairs), teacher.dim))
        self.register_buffer("spread", torch.full((len(self.pairs), teacher.dim), _SPREAD_UNKNOWN))
        if self.identity:
            self._check_identity(student.dim)
        self.heads = nn.ModuleList(
            nn.Identity() if self.identity else _head(student.dim, teacher.dim) for _ in self.pairs
        )

    def _check_identity(self, width: int) -> None:
        if width != self.dim:
            raise ConfigError(
                f"distill.heads is identity, but the student's states are {width} wide and the teacher's {self.dim}: "
                f"choose linear, or a student with hidden_size {self.dim}"
            )
        student_layers = [pair.student for pair in self.pairs]
        if len(set(student_layers)) < len(student_layers):
            raise ConfigError(
                f"distill.heads is identity, but a state of the student has to be several of the teacher's at once "
                f"(teacher: student {dict(self.pairs)}): choose linear, or other distill.pairs"
            )

    def select_pairs(self, *, first: bool) -> list[int]:
        """Indices of the pairs that are trained; with `first`, only those of the student's state 0."""
        return [index for index, pair in enumerate(self.pairs) if not first or pair.student == 0]

    def forward(
        self,
        teacher_states: Mapping[int, Tensor],
        student_states: Mapping[int, Tensor],
        mask: Tensor,
        pair_indices: Sequence[int],
    ) -> tuple[Tensor, Tensor]:
        """Loss and mean cosine of some of the pairs.

        Args:
            teacher_states: (B, T, D) at the student's frames, by their index in the teacher
            student_states: (B, T, W), by their index in the student
            mask: (B, T) True on frames that both have
            pair_indices: of the pairs

        Returns:
            (P,) and (P,), the second without a graph.
        """
        self.measure_scale(teacher_states, mask, pair_indices)
        results = [self._pair_loss(index, teacher_states, student_states, mask) for index in pair_indices]
        losses, cosines = zip(*results, strict=True)
        return torch.stack(losses), torch.stack(cosines).detach()

    @torch.no_grad()
    def measure_scale(self, teacher_states: Mapping[int, Tensor], mask: Tensor, pair_indices: Sequence[int]) -> bool:
        """Measures the scale of raw targets where it isn't known yet; `forward` does it otherwise.

        Args:
            teacher_states: as for `forward`
            mask: likewise
            pair_indices: of the pairs

        Returns:
            Whether there was any to measure.
        """
        new = [
            index for index in pair_indices if not self.normed[index] and (self.spread[index] == _SPREAD_UNKNOWN).all()
        ]
        for index in new:
            target = teacher_states[self.pairs[index].teacher].float()[mask]
            self.centre[index], spread = target.mean(dim=0), target.std(dim=0)
            self.spread[index] = spread.clamp_min(_LEAST_SPREAD * float(spread.mean()) + 1e-6)
        return bool(new)

    def _pair_loss(
        self, index: int, teacher_states: Mapping[int, Tensor], student_states: Mapping[int, Tensor], mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        pair, normed = self.pairs[index], self.normed[index]
        predicted = self.heads[index](student_states[pair.student]).float()[mask]  # (frames, D)
        target = teacher_states[pair.teacher].float()[mask]
        if normed:
            target = functional.layer_norm(target, target.shape[-1:])
            predicted = functional.layer_norm(predicted, predicted.shape[-1:]) if self.identity else predicted
        else:
            # Copies: the graph keeps them, and another pair's are still to be written.
            centre, spread = self.centre[index].clone(), self.spread[index].clone()
            target = (target - centre) / spread
            if self.identity and not self.front_alone:
                predicted = (predicted - centre) / spread
        cosine = functional.cosine_similarity(predicted, target, dim=-1)
        loss = functional.l1_loss(predicted, target) - self.cosine * functional.logsigmoid(cosine).mean()
        return loss, cosine.mean()

    @torch.no_grad()
    def fold_scale(self, student: SpeechSSL) -> None:
        """Gives the state of a front end that was trained alone the teacher's scale, in its projection.

        Raw targets are learned in units of each channel's deviation, which suit one learning rate; the teacher's layers
        expect its own.
        """
        for index in range(len(self.pairs)):
            if self.front_alone and self.identity and not self.normed[index]:
                projection = student.model.feature_projection.projection
                projection.weight.mul_(self.spread[index][:, None])
                projection.bias.mul_(self.spread[index]).add_(self.centre[index])


def _head(width: int, dim: int) -> nn.Module:
    """A linear head on layer-normed states.

    Where the widths are the same it begins as the identity, so that layers which come from the teacher aren't pulled
    away by a random one.
    """
    linear = nn.Linear(width, dim)
    if width == dim:
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.LayerNorm(width, elementwise_affine=False), linear)


def remove_positions(teacher: Encoder, state: Tensor) -> Tensor:
    """State 0 of a teacher with the mean of its position embeddings instead of each frame's own.

    Whisper adds sinusoids of a clip's time, ten times as large as its convolutions' output. A student without absolute
    time can't predict them, and they would dominate the loss.

    Args:
        teacher: Whisper, or another encoder, whose state is left as it is
        state: (B, T, D)
    """
    if not isinstance(teacher, Whisper):
        return state
    positions = teacher.positions[: state.shape[1]]
    return state - positions + positions.mean(dim=0)


def align_states(states: Tensor, mask: Tensor, frames: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """States of one encoder at the times of another's frames, by linear interpolation.

    Both start with the clip, so that frame t of the one is at t * ratio of the other; encoders of the same rate have
    their frames side by side, however many each cuts off at the end.

    Args:
        states: (L, B, T, D) of the teacher
        mask: (B, T)
        frames: (B, T') the student's mask
        ratio: the teacher's frame rate over the student's

    Returns:
        (L, B, T', D), and the mask (B, T') of the frames that both have.
    """
    positions = torch.arange(frames.shape[1], device=states.device) * ratio
    inside = frames & (positions[None] <= mask.sum(dim=1)[:, None] - 1)
    last = states.shape[2] - 1
    below = positions.floor().long().clamp_max(last)
    share = (positions - below).clamp(0.0, 1.0).to(states.dtype)[:, None]
    if not share.any():
        return states[:, :, below], inside
    above = (below + 1).clamp_max(last)
    return torch.lerp(states[:, :, below], states[:, :, above], share), inside
