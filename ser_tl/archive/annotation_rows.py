"""A shard's rows: predictions beside their clips, as a table of Arrow.

    clips, predictions, flags --make_table--> id, path, start, end, label, probabilities, ... (docs/archives.md)

The table, and so the bytes of its file, depend on clips and predictions alone: no times, no names of machines.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ser_tl.archive.clip import Clip
from ser_tl.archive.description import Archive, ModelFacts, RowOptions
from ser_tl.inference import Prediction

if TYPE_CHECKING:
    import pyarrow as pa

META = b"ser_tl"
"""The key of a file's facts in Parquet's metadata."""


class Answered(NamedTuple):
    """What is known of a clip.

    Attributes:
        clip: the input
        prediction: the model's, or an error
        flags: of its sound (`quality.FLAGS`)
    """

    clip: Clip
    prediction: Prediction
    flags: list[str]


def make_schema(model: ModelFacts) -> "pa.Schema":
    """The columns of rows by this model."""
    import pyarrow as pa

    values = [("probabilities", model.labels), ("dimensions", model.dimensions)]
    nested = [pa.field(name, pa.struct([(item, pa.float32()) for item in names])) for name, names in values if names]
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            ("path", pa.string()),
            ("segment", pa.int32()),
            ("start", pa.float64()),
            ("end", pa.float64()),
            ("label", pa.string()),
            *nested,
            ("confidence", pa.float32()),
            ("calibrated", pa.bool_()),
            ("abstained", pa.bool_()),
            ("speech", pa.bool_()),
            ("quality", pa.list_(pa.string())),
            ("error", pa.string()),
            ("speaker", pa.string()),
            ("language", pa.string()),
            ("day", pa.string()),
            ("model", pa.string()),
        ]
    )


def make_table(answered: Sequence[Answered], archive: Archive, shard: int) -> "pa.Table":
    """The rows of a shard.

    Args:
        answered: its clips, in order
        archive: whose shard it is
        shard: its index
    """
    import pyarrow as pa

    rows = [row for item in answered for row in _make_rows(item, archive.model, archive.options)]
    facts = {
        "shard": shard,
        "inputs": archive.inputs[shard],
        "clips": len(answered),
        "errors": sum(item.prediction.error is not None for item in answered),
        "audio_seconds": round(sum(item.prediction.seconds for item in answered if not item.prediction.error), 3),
    }
    schema = make_schema(archive.model).with_metadata({META: json.dumps(facts)})
    return pa.Table.from_pylist(rows, schema=schema)


def _list_doubts(prediction: Prediction) -> list[str]:
    doubts = {"too short": prediction.too_short, "unlike training": prediction.unlike_training}
    return [name for name, holds in doubts.items() if holds]


def _make_rows(item: Answered, model: ModelFacts, options: RowOptions) -> Iterator[dict[str, Any]]:
    clip, prediction, flags = item
    first = clip.start or 0.0
    row: dict[str, Any] = {
        "id": clip.id,
        "path": clip.path if clip.reader != "lhotse" else None,
        "start": first,
        "end": None if prediction.error else first + prediction.seconds,
        "label": None,
        "confidence": None,
        "calibrated": model.calibrated,
        "abstained": False,
        "speech": None if prediction.error else prediction.speech,
        "quality": [*flags, *_list_doubts(prediction)],
        "error": prediction.error,
        "speaker": clip.speaker,
        "language": clip.language,
        "day": clip.day,
        "model": model.sha256[:16],
    }
    if not (options.segments and prediction.segments):
        answer = _answer(prediction.label, prediction.probabilities, prediction.dimensions, options)
        if prediction.abstained:
            answer["abstained"] = True
        yield row | (answer if prediction.error is None and prediction.speech else {})
        return
    for index, part in enumerate(prediction.segments):
        answer = _answer(part.label, part.probabilities, part.dimensions, options) if part.speech else {}
        spans = {"segment": index, "start": first + part.start, "end": first + part.end, "speech": part.speech}
        yield row | spans | answer


def _answer(
    label: str, probabilities: dict[str, float], dimensions: dict[str, float], options: RowOptions
) -> dict[str, Any]:
    confidence = max(probabilities.values(), default=None)
    return {
        "label": label or None,
        "probabilities": probabilities or None,
        "dimensions": dimensions or None,
        "confidence": confidence,
        "abstained": confidence is not None and confidence < options.abstain_below,
    }
