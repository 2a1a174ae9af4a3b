"""What a model hears in one recording.

    path or samples -> windows -> model -> mean of the windows' probabilities and dimensions -> Prediction

Recordings longer than `audio.max_seconds` are cut as evaluation cuts them, so that a report holds for what a model says
of a recording. A few windows at a time go through the model: an hour takes no more memory than a minute. Several
recordings of one voice or room can lend each other its mean and deviation (`measure_together`). Knows audio and the
model's parts, nothing of training.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ser_tl.data import audio
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Batch, Clip, collate
from ser_tl.errors import AudioError, ConfigError
from ser_tl.pooling import FrameScore
from ser_tl.standardise import Moments

if TYPE_CHECKING:
    from ser_tl.model.emotion import EmotionModel, Output

_BATCH_SECONDS = 60.0  # of one recording's audio that goes through the model at once


@dataclass(frozen=True)
class Prediction:
    """What the model hears in one recording.

    Args:
        label: the likeliest emotion; empty from a model of dimensions alone
        probabilities: by emotion, adding up to 1; empty likewise
        attention: (windows, T) weight of each frame, adding up to 1 in each window; only if asked for
        frame_seconds: (windows, T) when each frame begins, seconds into the recording; only if asked for
        dimensions: arousal, valence or dominance by name, on the scale of the training corpus; empty if the model tells
            none
    """

    label: str
    probabilities: dict[str, float]
    attention: list[np.ndarray] | None = None
    frame_seconds: list[np.ndarray] | None = None
    dimensions: dict[str, float] = field(default_factory=dict)


Recording = str | Path | np.ndarray
"""A path, or mono samples (N,) at 16 kHz."""


def has_attention(model: "EmotionModel") -> bool:
    """Whether the model's pooling weighs frames."""
    return any(isinstance(module, FrameScore) for module in model.pooling.modules())


def frame_score(model: "EmotionModel") -> Callable[[Tensor, Tensor], Tensor]:
    """The part of the model's pooling that weighs frames.

    Raises:
        ConfigError: the pooling weighs all frames alike
    """
    score = next((module for module in model.pooling.modules() if isinstance(module, FrameScore)), None)
    if score is None:
        names = "attention or attentive-stats"
        raise ConfigError(f"the model's pooling, {model.pooling_name!r}, has no attention: train one with {names}")
    return score


@torch.inference_mode()
def measure_together(model: "EmotionModel", recordings: Sequence[Recording], name: str) -> None:
    """Measures the statistics of a domain, as `training.domains` does of a corpus' speakers.

    Args:
        model: a model in evaluation mode that standardises
        recordings: of one speaker, or one room; the more, and the more alike in number its emotions, the better
        name: of the domain; `predict_recording` takes it

    Raises:
        AudioError: a recording can't be used
        ConfigError: the model doesn't standardise
    """
    if model.standardise_states is None or model.standardise_embedding is None:
        raise ConfigError("model.standardise is false: this model has no statistics that recordings could share")
    batches = [batch for recording in recordings for _, batch in _windows(model, recording, name)]
    moments = []
    for batch in batches:
        states, mask = model.states(batch.to(model.device))
        moments.append(Moments.of(states[:, mask].transpose(0, 1)[:, :, None, None]))  # of (frames, L, 1, 1, D)
    model.standardise_states.set_domain(name, reduce(Moments.plus, moments))
    moments = [Moments.of(model.pooling(*model.frames(batch.to(model.device)))) for batch in batches]
    model.standardise_embedding.set_domain(name, reduce(Moments.plus, moments))


@torch.inference_mode()
def predict_recording(
    model: "EmotionModel",
    recording: Recording,
    score: Callable[[Tensor, Tensor], Tensor] | None = None,
    domain: str = "",
) -> Prediction:
    """What a model in evaluation mode hears.

    Args:
        model: the model
        recording: a path, or mono samples (N,) at 16 kHz
        score: from `frame_score`, to tell how much each frame counted
        domain: whose statistics it is standardised by, if `measure_together` has measured some

    Raises:
        AudioError: the recording can't be used
    """
    outputs: list[Output] = []
    weights: list[np.ndarray] = []
    begins: list[np.ndarray] = []
    for starts, batch in _windows(model, recording, domain):
        frames, mask = model.frames(batch.to(model.device))
        outputs.append(model.read(model.embed(frames, mask, batch.domains)))
        if score is not None:
            rows = zip(starts, score(frames, mask)[..., 0].float().cpu(), mask.cpu(), strict=True)
            for start, weight, speech in rows:
                weights.append(weight[speech].numpy())
                begins.append(start + np.arange(int(speech.sum())) / model.frame_rate)
    probabilities = torch.cat([output.logits for output in outputs]).float().softmax(dim=-1).mean(dim=0).cpu()
    told = [output.dimensions for output in outputs if output.dimensions is not None]
    dimensions = torch.cat(told).mean(dim=0).tolist() if told else []
    return Prediction(
        label=model.labels[int(probabilities.argmax())] if model.labels else "",
        probabilities=dict(zip(model.labels, probabilities.tolist(), strict=True)),
        attention=None if score is None else weights,
        frame_seconds=None if score is None else begins,
        dimensions=dict(zip(model.dimensions, dimensions, strict=True)),
    )


def _windows(model: "EmotionModel", recording: Recording, domain: str) -> Iterator[tuple[list[float], Batch]]:
    """A recording's windows, a batch at a time, and when each begins, in seconds."""
    waveform = _waveform(recording)
    spans = model.audio.parts(len(waveform) / SAMPLE_RATE)
    size = max(1, int(_BATCH_SECONDS / model.audio.max_seconds))
    for first in range(0, len(spans), size):
        few = spans[first : first + size]
        cuts = [waveform[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] for start, end in few]
        heard = [torch.from_numpy(audio.normalise(cut, model.audio.normalise)) for cut in cuts]
        yield [start for start, _ in few], collate([Clip(one, -1, "", domain=domain) for one in heard])


def _waveform(recording: Recording) -> np.ndarray:
    if isinstance(recording, str | Path):
        return audio.decode(recording)
    if not isinstance(recording, np.ndarray):
        raise AudioError(
            f"a recording of type {type(recording).__name__}: expected a path or a numpy array of mono samples "
            f"(N,) as floats in [-1, 1] at 16 kHz; a tensor's .numpy() is one"
        )
    if recording.ndim != 1 or not np.issubdtype(recording.dtype, np.floating) or not len(recording):
        raise AudioError(
            f"samples of shape {recording.shape} and type {recording.dtype}: expected mono samples (N,) as floats "
            f"in [-1, 1] at 16 kHz; integers divide by their largest value, channels average"
        )
    if not np.isfinite(recording).all():
        raise AudioError("the samples have values that are NaN or infinite: record or compute them again")
    if np.abs(recording).max() <= audio.SILENCE:
        raise AudioError(
            f"the samples are silent, none above {audio.SILENCE:g} (-80 dBFS): expected floats in [-1, 1]; leave "
            f"silent recordings out"
        )
    return recording.astype(np.float32)
