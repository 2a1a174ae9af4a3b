"""The options of an encoder's distillation, checked where they enter."""

from dataclasses import dataclass, field
from typing import Literal

from ser_tl.errors import ConfigError

CHANGEABLE = ("steps", "minutes", "log_every", "save_every", "probe_every", "memory", "threads", "dtype", "licence")
"""Options that may have other values when a distillation is resumed: no step is computed otherwise for them."""

_MINUTES = 1.5  # where neither steps nor minutes are given: enough to see that all works


@dataclass(frozen=True)
class DistillConfig:
    """Options of a feature distillation: which states, from which audio, and for how long.

    Args:
        layers: the teacher's states that are targets, by the encoder's own numbers: 0 is the input of its first
            transformer layer. All if None
        pairs: which of the student's states predicts each of these, {teacher: student}; spread over the student's if
            empty
        heads: prediction heads on the student's states: a `linear` layer for each target, which is thrown away
            afterwards, or nothing (`identity`), so that the student's states become the teacher's
        targets: `normed` layer-norms the teacher's states, frame by frame; `raw` standardises them by each channel's
            mean and deviation, so that with identity heads the student's states get the teacher's scale too. Targets
            of the student's last state are normed either way if it is behind a final norm
        cosine: weight of the cosine's part of the loss beside the L1 part, lambda
        initial: `teacher` starts the student's transformer layers from the teacher's lowest ones (same widths and norm)
        front: `bands` starts the student's first convolution, if its kernels are long, as filters of mel-spaced bands
            (ser_tl.distill.gabor), and keeps its positional convolution silent: for a training on state 0 alone
        freeze_steps: the number of first steps that train the front end below the transformer layers alone, on the
            state that goes into them; no layer of student or teacher is computed meanwhile
        crop: seconds of a training clip, cut from the audio at random
        shortest: crops are from this many seconds to `crop` long: one length a step, drawn evenly on a logarithmic
            scale. All are `crop` long if None: then a student of a teacher with absolute time learns to read it
            from where a clip ends, which is wrong for clips of any other length
        normalise: each crop at a peak of 1 or an `rms` of 0.1 before it is encoded: a student of clips at
            unit variance can't encode how loud they were, and learns more easily from a teacher that can't either
        speed: each crop is played at a speed from this range before it is encoded, [0.8, 1.25] for example: voices,
            higher and lower, that the audio doesn't have
        batch: clips per step and process; more of shorter crops, for the same seconds of audio
        learning_rate: AdamW's peak, after a linear warm-up and before a cosine to zero
        weight_decay: AdamW's weight decay
        warmup: share of the training in which the learning rate rises
        clip: largest norm of the gradient
        steps: number of steps after which training ends
        minutes: number of minutes after which it ends, over all resumed runs; with `steps`, whichever is first. 1.5
            without both
        precision: autocast in `bf16`, or `no`, or `auto`, whichever is faster here
        threads: CPU threads; 0 leaves it to OMP_NUM_THREADS
        memory: GiB that decoded audio may take, at 16 bits a sample (115 MB an hour); audio beyond is read from the
            files in every step
        log_every: steps per line of the log
        save_every: minutes between training states on disk
        probe_every: minutes between probes of the student; 0 probes it in the end alone
        dtype: number format of the weights in the student's folder
        licence: the student's licence, for its card
    """

    layers: list[int] | None = None
    pairs: dict[int, int] = field(default_factory=dict)
    heads: Literal["linear", "identity"] = "linear"
    targets: Literal["normed", "raw"] = "normed"
    cosine: float = 1.0
    initial: Literal["none", "teacher"] = "none"
    front: Literal["as it is", "bands"] = "as it is"
    freeze_steps: int = 0
    crop: float = 2.5
    shortest: float | None = None
    normalise: Literal["none", "peak", "rms"] = "none"
    speed: tuple[float, float] = (1.0, 1.0)
    batch: int = 16
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup: float = 0.05
    clip: float = 1.0
    steps: int | None = None
    minutes: float | None = None
    precision: Literal["no", "bf16", "auto"] = "auto"
    threads: int = 0
    memory: float = 2.0
    log_every: int = 20
    save_every: float = 5.0
    probe_every: float = 0.0
    dtype: Literal["float16", "float32"] = "float16"
    licence: str = ""

    def __post_init__(self) -> None:
        for name in ("batch", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"distill.{name} is {getattr(self, name)}: expected 1 or more")
        for name in ("cosine", "freeze_steps", "weight_decay", "threads", "memory", "save_every", "probe_every"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"distill.{name} is {getattr(self, name)}: expected 0 or more")
        for name in ("learning_rate", "clip", "steps", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"distill.{name} is {value}: expected more than 0")
        if not self.crop >= 0.1:
            raise ConfigError(f"distill.crop is {self.crop}: clips need at least 0.1 s")
        if self.shortest is not None and not 0.1 <= self.shortest <= self.crop:
            raise ConfigError(f"distill.shortest is {self.shortest}: expected 0.1 to distill.crop, {self.crop}")
        if not 0.25 <= self.speed[0] <= self.speed[1] <= 4.0:
            raise ConfigError(f"distill.speed is {list(self.speed)}: expected [lowest, highest], from 0.25 to 4")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"distill.warmup is {self.warmup}: expected a share from 0 to below 1")

    @property
    def changeable(self) -> list[str]:
        """What may be changed in a resumed training, as the command line calls it."""
        return [f"distill.{name}" for name in CHANGEABLE]

    @property
    def most_minutes(self) -> float:
        """Minutes after which training ends; without end where only `steps` are given."""
        if self.minutes is None:
            return float("inf") if self.steps is not None else _MINUTES
        return self.minutes

    def done(self, step: int, minutes: float) -> float:
        """The share of the training that is behind, 0 to 1.

        Args:
            step: steps done
            minutes: spent, over all resumed runs
        """
        share = minutes / self.most_minutes
        return min(1.0, share if self.steps is None else max(share, step / self.steps))
