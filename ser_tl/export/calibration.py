"""What every way to int8 shares: the speech that is measured, its form, and what is kept or said of the outcome."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import listing
from ser_tl.export import agreement
from ser_tl.export.agreement import Sample, Verdict

if TYPE_CHECKING:
    from datasets import Dataset


def default_corpus() -> "Dataset":
    """EMO-DB's bundled clips."""
    from ser_tl.corpora import load_corpus

    return load_corpus("emodb-mini")


def calibration_inputs(
    clips: Sequence[np.ndarray], seconds: float = 3.0, *, multiple: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Waveform (1, N) and lengths (1,) of each clip, repeated to one length.

    Args:
        clips: samples at 16 kHz
        seconds: of each
        multiple: of which their number is made, the last ones left out
    """
    count = round(seconds * SAMPLE_RATE)
    used = clips[: len(clips) // multiple * multiple]
    return [(np.resize(clip, count)[None].astype(np.float32), np.array([count], dtype=np.int64)) for clip in used]


def describe(tried: Sequence[Verdict], sample: Sample) -> dict[str, Any]:
    """What is kept of a quantisation, as JSON."""
    chosen = tried[-1]
    unit = "clips" if sample.seconds == Sample.seconds else f"pieces of {sample.seconds:g} s"
    notes = [f"Quantised to int8 on {sample.corpus}, {len(sample.calibration)} {unit} for calibration. {chosen}."]
    if sample.reference_count and chosen.uar_before is not None:
        notes.append(f"{sample.reference_count} of the clips are of speakers that the model was trained on.")
    notes += [f"Not good enough: {verdict}." for verdict in tried[:-1]]
    return {
        "way": chosen.way,
        "corpus": sample.corpus,
        "calibration_clips": len(sample.calibration),
        "chosen": chosen.to_dict(),
        "rejected": [verdict.to_dict() for verdict in tried[:-1]],
        "summary": " ".join(notes),
    }


def refusal(tried: Sequence[Verdict]) -> str:
    """Why no way was good enough, with what each cost."""
    return (
        f"quantize int8: no way leaves {100 * agreement.LEAST_AGREEMENT:g} % of the answers as they are and loses at "
        f"most {100 * agreement.MOST_LOST:g} point of UAR, so no file is left: export with `weights` float16, or "
        f"calibrate on speech like that which the model was trained on\n{listing(tried)}"
    )


class CalibrationReader:
    """Clips as onnxruntime's calibrator asks for them.

    Args:
        sample: has the clips
        stride: of which their number is a multiple
    """

    def __init__(self, sample: Sample, stride: int) -> None:
        self._inputs = calibration_inputs(sample.calibration, sample.seconds, multiple=stride)
        self._rest = iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Goes on with a part of the clips."""
        self._rest = iter(self._inputs[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next clip's inputs."""
        pair = next(self._rest, None)
        return None if pair is None else {"waveform": pair[0], "lengths": pair[1]}
