"""How well a student's states predict its teacher's, measured without labels.

    clips of some speakers --both encoders--> frames x, y --least squares--> a map for each pair of states
    clips of the others    --both encoders--> cosine(map(x), y), the mean over all frames

x and y are layer-normed frame by frame, as a distillation's heads and targets are (ser_tl.distill.feature_loss), so
that a mean cosine here and one in a training's log mean the same, but for the speech: a log's is what the student
learns from. The word is Stanton et al.'s (2021, "Does knowledge distillation really work?"): a student may do well at
a task and yet encode other things than its teacher.
"""

from collections.abc import Iterator, Sequence

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional

from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import Batch, UtteranceDataset
from ser_tl.distill.feature_loss import align_states, remove_positions
from ser_tl.encoders import Encoder, select_layers
from ser_tl.errors import SplitError, listing
from ser_tl.inference.clips import Pass, run_clips
from ser_tl.inference.processes import OneProcess

_BATCH_SECONDS = 30.0
_RIDGE = 1e-4  # of the mean square of a channel: keeps equal channels from being separated by rounding


@torch.no_grad()
def measure_fidelity(
    student: Encoder, teacher: Encoder, fitting: Dataset, held_out: Dataset, layers: Sequence[int] | None = None
) -> Tensor:
    """The mean cosine of the teacher's states with the best linear guess at them from each of the student's.

    Args:
        student: left as it is
        teacher: likewise
        fitting: clips the maps are fitted on
        held_out: clips of other speakers, on which the cosine is measured
        layers: of the student's states; all if None

    Returns:
        (L, L') float64: the student's chosen states by the teacher's states.

    Raises:
        ConfigError: the student has no such states
        SplitError: speakers in both sets of clips
    """
    shared = sorted(set(fitting["speaker"][:]) & set(held_out["speaker"][:]))
    if shared:
        raise SplitError(
            f"{len(shared)} speakers are both in the clips that maps are fitted on and in those they are measured on: "
            f"divide by speaker (probe.protocol loso or kfold)\n{listing(shared)}"
        )
    chosen = select_layers(student.num_states, layers)
    maps = _fit_maps(_frames(student, teacher, fitting, chosen))
    total, number = torch.zeros(len(chosen), teacher.num_states, dtype=torch.float64), 0
    for student_states, teacher_states in _frames(student, teacher, held_out, chosen):
        guesses = torch.einsum("lnw,lmwd->lmnd", student_states, maps)
        total += functional.cosine_similarity(guesses, teacher_states[None], dim=-1).double().sum(dim=-1).cpu()
        number += teacher_states.shape[1]
    return total / number


def _fit_maps(frames: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """Least squares from each of the student's states to each of the teacher's, (L, L', W + 1, D)."""
    squares = products = torch.zeros((), dtype=torch.float64)
    for student_states, teacher_states in frames:
        squares = squares + (student_states.mT @ student_states).double()
        products = products + torch.einsum("lnw,mnd->lmwd", student_states, teacher_states).double()
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
        teacher_output = teacher(batch.waveform, batch.lengths)
        teacher_output.states[0] = remove_positions(teacher, teacher_output.states[0])
        student_output = student(batch.waveform, batch.lengths, layers)
        states, inside = align_states(
            teacher_output.states, teacher_output.mask, student_output.mask, teacher.frame_rate / student.frame_rate
        )
        return functional.pad(_layer_norm(student_output.states, inside), (0, 1), value=1.0), _layer_norm(
            states, inside
        )

    for step in run_clips([student, teacher], clips, frames, Pass(OneProcess(device), _BATCH_SECONDS)):
        yield step.value


def _layer_norm(states: Tensor, mask: Tensor) -> Tensor:
    """The frames of a batch one after another, (L, N, D), each layer-normed."""
    return functional.layer_norm(states[:, mask].float(), states.shape[-1:])
