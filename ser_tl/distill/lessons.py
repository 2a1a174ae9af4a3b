"""What a student is taught: pairs of the teacher's states and its own, heads, and the loss of a batch.

    teacher's states --aligned--> at the student's frames --Lessons.target--> targets (B, T, D)
    student's states --head--> predictions (B, T, D)      --Lessons.losses--> L1 - lambda log sigmoid(cosine), a pair

The loss is DistilHuBERT's (Chang et al. 2022, equation 1), its mean over the pairs instead of their sum. The heads are
for training alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.distill.config import DistillConfig
from ser_tl.encoders import Encoder, SpeechSSL, Whisper
from ser_tl.errors import ConfigError

_SPREAD_UNKNOWN = 0.0  # a deviation that hasn't been measured yet
_LEAST_SPREAD = 0.2  # of a channel, against the mean of all: channels that stand still aren't blown up


class Pair(NamedTuple):
    """A state of the teacher, and the state of the student that tells it."""

    teacher: int
    student: int


def pairs_of(config: DistillConfig, teacher: int, student: int) -> list[Pair]:
    """What is taught to which state.

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
    told = config.pairs or {layer: round(layer * (student - 1) / top) for layer in layers}
    wrong = {layer: own for layer, own in told.items() if not 0 <= own < student}
    if wrong:
        raise ConfigError(f"distill.pairs is {wrong}: the student has the states 0 to {student - 1}")
    pairs = [Pair(layer, told[layer]) for layer in sorted(layers)]
    if config.freeze_steps and not any(pair.student == 0 for pair in pairs):
        raise ConfigError(
            "distill.freeze_steps trains the student's state 0 alone, and no taught state is told by it: add a pair, "
            "such as distill.pairs '{0: 0, ...}', or leave distill.freeze_steps out"
        )
    return pairs


