"""A speaker's voice, measured on a few recordings without labels: what a model takes out of that speaker's clips.

    Predictor.enrol(recordings) -> Speaker --save--> FILE.npz or FILE.json --load--> Predictor.predict(..., speaker=)

It is kept apart from the model, belongs to that model alone, and holds no audio. Knows arrays alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ser_tl.errors import AudioError, CheckpointError, ConfigError
from ser_tl.files import write_atomically, write_text

FORMAT = 1
"""Version of the file; a newer one is refused."""

KIND = "ser_tl speaker"

FEWEST_SECONDS = 1.0
"""Of an enrolment, below which there is a warning."""

SUFFIXES = (".npz", ".json")


@dataclass(frozen=True, eq=False)
class Speaker:
    """An enrolled speaker.

    Attributes:
        mean: (E,) float32, of the clips' embeddings as the model normalises them by its training speech
        deviation: (E,) float32, likewise; zeros of a single clip
        clips: how many were measured; a recording that is cut into windows counts as many
        seconds: of audio in them
        model: digest of the model, whose embeddings these are
    """

    mean: np.ndarray
    deviation: np.ndarray
    clips: int
    seconds: float
    model: str

    @classmethod
    def from_embeddings(cls, embeddings: Sequence[np.ndarray], *, seconds: float, model: str) -> Self:
        """The speaker of some clips.

        Args:
            embeddings: (E,) of each clip with speech
            seconds: of audio in them
            model: digest of the model

        Raises:
            AudioError: there is no clip with speech
        """
        if not len(embeddings):
            raise AudioError("there is no speech in any recording of the enrolment: check their level and channel")
        rows = np.stack(embeddings).astype(np.float64)
        mean, deviation = rows.mean(axis=0).astype(np.float32), rows.std(axis=0).astype(np.float32)
        return cls(mean, deviation, len(rows), float(seconds), model)

    def join(self, other: "Speaker") -> "Speaker":
        """The speaker of both enrolments' clips together, which are different ones.

        Raises:
            ConfigError: they are of different models
        """
        other.check_model(self.model)
        share = other.clips / (self.clips + other.clips)
        step = other.mean.astype(np.float64) - self.mean
        mean = self.mean + share * step
        squares = (1 - share) * np.square(self.deviation, dtype=np.float64) + share * np.square(other.deviation)
        deviation = np.sqrt(squares + share * (1 - share) * step**2)
        clips, seconds = self.clips + other.clips, self.seconds + other.seconds
        return Speaker(mean.astype(np.float32), deviation.astype(np.float32), clips, seconds, self.model)

    def check_model(self, digest: str) -> None:
        """Refuses a speaker of another model.

        Args:
            digest: of the model that is to predict

        Raises:
            ConfigError: it isn't the speaker's
        """
        if self.model != digest:
            raise ConfigError(
                f"speaker: enrolled with another model (its digest is {self.model}, this model's is {digest}), whose "
                f"embeddings mean something else: enrol the recordings with this model"
            )

    def save(self, path: str | Path) -> None:
        """Writes the speaker into one file, whole or not at all.

        Args:
            path: ends with .npz, or with .json for what a person may read

        Raises:
            ConfigError: another ending
            StorageError: it can't be written
        """
        path = _check_suffix(path)
        facts: dict[str, Any] = {"kind": KIND, "format": FORMAT, "model": self.model, "clips": self.clips}
        facts |= {"seconds": self.seconds}
        if path.suffix.lower() == ".json":
            arrays = {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
            write_text(path, json.dumps(facts | arrays) + "\n")
            return
        with write_atomically(path) as part, part.open("wb") as stream:
            np.savez(stream, facts=json.dumps(facts), mean=self.mean, deviation=self.deviation)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The speaker that `save` wrote.

        Raises:
            ConfigError: another ending
            CheckpointError: there is no such file, or it holds no speaker
        """
        path = _check_suffix(path)
        try:
            if path.suffix.lower() == ".json":
                facts = json.loads(path.read_text(encoding="utf-8"))
                arrays = {name: facts[name] for name in ("mean", "deviation")}
            else:
                with np.load(path, allow_pickle=False) as stored:
                    facts = json.loads(str(stored["facts"]))
                    arrays = {name: stored[name] for name in ("mean", "deviation")}
            if facts["kind"] != KIND or facts["format"] != FORMAT:
                raise ValueError(f"kind {facts['kind']!r}, format {facts['format']!r}")
            mean, deviation = (np.asarray(values, dtype=np.float32) for values in arrays.values())
            clips, seconds, model = int(facts["clips"]), float(facts["seconds"]), str(facts["model"])
            if mean.ndim != 1 or mean.shape != deviation.shape or clips < 1:
                raise ValueError(f"mean {mean.shape}, deviation {deviation.shape}, {clips} clips")
            if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
                raise ValueError("numbers that aren't finite")
        except FileNotFoundError as error:
            raise CheckpointError(f"{path}: no such file: `ser-tl enrol` writes one") from error
        except Exception as error:  # of zip files, numpy's headers, JSON and its types
            raise CheckpointError(
                f"{path}: not an enrolled speaker of format {FORMAT} ({error}): enrol the recordings again (ser-tl "
                f"enrol)"
            ) from error
        return cls(mean, deviation, clips, seconds, model)


def _check_suffix(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"speaker {path}: expected a file that ends with {' or '.join(SUFFIXES)}")
    return path
