"""`ser-tl embed`: the embeddings of recordings that have no labels, into one file.

[MODEL] RECORDING ... -> Predictor -> FILE.npz, FILE.parquet or FILE.csv; errors on standard error
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.cli.inputs import expand_inputs
from ser_tl.cli.predict import show_progress, split_model
from ser_tl.errors import ConfigError
from ser_tl.files import write_atomically
from ser_tl.inference import Predictor
from ser_tl.inference.embedding import EmbeddingRow, embedding_rows, stack_rows
from ser_tl.inference.session import BUNDLED, OutputRequest

_FORMATS = (".npz", ".parquet", ".csv")


def embed(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Embeds every recording that can be used; status 1 if some can't, each named on standard error."""
    if options.output.suffix.lower() not in _FORMATS:
        raise ConfigError(f"--output {options.output}: expected a file that ends with {' or '.join(_FORMATS)}")
    model, named = split_model(options.recordings, options.model)
    recordings = expand_inputs(named)
    predictor = Predictor(model)
    if options.speaker_normalize:
        predictions = iter(predictor.predict(recordings, embedding=True, speaker_normalize=True, on_error="report"))
    else:
        predictions = predictor.iterate(recordings, wanted=OutputRequest(embedding=True), on_error="report")
    rows: list[EmbeddingRow] = []
    failed = 0
    for prediction in show_progress(predictions, len(recordings)):
        if prediction.error is None:
            rows += embedding_rows(prediction, segments=options.segments)
        else:
            failed += 1
            print(f"error: {prediction.error}", file=sys.stderr)
    if rows:
        values = stack_rows([(row.file, row.values) for row in rows])
        _save(options.output, rows, values, model or BUNDLED)
        print(f"{options.output}: {len(rows)} embeddings of {values.shape[1]} values", file=sys.stderr)
    return 1 if failed else 0


def _save(path: Path, rows: Sequence[EmbeddingRow], values: np.ndarray, model: str) -> None:
    """Writes the table in the format that the file's name ends with."""
    columns = {
        "file": [row.file for row in rows],
        "start": [row.start for row in rows],
        "end": [row.end for row in rows],
        "speech": [row.speech for row in rows],
    }
    with write_atomically(path) as part:
        if path.suffix.lower() == ".npz":
            with part.open("wb") as stream:  # the names of `ser-tl predict --embeddings`
                np.savez(
                    stream,
                    files=columns["file"],
                    starts=columns["start"],
                    ends=columns["end"],
                    speech=columns["speech"],
                    embeddings=values,
                    model=model,
                )
        elif path.suffix.lower() == ".parquet":
            _write_parquet(part, columns, values, model)
        else:
            with part.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow([*columns, *(f"embedding_{index}" for index in range(values.shape[1]))])
                for row, vector in zip(rows, values.tolist(), strict=True):
                    writer.writerow([row.file, row.start, row.end, str(row.speech).lower(), *vector])


def _write_parquet(path: Path, columns: dict[str, list[Any]], values: np.ndarray, model: str) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("a .parquet file needs pyarrow: `pip install pyarrow`, or write .npz or .csv") from error
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    table = pa.table({**columns, "embedding": vectors}).replace_schema_metadata({"model": model})
    parquet.write_table(table, path)
