"""The loop over batches that everything which doesn't train goes through.

    (indices of clips, their batch) --run_batches(function)--> (indices, batch, value) --order_values--> in clip order

Prediction, evaluation, embeddings, statistics, probes and the feature cache differ in what is loaded and in the
function; how batches follow each other, in which mode and precision they are computed, and how answers find their clip
again is here. It needs no torch: `inference.clips` loads clips for models in torch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, NamedTuple, TypeVar

BatchT = TypeVar("BatchT")
ValueT = TypeVar("ValueT")


class Step(NamedTuple, Generic[BatchT, ValueT]):
    """What the function returned for a batch.

    Attributes:
        indices: of the clips in the batch
        batch: as it was loaded
        value: the function's
    """

    indices: Sequence[int]
    batch: BatchT
    value: ValueT


def run_batches(
    function: Callable[[BatchT], ValueT],
    batches: Iterable[tuple[Sequence[int], BatchT]],
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Step[BatchT, ValueT]]:
    """Applies a function to one batch after the other.

    Args:
        function: of a batch
        batches: the indices of the clips in a batch, and the batch; the next is loaded when the last one is done with
        context: entered around each call, such as a precision; never while the caller has the value
    """
    for indices, batch in batches:
        with context():
            value = function(batch)
        yield Step(indices, batch, value)


def order_values(values: Iterable[tuple[int, ValueT]]) -> list[ValueT]:
    """Values that came in any order, in the order of their clips.

    Args:
        values: index of a clip and its value, each clip once
    """
    return [value for _, value in sorted(values, key=lambda pair: pair[0])]
