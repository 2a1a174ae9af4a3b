"""Predictions as rows of a table, JSON, JSON lines or CSV, on the terminal or in a file that grows as they come.

    Prediction --make_rows--> dictionaries --RowWriter.write--> text

A file that was cut off by a kill is gone on with: its whole rows stay, and their recordings aren't computed again.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from ser_tl.cli.table import print_table
from ser_tl.errors import ConfigError
from ser_tl.files import write_text
from ser_tl.inference import Prediction

Format = Literal["table", "json", "jsonl", "csv"]

NO_SPEECH = "(silence)"
"""What a table shows where there is no speech."""


def make_rows(prediction: Prediction, *, segments: bool = False, top: int | None = None) -> list[dict[str, Any]]:
    """The rows of a prediction.

    Args:
        prediction: of one recording
        segments: a row a window, with its start and end in seconds, instead of one for the recording
        top: the likeliest emotions only, so many
    """
    name = {"file": prediction.source}
    if prediction.error is not None:
        return [name | {"error": " ".join(prediction.error.split())}]  # one line, in CSV too
    if segments and prediction.segments:
        return [
            name
            | {"start": segment.start, "end": segment.end}
            | _answer(segment.label, segment.probabilities, segment.dimensions, segment.speech, top)
            for segment in prediction.segments
        ]
    row = name | _answer(prediction.label, prediction.probabilities, prediction.dimensions, prediction.speech, top)
    if prediction.outlier_score is not None:
        row |= {"outlier_score": round(prediction.outlier_score, 4), "unlike_training": prediction.unlike_training}
    if prediction.too_short:
        row["too_short"] = True
    if prediction.prediction_set:
        row |= {"prediction_set": list(prediction.prediction_set), "abstained": prediction.abstained}
    row["seconds"] = round(prediction.seconds, 3)
    if prediction.attention is not None and prediction.frame_seconds is not None:
        row["attention"] = [weights.tolist() for weights in prediction.attention]
        row["frame_seconds"] = [seconds.tolist() for seconds in prediction.frame_seconds]
    return [row]


def _answer(
    label: str, probabilities: Mapping[str, float], dimensions: Mapping[str, float], speech: bool, top: int | None
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if probabilities or not speech:
        likeliest = sorted(probabilities.items(), key=lambda item: -item[1])[:top]
        row |= {"label": label, "probabilities": dict(likeliest) if top else dict(probabilities)}
    if not speech:
        row["speech"] = False
    return row | ({"dimensions": dict(dimensions)} if dimensions else {})


class RowWriter:
    """Writes rows in a format.

    Args:
        kind: of the rows
        labels: the model's emotions, for the columns of tables
        dimensions: likewise
        output: a file; standard output if None
        identity: what the rows depend on besides the recording, as JSON; a file of another identity is refused
        sets: whether rows have prediction sets

    Raises:
        ConfigError: the file holds other rows, or can't be written to
    """

    def __init__(
        self,
        kind: Format,
        labels: Sequence[str],
        dimensions: Sequence[str],
        output: Path | None = None,
        identity: Mapping[str, Any] | None = None,
        *,
        sets: bool = False,
    ) -> None:
        self.kind = kind
        self.sets = sets
        self.labels = list(labels)
        self.dimensions = list(dimensions)
        self.output = output
        self.done: set[str] = set()
        self._rows: list[dict[str, Any]] = []
        self._stream: TextIO | None = None
        if output is not None and kind in ("jsonl", "csv"):
            self._open(output, dict(identity or {}))

    @property
    def columns(self) -> list[str]:
        """Of tables and CSV."""
        label = ["label", *self.labels] if self.labels else []
        sets = ["prediction_set", "abstained"] if self.sets else []
        return ["file", "start", "end", *label, *sets, *self.dimensions, "seconds", "speech", "error"]

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the rows of one recording; all at once, so that a kill leaves whole recordings."""
        if self.kind in ("table", "json"):
            self._rows += map(dict, rows)
            return
        text = "".join(self._line(row) for row in rows)
        if self._stream is None:
            if self.kind == "csv" and not self._rows:
                sys.stdout.write(self._csv(self.columns))
                self._rows.append({})
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            self._stream.write(text)
            self._stream.flush()

    def close(self) -> None:
        """Writes what waited for the last row."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())
            self._stream.close()
            return
        if self.kind == "json":
            self._put(json.dumps(self._rows, ensure_ascii=False, indent=1) + "\n")
        elif self.kind == "table" and self._rows:
            cells = [self._cells(row) for row in self._rows]
            used = [column for column in range(len(self.columns)) if any(row[column] for row in cells)]
            header = [self.columns[column] for column in used]
            picked = [[row[column] for column in used] for row in cells]
            if self.output is None:
                print_table(header, picked)
            else:
                self._put("\n".join("\t".join(row) for row in [header, *picked]) + "\n")

    def _put(self, text: str) -> None:
        if self.output is None:
            sys.stdout.write(text)
            return
        write_text(self.output, text)

    def _line(self, row: Mapping[str, Any]) -> str:
        if self.kind == "jsonl":
            return json.dumps(row, ensure_ascii=False) + "\n"
        return self._csv(self._values(row))

    def _values(self, row: Mapping[str, Any]) -> list[Any]:
        inner = {**row.get("probabilities", {}), **row.get("dimensions", {})}
        plain = {**inner, **{key: value for key, value in row.items() if not isinstance(value, dict)}}
        if "prediction_set" in plain:
            plain["prediction_set"] = " ".join(plain["prediction_set"])
        return [plain.get(column, "") for column in self.columns]

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        shown = dict(row) | ({} if row.get("speech", True) else {"label": NO_SPEECH, "speech": ""})
        shown.pop("seconds", None)
        return [f"{value:.3f}" if isinstance(value, float) else str(value) for value in self._values(shown)]

    @staticmethod
    def _csv(values: Sequence[Any]) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        return line.getvalue()

    def _open(self, output: Path, identity: dict[str, Any]) -> None:
        """Opens a file to go on with, and finds out which recordings it has."""
        meta_path = output.with_name(f"{output.name}.meta.json")
        identity |= {"format": self.kind, "columns": self.columns}
        if output.is_file() and output.stat().st_size:
            before = json.loads(meta_path.read_text(encoding="utf-8")) if meta_path.is_file() else None
            if before != identity:
                raise ConfigError(
                    f"--output {output} is there already, and was written by another model or with other options: "
                    f"name another file, or delete it"
                )
            self._keep_whole_rows(output)
        else:
            write_text(meta_path, json.dumps(identity) + "\n")
        fresh = not output.is_file() or not output.stat().st_size
        self._stream = output.open("a", encoding="utf-8", newline="")
        if fresh and self.kind == "csv":
            self._stream.write(self._csv(self.columns))

    def _keep_whole_rows(self, output: Path) -> None:
        """Cuts off what a kill left of a last row, and notes whose rows are there.

        The last recording's rows go as well: its recording is computed again.
        """
        content = output.read_bytes()
        content = content[: content.rfind(b"\n") + 1]
        lines = content.decode("utf-8").splitlines(keepends=True)
        if self.kind == "jsonl":
            names = [json.loads(line)["file"] for line in lines]
            rows = lines
            head: list[str] = []
        else:
            head, rows = lines[:1], lines[1:]
            names = [row[0] for row in csv.reader(rows)]
        last = names[-1] if names else None
        while names and names[-1] == last:  # of several rows a recording some may be missing
            names.pop()
            rows.pop()
        write_text(output, "".join([*head, *rows]))
        self.done = set(names)
