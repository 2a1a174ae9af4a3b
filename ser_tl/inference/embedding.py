"""Embeddings of predictions, as a matrix or as the rows of a table.

predictions --stack_embeddings()--> (n, E)        prediction --embedding_rows()--> a row a recording or a segment
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ser_tl.errors import AudioError
from ser_tl.inference.prediction import Prediction


class EmbeddingRow(NamedTuple):
    """The embedding of a recording, or of a segment of it.

    Attributes:
        file: the recording's name
        start: seconds into the recording
        end: likewise
        speech: False where it is silent
        values: (E,); None where it is silent
    """

    file: str
    start: float
    end: float
    speech: bool
    values: np.ndarray | None


def embedding_rows(prediction: Prediction, *, segments: bool) -> Iterator[EmbeddingRow]:
    """A row for a recording, or one for each of its segments; a silent recording is a single row.

    Args:
        prediction: with its embedding, unless it is silent
        segments: one for each segment
    """
    if segments and prediction.segments:
        for segment in prediction.segments:
            yield EmbeddingRow(prediction.source, segment.start, segment.end, segment.speech, segment.embedding)
    else:
        yield EmbeddingRow(prediction.source, 0.0, prediction.seconds, prediction.speech, prediction.embedding)


def stack_embeddings(predictions: Sequence[Prediction]) -> np.ndarray:
    """The embeddings (n, E) float32; a row is NaN where a prediction has none.

    Raises:
        AudioError: there are predictions, and none has an embedding
    """
    return stack_rows([(prediction.source, prediction.embedding) for prediction in predictions])


def stack_rows(rows: Sequence[tuple[str, np.ndarray | None]]) -> np.ndarray:
    """Embeddings (n, E) float32 of names and vectors; a row is NaN where a vector is None.

    Raises:
        AudioError: there are rows, and none has a vector
    """
    widths = {len(vector) for _, vector in rows if vector is not None}
    if rows and not widths:
        raise AudioError(
            f"there is speech in none of {len(rows)} recordings (the first is {rows[0][0]}), so there is nothing to "
            f"embed: check their level and channel"
        )
    missing = np.full(max(widths, default=0), np.nan, dtype=np.float32)
    return np.stack([missing if vector is None else vector for _, vector in rows]) if rows else np.zeros((0, 0))
