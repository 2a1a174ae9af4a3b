"""How far a student says what its teacher says, measured without labels.

    clips of some speakers --both encoders--> frames x, y --least squares--> a map for each pair of states
    clips of the others    --both encoders--> cosine(map(x), y), the mean over all frames

x and y are layer-normed frame by frame, as a distillation's heads and targets are (ser_tl.distill.lessons), so that a
mean cosine here and one in a training's log mean the same, but for the speech: a log's is what the student learns from.
The word is Stanton et al.'s (2021, "Does knowledge distillation really work?"): a student may do well at a task and yet
say other things than its teacher.
"""

from collections.abc import Iterator, Sequence

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional

from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import Batch, UtteranceDataset
from ser_tl.distill.lessons import aligned, without_positions
from ser_tl.encoders import Encoder, select_layers
from ser_tl.errors import SplitError, listing
from ser_tl.inference.clips import Pass, run_clips
from ser_tl.inference.processes import OneProcess

_BATCH_SECONDS = 30.0
_RIDGE = 1e-4  # of the mean square of a channel: keeps channels that say the same from being told apart by rounding


@torch.no_grad()
def fidelity(
    student: Encoder, teacher: Encoder, heard: Dataset, unheard: Dataset, layers: Sequence[int] | None = None
) -> Tensor:
    """The mean cosine of the teacher's states with the best linear guess at them from each of the student's.

    Args:
        student: left as it is
        teacher: likewise
        heard: clips the maps are fitted on
        unheard: clips of other speakers, on which the cosine is measured
        layers: of the student's states; all if None

    Returns:
        (L, L') float64: the student's chosen states by the teacher's states.

    Raises:
        ConfigError: the student has no such states
        SplitError: speakers in both sets of clips
    """
    shared = sorted(set(heard["speaker"][:]) & set(unheard["speaker"][:]))
    if shared:
        raise SplitError(
            f"{len(shared)} speakers are both in the clips that maps are fitted on and in those they are measured on: "
            f"divide by speaker (probe.protocol loso or kfold)\n{listing(shared)}"
        )
    chosen = select_layers(student.num_states, layers)
    maps = _maps(_frames(student, teacher, heard, chosen))
    total, number = torch.zeros(len(chosen), teacher.num_states, dtype=torch.float64), 0
    for said, taught in _frames(student, teacher, unheard, chosen):
        guesses = torch.einsum("lnw,lmwd->lmnd", said, maps)
        total += functional.cosine_similarity(guesses, taught[None], dim=-1).double().sum(dim=-1).cpu()
        number += taught.shape[1]
    return total / number


def _maps(frames: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """Least squares from each of the student's states to each of the teacher's, (L, L', W + 1, D)."""
    squares = products = torch.zeros((), dtype=torch.float64)
    for said, taught in frames:
        squares = squares + (said.mT @ said).double()
        products = products + torch.einsum("lnw,mnd->lmwd", said, taught).double()
    width = squares.shape[-1]
    ridge = _RIDGE * squares.diagonal(dim1=-2, dim2=-1).mean(dim=-1)
    squares = squares + ridge[:, None, None] * torch.eye(width, dtype=squares.dtype, device=squares.device)
    return torch.linalg.solve(squares[:, None], products).float()


def _frames(
    student: Encoder, teacher: Encoder, corpus: Dataset, layers: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """What both say of each batch: (L, N, W + 1), the last channel 1, and (L', N, D), over the frames both have."""
    clips = UtteranceDataset(corpus, [], AudioConfig(), training=False)
    device = next(student.parameters(), torch.empty(0)).device

    def frames(batch: Batch) -> tuple[Tensor, Tensor]:
        taught = teacher(batch.waveform, batch.lengths)
        taught.states[0] = without_positions(teacher, taught.states[0])
        told = student(batch.waveform, batch.lengths, layers)
        states, inside = aligned(taught.states, taught.mask, told.mask, teacher.frame_rate / student.frame_rate)
        return functional.pad(_normed(told.states, inside), (0, 1), value=1.0), _normed(states, inside)

    for step in run_clips([student, teacher], clips, frames, Pass(OneProcess(device), _BATCH_SECONDS)):
        yield step.value


def _normed(states: Tensor, mask: Tensor) -> Tensor:
    """The frames of a batch one after another, (L, N, D), each layer-normed."""
    return functional.layer_norm(states[:, mask].float(), states.shape[-1:])
