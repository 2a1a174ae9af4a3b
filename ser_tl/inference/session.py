"""What a predictor needs of a model, whatever computes it.

    Session.run(waveform (B, N), lengths (B,)) -> Answers: probabilities (B, C), ...

`torch_session` computes in torch, `onnx_session` an exported graph without it. Knows arrays alone.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from ser_tl.assets import asset
from ser_tl.data.audio_config import AudioConfig
from ser_tl.errors import ConfigError
from ser_tl.inference.manifest import is_exported
from ser_tl.inference.speaker import Speaker
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.stitching import Stitching

if TYPE_CHECKING:
    from ser_tl.model import EmotionModel

BUNDLED = "emodb_model"
"""The model that comes with the package."""

BUNDLED_INT8 = "emodb_model_int8"
"""The same, exported with weights in INT8: a server starts with it in a second, where torch takes six."""


class OutputRequest(NamedTuple):
    """What is asked for besides probabilities and dimensions.

    Attributes:
        embedding: the head's input
        attention: the weight of each frame
    """

    embedding: bool = False
    attention: bool = False


class SessionOutput(NamedTuple):
    """What a model says of a batch of windows.

    Attributes:
        probabilities: (B, C) float32, each row adding up to 1; C is 0 for a model of dimensions alone
        dimensions: (B, K) float32; K is 0 for a model without
        embedding: (B, E) float32, if wanted
        attention: B arrays (T,), if wanted
        outlier: (B,) float32, how unlike the training data, of models that have such a score
        speech: (B,) seconds of speech that the model's gate found; None from a model without one
    """

    probabilities: np.ndarray
    dimensions: np.ndarray
    embedding: np.ndarray | None = None
    attention: list[np.ndarray] | None = None
    outlier: np.ndarray | None = None
    speech: np.ndarray | None = None

    def rows(self) -> Iterator["ClipOutput"]:
        """The answer for each window."""
        for row in range(len(self.probabilities)):
            yield ClipOutput(
                self.probabilities[row],
                self.dimensions[row],
                None if self.embedding is None else self.embedding[row],
                None if self.attention is None else self.attention[row],
                None if self.outlier is None else float(self.outlier[row]),
                None if self.speech is None else float(self.speech[row]),
            )


class ClipOutput(NamedTuple):
    """What a model says of one window: a row of `Answers`."""

    probabilities: np.ndarray
    dimensions: np.ndarray
    embedding: np.ndarray | None
    attention: np.ndarray | None
    outlier: float | None = None
    speech: float | None = None


@runtime_checkable
class Session(Protocol):
    """A model that can be asked.

    Attributes:
        labels: the emotions, in the order of the probabilities
        dimensions: names of the dimensions, in their order
        audio: how recordings are cut
        frame_rate: frames a second, for attention

    One whose probabilities are calibrated has the attribute `calibration` besides; see `find_calibration`.
    """

    labels: list[str]
    dimensions: list[str]
    audio: AudioConfig
    frame_rate: float

    def run(self, waveform: np.ndarray, lengths: np.ndarray, wanted: OutputRequest, norm: Any = None) -> SessionOutput:  # noqa: ANN401
        """Answers for padded windows.

        Args:
            waveform: (B, N) float32 at 16 kHz, zeros behind each window's end
            lengths: (B,) samples
            wanted: what is asked for besides
            norm: from `measure_norm`
        """
        ...

    def measure_norm(self, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Any:  # noqa: ANN401
        """The statistics of one speaker, for `run`.

        Args:
            batches: waveform and lengths of all the speaker's windows

        Raises:
            ConfigError: the model takes none
        """
        ...

    def check_attention(self) -> None:
        """Refuses attention weights where the pooling has none.

        Raises:
            ConfigError: it weighs all frames alike
        """
        ...


@runtime_checkable
class EnrolmentSession(Protocol):
    """A model that takes enrolled speakers, as far as it was trained for them.

    Attributes:
        speaker_digest: of the model, which tells their speakers from other models'; a ConfigError where it takes none
    """

    @property
    def speaker_digest(self) -> str:
        """Sixteen hexadecimal digits."""
        ...

    @property
    def class_means(self) -> np.ndarray:
        """What a label explains of a clip's embedding, (C, E) in the order of the labels."""
        ...

    def speaker_norm(self, speaker: Speaker) -> Any:  # noqa: ANN401
        """The statistics of a speaker, for `Session.run`.

        Raises:
            ConfigError: the speaker is another model's
        """
        ...


