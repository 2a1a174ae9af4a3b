"""The classifier with scikit-learn's interface, in scikit-learn's own tools."""

import numpy as np
import pytest
import soundfile
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

from ser_tl.errors import ConfigError
from ser_tl.estimator import EmotionClassifier

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clips():
    """Tones of two emotions by six speakers: higher is happier."""
    rng = np.random.default_rng(0)
    rows = []
    for speaker in range(6):
        for emotion, pitch in (("sadness", 150.0), ("happiness", 600.0)):
            for _ in range(2):
                time = np.arange(8000) / 16_000
                tone = np.sin(2 * np.pi * pitch * (1 + speaker / 50) * time) * 0.3
                rows.append((tone + 0.01 * rng.standard_normal(8000), emotion, f"speaker {speaker}"))
    return [list(column) for column in zip(*rows, strict=True)]


@pytest.fixture(scope="module")
def fitted(clips):
    return EmotionClassifier("mfcc").fit(clips[0], clips[1], groups=clips[2])


def test_it_learns_and_answers_in_the_order_of_its_classes(fitted, clips):
    assert fitted.classes_.tolist() == ["happiness", "sadness"]
    probabilities = fitted.predict_proba(clips[0])
    assert probabilities.shape == (24, 2)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert fitted.score(clips[0], clips[1]) > 0.9
    assert (fitted.predict(clips[0]) == fitted.classes_[probabilities.argmax(axis=1)]).all()


def test_silence_is_no_emotion(fitted):
    assert fitted.predict_proba([np.zeros(8000)]).tolist() == [[0.5, 0.5]]


@pytest.mark.exhaustive
def test_files_are_what_their_samples_are(clips, fitted, tmp_path):
    files = [tmp_path / f"{index}.wav" for index in range(24)]
    for file, samples in zip(files, clips[0], strict=True):
        soundfile.write(file, samples, 16_000, subtype="FLOAT")
    again = EmotionClassifier("mfcc").fit(list(map(str, files)), clips[1], groups=clips[2])
    assert np.allclose(again.predict_proba(files), fitted.predict_proba(clips[0]), atol=1e-4)


@pytest.mark.exhaustive
def test_cross_validation_over_speakers(clips):
    samples, emotions, speakers = clips
    scores = cross_val_score(
        EmotionClassifier("mfcc"),
        np.array(samples, dtype=np.float32),
        np.array(emotions),
        groups=speakers,
        cv=GroupKFold(2),
        scoring="balanced_accuracy",
        params={"groups": np.array(speakers)},
        error_score="raise",
    )
    assert scores.mean() > 0.8


def test_it_can_be_cloned_and_says_when_it_is_not_fitted():
    model = clone(EmotionClassifier("mfcc", layers=[0], random_state=3))
    assert model.get_params() == {"encoder": "mfcc", "layers": [0], "random_state": 3}
    with pytest.raises(NotFittedError):
        model.predict_proba([np.zeros(16_000)])


def test_what_cannot_be_learned_from_is_refused(clips):
    samples, emotions, speakers = clips
    with pytest.raises(ConfigError, match="24 recordings, 23 emotions and 24 speakers"):
        EmotionClassifier("mfcc").fit(samples, emotions[1:], groups=speakers)
    with pytest.raises(ConfigError, match="all recordings are of one speaker"):
        EmotionClassifier("mfcc").fit(samples, emotions, groups=["one"] * 24)
    with pytest.raises(ConfigError, match="every speaker has an emotion that no other has"):
        EmotionClassifier("mfcc").fit(samples[:4], emotions[:4], groups=["a", "a", "b", "b"])
