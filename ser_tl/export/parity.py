"""Whether an exported graph gives the model's answers: alone, padded, in batches, at several lengths.

    measure_parity(model's session, graph's session) -> rows -> check_parity(rows, tolerance) -> parity_table(rows)

A graph can be recorded without a word and be wrong at any other length or batch than the recorded one, so this is part
of every export. The reference is always the model on the clip alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ExportError
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.session import OutputRequest, Session, SessionOutput
from ser_tl.inference.windows import pad
from ser_tl.reporting.text import table

ANY_FINITE = 1.0
"""Tolerance of what is judged by its answers on speech."""

_SAMPLES = (1_700, 2_560, 9_003, 16_000, 48_017)  # below the graph's shortest, on the hop, and off it
_LOOSER = 10.0  # times the tolerance for what has no bounds: embedding and dimensions, in units of their largest value
_WANTED = OutputRequest(embedding=True)


class Case(NamedTuple):
    """Clips that are computed together.

    Attributes:
        name: for the table
        clips: indices of the clips
        zeros: samples of zeros behind the longest
    """

    name: str
    clips: Sequence[int]
    zeros: int = 0


def measure_parity(model: Session, graph: ExportedSession) -> list[dict[str, Any]]:
    """The largest differences between a model and its graph, a row a case.

    Args:
        model: computes each clip alone
        graph: computes it alone, with zeros behind it, and in batches

    Returns:
        Rows as JSON: case, clips, seconds, probabilities, dimensions, embedding (largest absolute differences, the
        embedding's in units of its largest value), same (clips with the same answer).
    """
    clips = make_clips(min(model.audio.max_seconds * SAMPLE_RATE, graph.manifest.longest))
    references = [model.run(*pad([clip]), _WANTED) for clip in clips]
    return [_measure(case, clips, references, graph) for case in _cases(clips, graph.manifest.longest)]


def make_clips(longest: float) -> list[np.ndarray]:
    """Noise that swells and fades under a tone, of several lengths, and silence; reproducible.

    Args:
        longest: samples of the longest
    """
    counts = sorted({int(min(count, longest)) for count in (*_SAMPLES, longest)})
    counts = counts if len(counts) > 1 else [*counts, *counts]
    generator = np.random.default_rng(0)
    clips = []
    for count in counts:
        time = np.arange(count) / SAMPLE_RATE
        swell = 0.1 * (1.1 + np.sin(2 * np.pi * 1.7 * time))
        clip = swell * (np.sin(2 * np.pi * generator.uniform(90, 250) * time) + 0.5 * generator.standard_normal(count))
        clips.append(clip.astype(np.float32))
    return [*clips, np.zeros(min(16_000, int(longest)), np.float32)]


def _cases(clips: Sequence[np.ndarray], longest: int) -> Iterator[Case]:
    silent = len(clips) - 1
    for index, clip in enumerate(clips):
        yield Case("silence" if index == silent else "alone", [index])
        zeros = min(16_000, longest - len(clip))
        if zeros > 0:
            yield Case("silence, padded" if index == silent else "padded", [index], zeros)
    short = list(range(silent - 1))
    yield Case("two equal", [short[len(short) // 2]] * 2)
    yield Case("three, with the longest", [short[0], silent - 1, short[-1]])
    yield Case("all others, with silence", [*short, silent])
    yield Case("twice, reversed", [*short, *reversed(short)])


def _measure(
    case: Case, clips: Sequence[np.ndarray], references: Sequence[SessionOutput], graph: ExportedSession
) -> dict[str, Any]:
    waveform, lengths = pad([clips[index] for index in case.clips])
    answers = graph.run(np.pad(waveform, ((0, 0), (0, case.zeros))), lengths, _WANTED)
    expected = [references[index] for index in case.clips]
    probabilities = np.concatenate([answer.probabilities for answer in expected])
    seconds = sorted({round(len(clips[index]) / SAMPLE_RATE, 2) for index in case.clips})
    row: dict[str, Any] = {"case": case.name, "clips": len(case.clips), "seconds": [seconds[0], seconds[-1]]}
    if probabilities.shape[1]:
        row["probabilities"] = _difference(answers.probabilities, probabilities)
        row["same"] = int((answers.probabilities.argmax(axis=1) == probabilities.argmax(axis=1)).sum())
    dimensions = np.concatenate([answer.dimensions for answer in expected])
    if dimensions.shape[1]:
        row["dimensions"] = _relative(answers.dimensions, dimensions)
    outliers = [answer.outlier for answer in expected if answer.outlier is not None]
    if answers.outlier is not None:
        row["outlier"] = _relative(answers.outlier, np.concatenate(outliers))
    embeddings = [answer.embedding for answer in expected if answer.embedding is not None]
    if answers.embedding is not None:
        row["embedding"] = _relative(answers.embedding, np.concatenate(embeddings))
    return row


def _difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest; infinite where the shapes differ or a value isn't finite."""
    if actual.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(actual - expected).max())
    return largest if np.isfinite(largest) else float("inf")


def _relative(actual: np.ndarray, expected: np.ndarray) -> float:
    return _difference(actual, expected) / max(1.0, float(np.abs(expected).max()))


def check_parity(rows: Sequence[Mapping[str, Any]], tolerance: float) -> None:
    """Refuses a graph that gives other answers than the model.

    Args:
        rows: of `measure_parity`
        tolerance: the largest difference of a probability; ten times that for dimensions and embedding, relative to
            the largest

    Raises:
        ExportError: some row is out of tolerance
    """
    loose = {"probabilities": 1.0, "dimensions": _LOOSER, "embedding": _LOOSER, "outlier": 10 * _LOOSER}
    bad = [row for row in rows if any(not row.get(name, 0.0) <= loose[name] * tolerance for name in loose)]
    if bad:
        raise ExportError(
            f"the exported graph gives other answers than the model (largest difference allowed {tolerance:g}), so no "
            f"file is left: please report the encoder, network and pooling with this table\n{parity_table(bad)}"
        )


def parity_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    kinds = "probabilities", "dimensions", "embedding", "outlier"
    names = [name for name in kinds if any(name in row for row in rows)]
    header = ["case", "clips", "seconds", *names, "same answer"]
    cells = []
    for row in rows:
        low, high = row["seconds"]
        same = f"{row['same']} of {row['clips']}" if "same" in row else ""
        differences = [f"{row[name]:.1e}" for name in names]
        span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        cells.append([row["case"], str(row["clips"]), span, *differences, same])
    return table(header, cells)
