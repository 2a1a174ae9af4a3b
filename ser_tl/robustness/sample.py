"""The clips of a corpus that a model is checked on, decoded once.

corpus (rows with the columns of `data.schema`) --read_sample--> Sample
"""

import numpy as np
from datasets import Dataset

from ser_tl.data import audio
from ser_tl.data.checks import audio_source
from ser_tl.errors import ConfigError
from ser_tl.robustness.measure import Sample

MALE = {
    "emodb": {"03", "10", "11", "12", "15"},
    "ravdess": {f"{number:02}" for number in range(1, 25, 2)},
}
"""Male speakers by the last digits of their names, of corpora whose readers have no column for it."""


def read_sample(corpus: Dataset, columns: list[str], most: int | None = None, seed: int = 0) -> Sample:
    """Decodes clips.

    Args:
        corpus: the rows
        columns: whose groups are compared, beside sex and language where they are known
        most: clips at most, drawn evenly over speakers; all if None
        seed: of the draw

    Raises:
        ConfigError: the corpus lacks a column
        AudioError: a clip can't be decoded
    """
    missing = sorted(set(columns) - set(corpus.column_names))
    if missing:
        raise ConfigError(
            f"by {', '.join(missing)}: the corpus has no such column: it has {', '.join(corpus.column_names)}"
        )
    if most is not None and most < len(corpus):
        corpus = corpus.select(_spread(corpus["speaker"][:], most, seed))
    groups = {name: [str(value) for value in corpus[name][:]] for name in ["language", *columns]}
    sexes = _sexes(corpus)
    if "sex" not in groups and sexes is not None:
        groups["sex"] = sexes
    return Sample(
        ids=corpus["id"][:],
        clips=[audio.decode(audio_source(row), row["start"], row["end"]) for row in corpus],
        emotions=corpus["emotion"][:],
        speakers=corpus["speaker"][:],
        groups=groups,
    )


def _spread(speakers: list[str], most: int, seed: int) -> list[int]:
    """So many rows, each speaker's turn coming round; in the corpus' order."""
    order = np.random.default_rng(seed).permutation(len(speakers))
    turns: dict[str, int] = {}
    ranked = []
    for index in order.tolist():
        turns[speakers[index]] = turns.get(speakers[index], 0) + 1
        ranked.append((turns[speakers[index]], index))
    return sorted(index for _, index in sorted(ranked)[:most])


def _sexes(corpus: Dataset) -> list[str] | None:
    """Each row's, from a column or from what is known of a corpus; None where it isn't."""
    if "sex" in corpus.column_names:
        return [str(value) for value in corpus["sex"][:]]
    sexes = []
    for name, speaker in zip(corpus["corpus"][:], corpus["speaker"][:], strict=True):
        family = next((prefix for prefix in MALE if name.startswith(prefix)), None)
        if family is None:
            return None
        sexes.append("male" if speaker[-2:] in MALE[family] else "female")
    return sexes