@runtime_checkable
class StitchedSession(Protocol):
    """A model that was fitted on clips encoded in pieces, so that a stream encodes each piece once.

    Attributes:
        stitching: the pieces; None of a model that encodes clips whole
        frame_rate: frames a second
    """

    stitching: Stitching | None
    frame_rate: float

    def encode_frames(self, samples: np.ndarray) -> np.ndarray:
        """The pooling's input (T, W) of one piece (N,), all frames of the encoder."""
        ...

    def classify_frames(self, frames: np.ndarray) -> SessionOutput:
        """The answer for the frames (T, W) of one window, one row."""
        ...


def find_enrolment(session: Session) -> EnrolmentSession:
    """The session, if it takes enrolled speakers.

    Raises:
        ConfigError: it takes none
    """
    if not isinstance(session, EnrolmentSession):
        raise ConfigError(
            "speaker: an exported graph holds the training speech's statistics and takes no speaker's: predict with "
            "the saved model (runs/NAME/model), or leave the speaker out"
        )
    return session


def find_calibration(session: Session) -> Calibration | None:
    """The calibration of a session's probabilities; None where they never had one."""
    return getattr(session, "calibration", None)


def find_batch_seconds(session: Session) -> float:
    """Seconds of audio up to which windows are cheaper together than alone; infinite where a session says nothing."""
    return getattr(session, "batch_seconds", math.inf)


def check_coverage(session: Session, coverage: float | None) -> None:
    """Refuses prediction sets that nothing vouches for.

    Args:
        session: whose probabilities they are made of
        coverage: share of recordings whose emotion is to be in their set; None for no sets

    Raises:
        ConfigError: a coverage that isn't kept, or a model without calibration
    """
    if coverage is None:
        return
    calibration = find_calibration(session)
    if calibration is None or calibration.sets is None:
        raise ConfigError(
            f"coverage {coverage:g}: this model was never calibrated, so it isn't known how large its sets have to "
            f"be: train it anew with this version (train.calibration), or leave coverage out"
        )
    calibration.sets.find(coverage)


def open_session(model: "EmotionModel | Session | str | Path | None", device: str | None = None) -> Session:
    """The session of a model.

    Args:
        model: a model in torch; a session; the folder of a saved or of an exported model; a name on a hub; the bundled
            model if None
        device: where a model in torch computes; a GPU if there is one, for a model that is loaded here

    Raises:
        CheckpointError: there is no such model, or it is damaged
        ConfigError: what computes an exported model isn't installed
        HubError: the hub can't be reached
    """
    if isinstance(model, str | Path) and is_exported(model):
        from ser_tl.inference.exported_session import open_exported

        return open_exported(Path(model), device)
    if model is None or isinstance(model, str | Path):
        return _torch_session(model).load_session(asset(BUNDLED) if model is None else model, device)
    if isinstance(model, Session):
        return model
    return _torch_session().TorchSession(model if device is None else model.to(device))


def _torch_session(model: str | Path | None = None) -> ModuleType:
    try:
        from ser_tl.inference import torch_session
    except ModuleNotFoundError as error:
        missing = model is not None and not Path(model).exists()
        prefix = f"{model}: no such folder; " if missing else f"{model}: no exported model; " if model else ""
        raise ConfigError(
            f"{prefix}a model that isn't exported needs torch and transformers, and {error.name} isn't installed here: "
            f"pip install ser_tl, or name the folder of an exported model (ser-tl export)"
        ) from error
    return torch_session
