"""A predictor on a model in torch and on its export: the same behaviour, and the same answers."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference import Predictor
from ser_tl.inference.session import OutputRequest, Session, open_session
from tests.encoders.tiny import clip
from tests.export.samples import sample_model, with_manifest
from tests.test_model import LABELS

pytestmark = pytest.mark.slow


@pytest.fixture(params=["torch", "onnx"])
def session(request, tmp_path):
    """Makes the session of the sample model, with recordings cut as asked."""

    def make(**audio):
        if request.param == "torch":
            model = sample_model()
            model.audio = AudioConfig(**(asdict(model.audio) | audio))
            return open_session(model)
        folder = request.getfixturevalue("exported")
        if not audio:
            return open_session(folder)
        settings = asdict(sample_model().audio) | audio
        return open_session(with_manifest(folder, tmp_path / "other", audio=settings))

    return make


def values(prediction):
    return np.array([*prediction.probabilities.values(), *prediction.dimensions.values()])


def recordings(count):
    return [clip(3000 + 2500 * seed, seed=seed).numpy() for seed in range(count)]


def test_it_is_a_session_with_the_models_names(session):
    made = session()
    assert isinstance(made, Session)
    assert (made.labels, made.dimensions) == (LABELS, ["arousal", "valence"])
    assert made.frame_rate == 50.0
    assert made.audio.max_seconds == 4.0


def test_answers_are_the_models(session):
    model = sample_model()
    clips = recordings(7)
    predictions = Predictor(session()).predict(clips, embedding=True)
    for found, expected in zip(predictions, model.predict(clips, embedding=True), strict=True):
        assert values(found) == pytest.approx(values(expected), abs=1e-5)
        assert found.embedding == pytest.approx(expected.embedding, abs=1e-4)
        assert found.label == expected.label


def test_the_answer_is_the_same_in_any_order_and_company(session):
    predictor = Predictor(session(max_seconds=1.0), batch_seconds=5.0)
    clips = recordings(9)
    alone = [values(predictor.predict(one)[0]) for one in clips]
    order = np.random.default_rng(0).permutation(len(clips))
    for number, found in zip(order, predictor.predict([clips[number] for number in order]), strict=True):
        assert values(found) == pytest.approx(alone[number], abs=1e-5)


def test_windows_are_cut_and_averaged(session):
    predictor = Predictor(session(max_seconds=0.5))
    samples = np.concatenate([clip(8000).numpy(), np.zeros(8000, np.float32), clip(4000, seed=1).numpy()])
    (found,) = predictor.predict(samples)
    assert [(one.start, one.end) for one in found.segments] == [(0.0, 0.5), (0.375, 0.875), (0.75, 1.25)]
    (first,) = predictor.predict(samples[:8000])
    assert list(found.segments[0].probabilities.values()) == pytest.approx(list(first.probabilities.values()), abs=1e-5)


def test_silence_and_bad_recordings_have_answers_of_their_own(session, tmp_path):
    predictor = Predictor(session())
    silent, missing, spoken = predictor.predict(
        [np.zeros(24_000, np.float32), tmp_path / "gone.wav", recordings(1)[0]], on_error="report"
    )
    assert (silent.label, silent.probabilities, silent.speech, silent.seconds) == ("", {}, False, 1.5)
    assert "gone.wav: no such file" in missing.error
    assert spoken.label in LABELS
    with pytest.raises(AudioError, match=r"gone\.wav"):
        predictor.predict(tmp_path / "gone.wav")


def test_a_clip_shorter_than_any_frame_has_an_answer(session):
    expected = values(sample_model().predict(recordings(1)[0][:300]))
    assert values(Predictor(session()).predict(recordings(1)[0][:300])[0]) == pytest.approx(expected, abs=1e-5)


def test_threads_share_it(session):
    predictor, clips = Predictor(session()), recordings(6)
    expected = [values(one) for one in predictor.predict(clips)]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: predictor.predict(clips), range(6)):
            assert np.stack([values(one) for one in found]) == pytest.approx(np.stack(expected), abs=1e-6)


def test_an_export_refuses_what_its_graph_has_not(exported):
    predictor = Predictor(exported)
    with pytest.raises(ConfigError, match=r"attention: an exported graph has no output .* saved model"):
        predictor.predict(recordings(1), attention=True)
    with pytest.raises(ConfigError, match=r"speaker_normalize: an exported graph holds .* saved model"):
        predictor.predict([clip(48_000, seed=seed).numpy() for seed in range(16)], speaker_normalize=True)
    with pytest.raises(ConfigError, match="device cuda: an exported model is computed on the CPU"):
        Predictor(exported, device="cuda")
    session = predictor.session
    with pytest.raises(AudioError, match="takes 480000 at most"):
        session.run(np.zeros((1, 480_001), np.float32), np.array([480_001]), OutputRequest())
