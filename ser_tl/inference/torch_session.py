"""A model in torch, asked by a predictor: stateless, and shared by threads.

    EmotionModel -> TorchSession.run(waveform, lengths) -> Answers

A model in training mode is asked through a view in evaluation mode that shares its weights, so that its own mode is
left alone, whoever else uses it meanwhile.
"""

import copy
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import torch

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders import EncoderOutput
from ser_tl.errors import ConfigError
from ser_tl.inference.exported_session import open_exported
from ser_tl.inference.manifest import is_exported
from ser_tl.inference.session import OutputRequest, Session, SessionOutput
from ser_tl.inference.speaker import Speaker
from ser_tl.model import EmotionModel
from ser_tl.model.enrolment import check_enrolment, embedding_digest, enrolled_norm
from ser_tl.model.serialization import model_folder
from ser_tl.modules.feature_norm import Moments, SpeakerNorm, Statistics
from ser_tl.modules.pooling import FrameScore
from ser_tl.modules.speech import Speech


class TorchSession:
    """A model in torch that can be asked.

    Args:
        model: with weights in float32, on any device

    Raises:
        ConfigError: weights of another type
    """

    def __init__(self, model: EmotionModel) -> None:
        other = {weights.dtype for weights in model.parameters() if weights.is_floating_point()} - {torch.float32}
        if other:
            raise ConfigError(
                f"the model's weights are {', '.join(map(str, other))}, and audio comes in float32: call "
                f"model.float(); `with torch.autocast(...)` around predict computes in half precision"
            )
        self.model = view_for_evaluation(model) if model.training else model
        self.labels = model.labels
        self.dimensions = model.dimensions
        self.audio = model.audio
        self.frame_rate = model.frame_rate
        self.calibration = model.calibration
        self.enrolment = model.enrolment
        self.stitching = model.stitching

    @torch.inference_mode()
    def run(
        self, waveform: np.ndarray, lengths: np.ndarray, wanted: OutputRequest, norm: SpeakerNorm | None = None
    ) -> SessionOutput:
        """Answers for padded windows; see `Session`."""
        model = self.model
        clips, (states, mask) = self._encode(waveform, lengths)
        per_clip = None if norm is None else _repeat(norm, len(lengths))
        frames, mask = model.frames(model.normalize_states(states, per_clip), mask)
        output = model.classify(model.normalize_embedding(model.pooling(frames, mask), per_clip))
        attention = None
        if wanted.attention:
            weights = find_frame_score(model)(frames, mask)[..., 0].float().cpu()
            before = (clips.onsets / SAMPLE_RATE * model.frame_rate).round().long().tolist()
            attention = [
                np.pad(row[speech].numpy(), (frames, 0))
                for row, speech, frames in zip(weights, mask.cpu(), before, strict=True)
            ]
        dimensions = output.logits.new_zeros(len(lengths), 0) if output.dimensions is None else output.dimensions
        return SessionOutput(
            model.probabilities(output).cpu().numpy(),
            dimensions.float().cpu().numpy(),
            output.embedding.float().cpu().numpy() if wanted.embedding else None,
            attention,
            None if model.outliers is None else model.outliers(output.embedding).cpu().numpy(),
            None if model.audio.gate == "none" else clips.seconds.float().cpu().numpy(),
        )

    @torch.inference_mode()
    def encode_frames(self, samples: np.ndarray) -> np.ndarray:
        """The pooling's input of one piece; see `StitchedSession`."""
        model, device = self.model, self.model.device
        waveform, lengths = torch.from_numpy(samples)[None].to(device), torch.tensor([len(samples)], device=device)
        frames, _ = model.frames(*_normalized(model, model.encoder(waveform, lengths, model.layers)))
        return frames[0].float().cpu().numpy()

    @torch.inference_mode()
    def classify_frames(self, frames: np.ndarray) -> SessionOutput:
        """The answer for frames of a window; see `StitchedSession`."""
        model = self.model
        rows = torch.from_numpy(frames)[None].to(model.device)
        pooled = model.pooling(rows, torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device))
        output = model.classify(model.normalize_embedding(pooled))
        probabilities = model.probabilities(output).cpu().numpy()
        return SessionOutput(probabilities, np.zeros((1, 0), np.float32))

    @torch.inference_mode()
    def measure_norm(self, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> SpeakerNorm:
        """The statistics of one speaker's windows; see `Session`."""
        model = self.model
        if model.standardise_states is None or model.standardise_embedding is None:
            raise ConfigError("model.standardise is false: this model has no statistics that recordings could share")
        if model.enrolment is not None:
            rows = torch.cat([model.normalize_embedding(self._pool(*batch)) for batch in batches])
            return enrolled_norm(model, rows.mean(dim=0), len(rows))
        moments = []
        for waveform, lengths in batches:
            _, (states, mask) = self._encode(waveform, lengths)
            moments.append(
                Moments.from_rows(states[:, mask].transpose(0, 1)[:, :, None, None])
            )  # of (frames, L, 1, 1, D)
        of_states = reduce(Moments.add, moments).statistics()
        moments = []
        for waveform, lengths in batches:
            _, (states, mask) = self._encode(waveform, lengths)
            normalized = model.standardise_states(states, of_states)
            moments.append(Moments.from_rows(model.pooling(*model.frames(normalized, mask))))
        return SpeakerNorm(of_states, reduce(Moments.add, moments).statistics())

    @property
    def speaker_digest(self) -> str:
        """What tells this model's speakers from other models'; see `EnrolmentSession`."""
        return embedding_digest(self.model)

    @property
    def class_means(self) -> np.ndarray:
        """What a label explains of a clip's embedding; see `EnrolmentSession`."""
        return check_enrolment(self.model)[0].class_means.cpu().numpy()

    def speaker_norm(self, speaker: Speaker) -> SpeakerNorm:
        """The statistics of an enrolled speaker, for `run`; see `EnrolmentSession`."""
        speaker.check_model(self.speaker_digest)
        return enrolled_norm(self.model, torch.from_numpy(speaker.mean), speaker.clips)

    def check_attention(self) -> None:
        """Refuses attention weights where the pooling has none."""
        find_frame_score(self.model)

    def _pool(self, waveform: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """The pooled frames (B, E) of states normalised by the training speech."""
        _, (states, mask) = self._encode(waveform, lengths)
        return self.model.pooling(*self.model.frames(self.model.normalize_states(states), mask))

    def _encode(self, waveform: np.ndarray, lengths: np.ndarray) -> tuple[Speech, EncoderOutput]:
        device = self.model.device
        samples, counts = torch.from_numpy(waveform).to(device), torch.from_numpy(lengths).to(device)
        clips = self.model.front(samples, counts)
        return clips, self.model.encode(clips.waveform, clips.lengths)


def load_session(source: str | Path, device: str | None) -> Session:
    """The session of a model in a folder or on a hub; a saved one on a GPU if there is one and no device is named."""
    folder = model_folder(source)
    if is_exported(folder):
        return open_exported(folder, device)
    model = EmotionModel.from_pretrained(folder)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchSession(model.to(device))


def view_for_evaluation(model: EmotionModel) -> EmotionModel:
    """A model in evaluation mode of the very same weights: modules are copied, tensors are shared."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors}).eval()


def has_attention(model: EmotionModel) -> bool:
    """Whether the model's pooling weighs frames."""
    return any(isinstance(module, FrameScore) for module in model.pooling.modules())


def find_frame_score(model: EmotionModel) -> FrameScore:
    """The part of the model's pooling that weighs frames.

    Raises:
        ConfigError: the pooling weighs all frames alike
    """
    score = next((module for module in model.pooling.modules() if isinstance(module, FrameScore)), None)
    if score is None:
        names = "attention or attentive-stats"
        raise ConfigError(f"the model's pooling, {model.pooling_name!r}, has no attention: train one with {names}")
    return score


def _normalized(model: EmotionModel, output: EncoderOutput) -> EncoderOutput:
    """Normalised states, with their mask."""
    return EncoderOutput(model.normalize_states(output.states), output.mask)


def _repeat(norm: SpeakerNorm, clips: int) -> SpeakerNorm:
    """One speaker's statistics, repeated for a number of clips."""
    states = Statistics(*(tensor.expand(-1, clips, -1, -1) for tensor in norm.states))
    return SpeakerNorm(states, Statistics(*(tensor.expand(clips, -1) for tensor in norm.embedding)))
