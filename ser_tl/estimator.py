"""A classifier with scikit-learn's interface: recordings and emotions in, probabilities out.

    EmotionClassifier().fit(files, emotions, groups=speakers).predict_proba(files)

A frozen encoder, statistics of its layers over time, and a discriminant in closed form: seconds of training, and
scikit-learn's cross-validation, searches and pipelines around it. Training of another kind is `Trainer`'s.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
from datasets import Audio, Dataset, Features, Value
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ser_tl.data import schema
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError
from ser_tl.inference import Predictor
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.training import TrainConfig, Trainer, seed_everything
from ser_tl.transfer import Frozen

_FEWEST_SPEAKERS = 2


class EmotionClassifier(ClassifierMixin, BaseEstimator):
    """Emotions of recordings, on a frozen encoder.

    Args:
        encoder: a name that `ser-tl encoders` lists, a folder or a hub id
        layers: which of its hidden states are used, side by side; all if None
        random_state: seed of everything random

    Attributes:
        classes_: (C,) the emotions, sorted
        model_: the fitted `EmotionModel`: save it, export it, push it

    Examples:
        Cross-validation over speakers::

            from sklearn.model_selection import GroupKFold, cross_val_score

            scores = cross_val_score(
                EmotionClassifier(),
                files,
                emotions,
                groups=speakers,
                cv=GroupKFold(5),
                scoring="balanced_accuracy",
                params={"groups": speakers},
            )
    """

    def __init__(
        self, encoder: str = "wav2vec2-mini", layers: Sequence[int] | None = None, random_state: int = 0
    ) -> None:
        self.encoder = encoder
        self.layers = layers
        self.random_state = random_state

    def fit(self, X: Sequence[Any], y: Sequence[str], groups: Sequence[Any] | None = None) -> Self:  # noqa: N803
        """Fits the classifier.

        Args:
            X: (n,) paths, or arrays of samples (N,) at 16 kHz
            y: (n,) names of emotions
            groups: (n,) the speakers; the classifier's shrinkage is chosen on speakers held out in turn. Without them
                each fifth clip stands in for a speaker, and the choice is too optimistic

        Raises:
            ConfigError: lengths differ, there is one emotion or one speaker, or an emotion has one speaker only
            AudioError: a recording can't be read
            CorpusError: an emotion without a known name
        """
        corpus = _make_corpus(X, y, groups)
        seed_everything(self.random_state)
        labels = schema.emotions(corpus)
        config = ModelConfig(layers=None if self.layers is None else list(self.layers))
        model = EmotionModel.build(self.encoder, labels, pooling="stats", config=config)
        train, dev = _hold_one_speaker(corpus)
        options = TrainConfig(epochs=0, refit="discriminant", cache=False)
        Trainer(model, Frozen(), options, seed=self.random_state).fit(train, dev)
        self.model_ = model.eval()
        self.classes_ = np.array(labels)
        return self

    def predict_proba(self, X: Sequence[Any]) -> np.ndarray:  # noqa: N803
        """Probabilities (n, C) of the emotions of `classes_`; even ones for silence.

        Args:
            X: as for `fit`
        """
        check_is_fitted(self)
        predictions = Predictor(self.model_).predict(list(X))
        even = 1 / len(self.classes_)
        return np.array([[each.probabilities.get(name, even) for name in self.classes_] for each in predictions])

    def predict(self, X: Sequence[Any]) -> np.ndarray:  # noqa: N803
        """The likeliest emotion (n,) of each recording."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _make_corpus(recordings: Sequence[Any], labels: Sequence[str], groups: Sequence[Any] | None) -> Dataset:
    speakers = [f"clip {index % 5}" for index in range(len(recordings))] if groups is None else list(map(str, groups))
    if not len(recordings) == len(labels) == len(speakers):
        raise ConfigError(
            f"{len(recordings)} recordings, {len(labels)} emotions and {len(speakers)} speakers: give as many of each"
        )
    rows = [
        {"id": f"{index}", "emotion": str(label), "speaker": speaker, "corpus": "recordings", "language": "und"}
        for index, (label, speaker) in enumerate(zip(labels, speakers, strict=True))
    ]
    audio = [_read(recording) for recording in recordings]
    features = Features({"audio": {"bytes": Value("binary"), "path": Value("string")}})
    carried = Dataset.from_dict({"audio": audio}, features=features).cast_column("audio", Audio(decode=False))
    return schema.build_corpus(rows, source="recordings", audio=carried)


def _read(recording: Any) -> dict[str, Any]:  # noqa: ANN401 - a path or samples
    """A recording as a row carries it: a path, or the bytes of a file."""
    if isinstance(recording, str | Path):
        return {"path": str(recording), "bytes": None}
    file = io.BytesIO()
    soundfile.write(file, np.asarray(recording, dtype=np.float32), SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return {"path": None, "bytes": file.getvalue()}


def _hold_one_speaker(corpus: Dataset) -> tuple[Dataset, Dataset]:
    """All speakers but one, and that one: the classifier is fitted on both, and nothing is chosen on the latter."""
    speakers = np.array(corpus["speaker"][:])
    names = sorted(set(speakers.tolist()))
    if len(names) < _FEWEST_SPEAKERS:
        raise ConfigError(f"all recordings are of one speaker ({names[0]}): expected two or more in `groups`")
    emotions = set(corpus["emotion"][:])
    for name in reversed(names):  # training has to have every emotion
        rest = np.flatnonzero(speakers != name)
        if set(corpus.select(rest)["emotion"][:]) == emotions:
            return corpus.select(rest), corpus.select(np.flatnonzero(speakers == name))
    raise ConfigError("every speaker has an emotion that no other has: give recordings of more speakers")