class Lessons(nn.Module):
    """Pairs, heads and loss.

    Args:
        teacher: whose states are taught
        student: whose states are trained
        config: pairs, heads, targets

    Raises:
        ConfigError: states that don't fit
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, teacher: Encoder, student: SpeechSSL, config: DistillConfig) -> None:
        super().__init__()
        self.pairs = pairs_of(config, teacher.num_states, student.num_states)
        self.identity = config.heads == "identity"
        # With raw targets a front end is learned in units of the deviation and given the teacher's scale in the end
        # (`fold`); layers that learn above it have to hear that scale from the beginning.
        self.front_alone = all(pair.student == 0 for pair in self.pairs)
        self.cosine = config.cosine
        self.dim = teacher.dim
        self.ratio = teacher.frame_rate / student.frame_rate
        last = student.num_states - 1
        self.normed = [
            config.targets == "normed" or (pair.student == last and student.stable and student.final_norm)
            for pair in self.pairs
        ]
        # Mean and deviation of each channel of a taught state in the first batch that tells it, for raw targets.
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
        told = [pair.student for pair in self.pairs]
        if len(set(told)) < len(told):
            raise ConfigError(
                f"distill.heads is identity, but a state of the student has to be several of the teacher's at once "
                f"(teacher: student {dict(self.pairs)}): choose linear, or other distill.pairs"
            )

    def chosen(self, *, first: bool) -> list[int]:
        """Places of the pairs that are taught; with `first`, only those of the student's state 0."""
        return [place for place, pair in enumerate(self.pairs) if not first or pair.student == 0]

    def forward(
        self, taught: Mapping[int, Tensor], said: Mapping[int, Tensor], mask: Tensor, places: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Loss and mean cosine of some of the pairs.

        Args:
            taught: the teacher's states (B, T, D) at the student's frames, by their place in the teacher
            said: the student's (B, T, W), by their place in the student
            mask: (B, T) True on frames that both have
            places: of the pairs

        Returns:
            (P,) and (P,), the second without a graph.
        """
        self.measure(taught, mask, places)
        found = [self._one(place, taught, said, mask) for place in places]
        losses, cosines = zip(*found, strict=True)
        return torch.stack(losses), torch.stack(cosines).detach()

    @torch.no_grad()
    def measure(self, taught: Mapping[int, Tensor], mask: Tensor, places: Sequence[int]) -> bool:
        """Measures the scale of raw targets where it isn't known yet; `forward` does it otherwise.

        Args:
            taught: as for `forward`
            mask: likewise
            places: of the pairs

        Returns:
            Whether there was any to measure.
        """
        new = [place for place in places if not self.normed[place] and (self.spread[place] == _SPREAD_UNKNOWN).all()]
        for place in new:
            target = taught[self.pairs[place].teacher].float()[mask]
            self.centre[place], spread = target.mean(dim=0), target.std(dim=0)
            self.spread[place] = spread.clamp_min(_LEAST_SPREAD * float(spread.mean()) + 1e-6)
        return bool(new)

    def _one(
        self, place: int, taught: Mapping[int, Tensor], said: Mapping[int, Tensor], mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        pair, normed = self.pairs[place], self.normed[place]
        predicted = self.heads[place](said[pair.student]).float()[mask]  # (frames, D)
        target = taught[pair.teacher].float()[mask]
        if normed:
            target = functional.layer_norm(target, target.shape[-1:])
            predicted = functional.layer_norm(predicted, predicted.shape[-1:]) if self.identity else predicted
        else:
            # Copies: the graph keeps them, and another pair's are still to be written.
            centre, spread = self.centre[place].clone(), self.spread[place].clone()
            target = (target - centre) / spread
            if self.identity and not self.front_alone:
                predicted = (predicted - centre) / spread
        cosine = functional.cosine_similarity(predicted, target, dim=-1)
        loss = functional.l1_loss(predicted, target) - self.cosine * functional.logsigmoid(cosine).mean()
        return loss, cosine.mean()

    @torch.no_grad()
    def fold(self, student: SpeechSSL) -> None:
        """Gives the state of a front end that was taught alone the teacher's scale, in its projection.

        Raw targets are learned in units of each channel's deviation, which suit one learning rate; the teacher's layers
        expect its own.
        """
        for place in range(len(self.pairs)):
            if self.front_alone and self.identity and not self.normed[place]:
                projection = student.model.feature_projection.projection
                projection.weight.mul_(self.spread[place][:, None])
                projection.bias.mul_(self.spread[place]).add_(self.centre[place])


def _head(width: int, dim: int) -> nn.Module:
    """A linear head on layer-normed states.

    Where the widths are the same it begins with what the student says, so that layers which come from the teacher
    aren't pulled away by a random one.
    """
    linear = nn.Linear(width, dim)
    if width == dim:
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.LayerNorm(width, elementwise_affine=False), linear)


def without_positions(teacher: Encoder, state: Tensor) -> Tensor:
    """State 0 of a teacher with the mean of its position embeddings instead of each frame's own.

    Whisper adds sinusoids of a clip's time, ten times as large as what its convolutions say. A student that hears no
    clock can't know them, and they would drown what it can learn.

    Args:
        teacher: Whisper, or another encoder, whose state is left as it is
        state: (B, T, D)
    """
    if not isinstance(teacher, Whisper):
        return state
    positions = teacher.positions[: state.shape[1]]
    return state - positions + positions.mean(dim=0)


def aligned(states: Tensor, mask: Tensor, frames: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
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
    places = torch.arange(frames.shape[1], device=states.device) * ratio
    inside = frames & (places[None] <= mask.sum(dim=1)[:, None] - 1)
    last = states.shape[2] - 1
    below = places.floor().long().clamp_max(last)
    share = (places - below).clamp(0.0, 1.0).to(states.dtype)[:, None]
    if not share.any():
        return states[:, :, below], inside
    above = (below + 1).clamp_max(last)
    return torch.lerp(states[:, :, below], states[:, :, above], share), inside
