"""`ser-tl predict`: the emotion in recordings, as rows that are written as they come.

[MODEL] RECORDING ... -> Predictor -> rows on standard output or in --output; errors on standard error
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.cli.inputs import LISTS, expand_inputs
from ser_tl.cli.rows import RowWriter, make_rows
from ser_tl.data.audio import SUFFIXES
from ser_tl.errors import ConfigError
from ser_tl.files import write_atomically
from ser_tl.inference import Prediction, Predictor, Speaker
from ser_tl.inference.bars import progress_bar
from ser_tl.inference.session import BUNDLED, OutputRequest
from ser_tl.terminal import is_quiet

_DEMONSTRATION = (
    "model: {} of ser_tl, a demonstration: seven acted emotions, German, ten speakers of EMO-DB; name a model of your "
    "own for anything else"
)


def predict(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Predicts every recording that can be used; status 1 if some can't, each named on standard error."""
    model, named = split_model(options.recordings, options.model)
    recordings = expand_inputs(named)
    predictor = Predictor(model, coverage=options.coverage)
    if model is None and not is_quiet():
        print(_DEMONSTRATION.format(BUNDLED), file=sys.stderr)
    if predictor.labels and not is_quiet():
        print(f"probabilities: {predictor.calibration}", file=sys.stderr)
    speaker = None if options.speaker is None else Speaker.load(options.speaker)
    identity = {"model": str(model or BUNDLED), "segments": options.segments, "top": options.top}
    identity |= {"speaker_normalize": options.speaker_normalize}
    identity |= {} if speaker is None else {"speaker": str(options.speaker)}
    identity |= {} if options.coverage is None else {"coverage": options.coverage}
    writer = RowWriter(
        options.format,
        predictor.labels,
        predictor.dimensions,
        options.output,
        identity,
        sets=options.coverage is not None,
    )
    if options.embeddings is None and not options.speaker_normalize:  # both need all recordings
        recordings = [
            recording for recording in recordings if not isinstance(recording, str) or recording not in writer.done
        ]
    wanted = OutputRequest(embedding=options.embeddings is not None, attention=options.attention)
    if options.speaker_normalize and speaker is not None:
        raise ConfigError("speaker_normalize takes the recordings' own statistics, and speaker an enrolled one's")
    if options.speaker_normalize:
        predictions = iter(
            predictor.predict(
                recordings,
                embedding=wanted.embedding,
                attention=wanted.attention,
                speaker_normalize=True,
                on_error="report",
            )
        )
    else:
        predictions = predictor.iterate(recordings, wanted=wanted, speaker=speaker, on_error="report")
    failed, short, embedded = 0, 0, []
    hidden = options.output is None and sys.stdout.isatty()
    for prediction in show_progress(predictions, len(recordings), hidden=hidden):
        if prediction.error is not None:
            failed += 1
            print(f"error: {prediction.error}", file=sys.stderr)
        short += prediction.too_short
        if prediction.source not in writer.done:
            writer.write(make_rows(prediction, segments=options.segments, top=options.top))
        if prediction.embedding is not None:
            embedded.append((prediction.source, prediction.embedding))
    writer.close()
    if short:
        print(
            f"note: {short} of {len(recordings)} recordings have less speech than this model judges well (too_short in "
            f"--format json): {predictor.calibration}",
            file=sys.stderr,
        )
    if options.embeddings is not None:
        _save_embeddings(options.embeddings, embedded)
    return 1 if failed else 0


def split_model(named: list[str], model: str | None) -> tuple[str | None, list[str]]:
    """Tells the model from the recordings: the first name is the model, unless it is a recording.

    Args:
        named: what stands on the command line
        model: of --model, before which nothing else is a model

    Returns:
        The model, None for the bundled one; and the recordings.

    Raises:
        ConfigError: a model and no recording
    """
    if model is not None or not _may_be_model(named[0]):
        return model, named
    if len(named) == 1:
        raise ConfigError(
            f"{named[0]} is taken for a model, and no recording is named: add files, folders, patterns or a list"
        )
    return named[0], named[1:]


def _may_be_model(name: str) -> bool:
    """Whether a name is a model's rather than a recording's."""
    path = Path(name)
    if name == "-" or path.is_file() or path.suffix.lower() in (*SUFFIXES, *LISTS):
        return False
    if path.is_dir():
        return not any(entry.suffix.lower() in SUFFIXES for entry in path.iterdir())
    return "*" not in name and "?" not in name


def show_progress(predictions: Iterable[Prediction], count: int, *, hidden: bool = False) -> Iterable[Prediction]:
    """Shows a bar with the time that is left on standard error, where that is a terminal.

    Args:
        predictions: as they come
        count: how many there will be
        hidden: show none: rows stand on the same terminal
    """
    try:
        return progress_bar(predictions, shown=not hidden, unit="recording", total=count)
    except ImportError:  # where exported models are predicted with, and no more
        return predictions


def _save_embeddings(path: Path, rows: Sequence[tuple[str, np.ndarray]]) -> None:
    names = [name for name, _ in rows]
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, files=names, embeddings=np.stack([row for _, row in rows]) if rows else np.zeros((0, 0)))
