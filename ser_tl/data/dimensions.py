"""Dimensional annotations of a corpus: arousal, valence and dominance, on its own scale and perhaps not of every row.

    corpus, names --annotations()--> (rows, K), NaN where unknown

What can't be learned from is refused (`check_annotated`); single gaps are counted (`note_unknown`), and masked later
on. Independent of models.
"""

from collections.abc import Sequence

import numpy as np
from datasets import Dataset

from ser_tl.data.dimension_names import DIMENSIONS
from ser_tl.errors import ConfigError


def read_annotations(corpus: Dataset, names: Sequence[str]) -> np.ndarray:
    """The annotations of each row.

    Args:
        corpus: rows with the columns of `data.schema`
        names: of K dimensions; a column that isn't there is unknown throughout

    Returns:
        (rows, K) float64 on the corpus' own scale, NaN where unknown
    """
    values = np.full((len(corpus), len(names)), np.nan)
    for column, name in enumerate(names):
        if name in corpus.column_names:
            values[:, column] = np.array(corpus[name][:], dtype=np.float64)  # None becomes NaN
    return values


def check_annotated(corpus: Dataset, names: Sequence[str], part: str) -> None:
    """Refuses a corpus that dimensions can't be learned from, or chosen on.

    Args:
        corpus: rows with the columns of `data.schema`
        names: of the dimensions
        part: what the rows are for, for messages: training, dev

    Raises:
        ConfigError: a dimension that the corpus doesn't have, an infinite annotation, or fewer than two different ones
    """
    named = ", ".join(sorted(set(corpus["corpus"][:])))
    there = [name for name in DIMENSIONS if name in corpus.column_names]
    missing = [name for name in names if name not in there]
    if missing:
        instead = f"ask for those (dimensions.names '[{', '.join(there)}]')" if there else "leave dimensions.names out"
        raise ConfigError(
            f"{named}: no annotations of {', '.join(missing)}; of {', '.join(DIMENSIONS)} there are "
            f"{', '.join(there) or 'none'}: {instead}, choose another corpus, or, for data of your own, say which "
            f"column it is (`columns` '{{{missing[0]}: COLUMN}}')"
        )
    for name, column in zip(names, read_annotations(corpus, names).T, strict=True):
        annotated = column[~np.isnan(column)]
        if np.isinf(annotated).any():
            raise ConfigError(f"{named}: {name} is infinite in {int(np.isinf(annotated).sum())} rows, expected numbers")
        if len(np.unique(annotated)) < 2:
            raise ConfigError(
                f"{named}: {len(annotated)} of the {len(corpus)} {part} utterances have an annotation of {name}, with "
                f"{len(np.unique(annotated))} different values; expected two at least: leave {name} out of "
                f"dimensions.names, or split so that {part} speakers are annotated"
            )


def note_unknown(corpus: Dataset, names: Sequence[str], part: str) -> list[str]:
    """One note for each dimension that isn't known of every row.

    Args:
        corpus: rows with the columns of `data.schema`
        names: of the dimensions
        part: what the rows are for
    """
    counts = np.isnan(read_annotations(corpus, names)).sum(axis=0).tolist()
    return [
        f"{name} is unknown of {count} of the {len(corpus)} {part} utterances, which are left out of what is said of it"
        for name, count in zip(names, counts, strict=True)
        if count
    ]
