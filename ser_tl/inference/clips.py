"""Clips of a corpus through a model in torch, by all processes together.

    Clips -> plan_batches -> this process' batches -> run_batches(function) -> values, in the clips' order

Every clip goes through exactly one process and nothing is repeated to fill a last batch, so any number of processes
gives the same figures.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ser_tl.data.batch_plan import BatchPlan, average_windows, plan_batches
from ser_tl.data.batching import Batch, Clips, make_loader
from ser_tl.encoders import EncoderOutput, OnMel
from ser_tl.inference.bars import progress_bar
from ser_tl.inference.loop import Step, order_values, run_batches
from ser_tl.inference.processes import Processes
from ser_tl.model import EmotionModel, Output
from ser_tl.modules.feature_norm import NormTable, SpeakerNorm

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Pass:
    """How clips go through a model.

    Args:
        processes: who shares the work
        batch_seconds: the most seconds of audio in a batch, padding counted
        workers: processes that decode beside each of them
        progress: what a bar with the time that is left is called, on a terminal; no bar if empty
    """

    processes: Processes
    batch_seconds: float = 60.0
    workers: int = 0
    progress: str = ""


class CollectedValues(NamedTuple):
    """Values of all clips, in their order.

    Attributes:
        ids: of the utterance that each clip is, or is a window of
        labels: (n,) class indices, -1 where unknown
        values: (n, ...)
    """

    ids: list[str]
    labels: np.ndarray
    values: np.ndarray

    def by_utterance(self, order: Sequence[str]) -> np.ndarray:
        """The mean of each utterance's windows, in the order of these ids."""
        return average_windows(self.ids, self.values, order)


@contextmanager
def evaluation_mode(*modules: nn.Module) -> Generator[None]:
    """Evaluation mode for modules, each of which goes back to its own mode after it."""
    modes = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)


def run_clips(
    modules: Sequence[nn.Module],
    clips: Clips,
    function: Callable[[Batch], ValueT],
    how: Pass,
    *,
    chosen: Sequence[int] | None = None,
    autocast: bool = True,
) -> Iterator[Step[Batch, ValueT]]:
    """Applies a function to this process' batches of clips: in evaluation mode, without gradients.

    Args:
        modules: what the function calls; in evaluation mode as long as the iteration goes on
        clips: what is computed
        function: of a batch on the processes' device
        how: the processes, and the size of batches
        chosen: indices of the clips; all if None
        autocast: in the processes' precision; else in the model's own
    """
    plan = plan_evaluation(clips, how, chosen)
    batches = load_batches(clips, plan, how)
    count = sum(len(step[how.processes.process_index]) for step in plan)
    shown = bool(how.progress) and how.processes.process_index == 0
    bar = progress_bar(description=how.progress, shown=shown, total=count)
    with bar, evaluation_mode(*modules):
        for step in run_batches(function, batches, partial(inference_context, how, autocast=autocast)):
            yield step
            bar.update(len(step.indices))


def plan_evaluation(clips: Clips, how: Pass, chosen: Sequence[int] | None = None) -> BatchPlan:
    """Which clips go into which batch, of which process.

    Args:
        clips: what is computed
        how: the processes, and the size of batches
        chosen: indices of the clips; all if None
    """
    seconds = clips.seconds
    indices = range(len(clips)) if chosen is None else chosen
    plan = plan_batches([seconds[index] for index in indices], how.batch_seconds, processes=how.processes.num_processes)
    return [[[indices[row] for row in batch] for batch in step] for step in plan]


def load_batches(clips: Clips, plan: BatchPlan, how: Pass) -> Iterator[tuple[list[int], Batch]]:
    """This process' batches of a plan on its device, with the indices of their clips."""
    process = how.processes.process_index
    indices_of_batches = [step[process] for step in plan if step[process]]
    loaded = make_loader(clips, plan, process=process, workers=how.workers)
    return (
        (indices, batch.to(how.processes.device)) for indices, batch in zip(indices_of_batches, loaded, strict=True)
    )


@contextmanager
def inference_context(how: Pass, *, autocast: bool = True) -> Generator[None]:
    """No gradients, in the processes' precision or the model's own."""
    with torch.no_grad(), how.processes.autocast() if autocast else nullcontext():
        yield


def collect_clips(
    modules: Sequence[nn.Module], clips: Clips, function: Callable[[Batch], Tensor], how: Pass
) -> CollectedValues:
    """A function's values for all clips. Every process calls it and gets the whole.

    Args:
        modules: what the function calls
        clips: what is computed
        function: (B, ...) of a batch
        how: the processes, and the size of batches
    """
    collected: list[tuple[int, tuple[str, int, np.ndarray]]] = []
    for indices, batch, value in run_clips(modules, clips, function, how):
        # Half precision has no numpy type that every consumer takes; double stays double.
        rows = (value if value.dtype == torch.float64 else value.float()).cpu().numpy()
        collected += zip(indices, zip(batch.ids, batch.labels.tolist(), rows, strict=True), strict=True)
    # Objects rather than tensors: processes have different numbers of clips, perhaps none.
    ids, labels, rows = zip(*order_values(how.processes.gather(collected)), strict=True)
    return CollectedValues(list(ids), np.array(labels), np.stack(rows))


def encode_batch(model: EmotionModel, batch: Batch, on_mel: OnMel | None = None) -> EncoderOutput:
    """The states of the layers that a model uses, as the batch brings them or as the encoder computes them.

    Args:
        model: the model
        batch: clips, or states of them
        on_mel: augmentation of the log-mel spectrogram, in training
    """
    if batch.states is None or batch.mask is None:
        clips = model.front(batch.waveform, batch.lengths)
        return model.encode(clips.waveform, clips.lengths, on_mel)
    if list(batch.layers) == model.layers:
        return EncoderOutput(batch.states, batch.mask)
    return model.complete_states(dict(zip(batch.layers, batch.states, strict=True)), batch.mask)


def pool_batch(model: EmotionModel, batch: Batch, norm: SpeakerNorm | None = None) -> Tensor:
    """The pooled frames of a batch (B, E), before they are normalised."""
    states, mask = encode_batch(model, batch)
    return model.pooling(*model.frames(model.normalize_states(states, norm), mask))


def embed_batch(model: EmotionModel, batch: Batch, norms: NormTable | None = None) -> Tensor:
    """The head's input (B, E).

    Args:
        model: the model
        batch: clips, or states of them
        norms: statistics of the speakers or corpora that `Batch.domains` names
    """
    norm = batch_norm(model, batch, norms)
    return model.normalize_embedding(pool_batch(model, batch, norm), norm)


def forward_batch(model: EmotionModel, batch: Batch, norms: NormTable | None = None) -> Output:
    """The model's output for a batch; arguments as of `embed_batch`."""
    return model.forward_states(*encode_batch(model, batch), batch_norm(model, batch, norms))


def batch_norm(model: EmotionModel, batch: Batch, norms: NormTable | None) -> SpeakerNorm | None:
    """The statistics of each clip's own speaker or corpus; None where no clip has any."""
    if norms is None:
        return None
    return norms.lookup(batch.domains, model.standardise_states, model.standardise_embedding)
