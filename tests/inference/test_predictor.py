"""Predictor: the same answer for every kind of recording, in any order and company, from any thread."""

import io
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import soxr
import torch

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference import Predictor, is_recording
from ser_tl.inference import predictor as predictor_module
from ser_tl.model import EmotionModel, ModelConfig
from tests.encoders.tiny import clip, tiny
from tests.test_model import LABELS, build

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture(scope="module")
def predictor():
    return Predictor(build())


def tones(count, seconds=2.6):
    return [clip(int(seconds * RATE) + 331 * seed, seed=seed).numpy() for seed in range(count)]


def values(prediction):
    return np.array(list(prediction.probabilities.values()))


def encoded(samples, rate=RATE, kind="WAV"):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind)
    return stream.getvalue()


def test_every_kind_of_recording_gets_the_answer_of_its_samples(predictor, tmp_path):
    samples = 0.5 * clip(8000).numpy()
    content = encoded(samples)
    decoded = soundfile.read(io.BytesIO(content), dtype="float32")[0]
    (tmp_path / "clip.wav").write_bytes(content)
    integers = np.round(decoded * 32768).astype(np.int16)
    kinds = {
        "path": tmp_path / "clip.wav",
        "text": str(tmp_path / "clip.wav"),
        "bytes": content,
        "memory": memoryview(content),
        "file object": io.BytesIO(content),
        "float64": decoded.astype(np.float64),
        "int16": integers,
        "stereo, channels last": np.stack([decoded, decoded], axis=1),
        "stereo, channels first": np.stack([decoded, decoded]),
        "tensor": torch.from_numpy(decoded),
        "pipeline": {"array": decoded, "sampling_rate": RATE},
        "raw": {"raw": decoded, "sampling_rate": RATE},
        "gradio": (RATE, integers),
        "undecoded cell": {"path": None, "bytes": content},
        "cell of a path": {"path": str(tmp_path / "clip.wav"), "bytes": None},
        "row": {"id": "a", "audio": {"path": str(tmp_path / "clip.wav"), "bytes": None}, "emotion": "anger"},
    }
    expected = values(predictor.predict(decoded)[0])
    assert all(is_recording(one) for one in kinds.values())
    for name, found in zip(kinds, predictor.predict(kinds.values()), strict=True):
        assert values(found) == pytest.approx(expected, abs=1e-5), name


def test_a_rate_is_heeded_wherever_it_stands(predictor):
    samples = 0.5 * clip(48_000).numpy()
    expected = values(predictor.predict(soxr.resample(samples, 48_000, RATE))[0])
    wrong = values(predictor.predict(samples)[0])
    assert np.abs(wrong - expected).max() > 1e-4
    for one in (
        predictor.predict(samples, sampling_rate=48_000),
        predictor.predict({"array": samples, "sampling_rate": 48_000}),
        predictor.predict((48_000, samples)),
        predictor.predict(encoded(samples, 48_000)),
    ):
        assert values(one[0]) == pytest.approx(expected, abs=1e-3)


def test_samples_in_a_mapping_without_their_rate_are_refused(predictor):
    with pytest.raises(AudioError, match="without their rate"):
        predictor.predict({"array": np.ones(800)})


def test_a_generator_is_read_as_it_goes(predictor):
    recordings = tones(3)
    assert [values(one).tolist() for one in predictor.predict(one for one in recordings)] == [
        values(one).tolist() for one in predictor.predict(recordings)
    ]


@pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2-group", "whisper"])
def test_the_answer_is_the_same_in_any_order_and_company(name):
    predictor = Predictor(build(name, audio=AudioConfig(max_seconds=1.0)), batch_seconds=5.0)
    recordings = [one[: 3000 + 2500 * number] for number, one in enumerate(tones(9))]
    alone = [values(predictor.predict(one)[0]) for one in recordings]
    order = np.random.default_rng(0).permutation(len(recordings))
    shuffled = predictor.predict([recordings[number] for number in order])
    for number, found in zip(order, shuffled, strict=True):
        assert values(found) == pytest.approx(alone[number], abs=1e-5)


def test_threads_share_a_model_and_each_gets_its_own_speakers_answers():
    config = ModelConfig(hidden=8, dropout=0.5, statistics="speaker")
    model = EmotionModel(tiny("whisper"), LABELS, config=config).train()
    speakers = [[scale * one for one in tones(16, 1.4)] for scale in (0.1, 0.4, 0.7, 1.0)]
    expected = [model.predict(own, speaker_normalize=True) for own in speakers]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = list(pool.map(lambda own: model.predict(own, speaker_normalize=True), speakers))
            for one, other in zip(found, expected, strict=True):
                assert np.stack([values(row) for row in one]) == pytest.approx(
                    np.stack([values(row) for row in other]), abs=1e-6
                )
    assert model.training


@pytest.mark.parametrize(
    ("count", "seconds"), [(1, 2.6), (7, 2.6), (8, 1.0)], ids=["one", "seven", "eight of a second"]
)
def test_statistics_of_too_little_audio_are_refused_with_the_reason(count, seconds):
    model = EmotionModel(tiny("whisper"), LABELS, config=ModelConfig(hidden=8, statistics="speaker")).eval()
    with pytest.raises(ConfigError, match=r"at least 8 clips and 20 s are needed.*leave it out"):
        model.predict(tones(count, seconds), speaker_normalize=True)


def test_few_clips_of_a_speaker_are_warned_of():
    model = EmotionModel(tiny("whisper"), LABELS, config=ModelConfig(hidden=8, statistics="speaker")).eval()
    with pytest.warns(UserWarning, match="speaker_normalize with 8 clips"):
        model.predict(tones(8), speaker_normalize=True)


def test_silence_has_an_answer_of_its_own(predictor):
    silent, spoken = predictor.predict([np.zeros(24_000, np.float32), clip(8000).numpy()])
    assert (silent.label, silent.probabilities, silent.speech, silent.error) == ("", {}, False, None)
    assert silent.seconds == 1.5
    assert spoken.speech
    assert spoken.label in LABELS


def test_bad_recordings_are_reported_without_ending_the_rest(predictor, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no audio at all")
    recordings = [clip(8000).numpy(), tmp_path / "bad.wav", tmp_path / "gone.wav", 3, clip(9000).numpy()]
    with pytest.raises(AudioError, match=r"bad\.wav"):
        predictor.predict(recordings)
    found = predictor.predict(recordings, on_error="report")
    assert [one.error is None for one in found] == [True, False, False, False, True]
    assert "gone.wav: no such file" in found[2].error
    assert "recording of type int" in found[3].error
    assert (found[1].label, found[1].probabilities, found[1].source) == ("", {}, str(tmp_path / "bad.wav"))
    assert values(found[4]) == pytest.approx(values(predictor.predict(recordings[4])[0]), abs=1e-6)


def test_segments_have_the_windows_own_answers():
    predictor = Predictor(build(audio=AudioConfig(max_seconds=0.5)))
    samples = np.concatenate([clip(8000).numpy(), np.zeros(8000, np.float32), clip(4000, seed=1).numpy()])
    (found,) = predictor.predict(samples)
    assert [(one.start, one.end) for one in found.segments] == [(0.0, 0.5), (0.375, 0.875), (0.75, 1.25)]
    (first,) = predictor.predict(samples[:8000])
    assert list(found.segments[0].probabilities.values()) == pytest.approx(values(first), abs=1e-5)
    mean = np.mean([list(one.probabilities.values()) for one in found.segments], axis=0)
    assert mean == pytest.approx(values(found), abs=1e-6)
    assert all(one.speech for one in found.segments)
    (gap,) = predictor.predict(np.concatenate([samples[:8000], np.zeros(8000, np.float32)]))
    assert [one.speech for one in gap.segments] == [True, False]
    assert gap.segments[1].label == ""


def test_embeddings_are_the_heads_input():
    model = build()
    samples = clip(8000)
    (found,) = Predictor(model).predict(samples.numpy(), embedding=True)
    with torch.no_grad():
        expected = model(samples[None], torch.tensor([8000])).embedding[0]
    torch.testing.assert_close(torch.from_numpy(found.embedding), expected, atol=1e-5, rtol=0)
    assert Predictor(model).predict(samples.numpy())[0].embedding is None


def test_top_and_dict_show_what_is_there(predictor):
    (found,) = predictor.predict(clip(8000).numpy())
    assert found.top(2) == sorted(found.probabilities.items(), key=lambda item: -item[1])[:2]
    plain = {"label": found.label, "probabilities": found.probabilities, "seconds": 0.5}
    assert found.to_dict() == plain | {"calibrated": False}  # a model that was never calibrated says so
    (failed,) = predictor.predict("gone.wav", on_error="report")
    assert failed.to_dict() == {"error": failed.error}


def test_a_model_in_training_is_predicted_as_it_is_now():
    model = build(dropout=0.5).train()
    before = values(model.predict(clip(8000).numpy()))
    with torch.no_grad():
        model.head.network[-1].bias.add_(torch.tensor([3.0, 0.0, 0.0])) if hasattr(model.head, "network") else [
            weight.add_(0.3) for weight in list(model.head.parameters())[-1:]
        ]
    predictor = Predictor(model)
    after = values(predictor.predict(clip(8000).numpy())[0])
    assert model.training
    model.eval()
    assert after == pytest.approx(values(model.predict(clip(8000).numpy())), abs=1e-6)
    assert before.shape == after.shape


def test_hours_of_short_recordings_are_answered_in_order_and_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr("ser_tl.inference.predictor._POOL_SECONDS", 2.0)
    predictor, read = Predictor(build()), []

    def recordings():
        for number in range(12):
            read.append(number)
            yield clip(8000 + 100 * number, seed=number).numpy()

    waiting = []
    for number, found in enumerate(predictor.iterate(recordings())):
        assert found.source == f"recording {number}"
        waiting.append(len(read) - number)
    assert max(waiting) <= 5  # of half a second each: two seconds wait at most


class Recording(io.RawIOBase):
    """Minutes of noise as a WAV of 8 kHz that is nowhere whole."""

    def __init__(self, minutes):
        size = int(minutes * 60 * 8000) * 2
        fmt = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
        self.header = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size)
        self.noise = (np.random.default_rng(0).normal(size=1 << 16) * 3000).astype("<i2").tobytes()
        self.size, self.position = 44 + size, 0

    def tell(self):
        return self.position

    def seek(self, offset, whence=0):
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def read(self, count=-1):
        count = self.size - self.position if count < 0 else min(count, self.size - self.position)
        offset = (self.position - 44) % len(self.noise)
        content = (self.header[self.position :] if self.position < 44 else self.noise[offset:])[:count]
        self.position += len(content)
        return content


@pytest.mark.exhaustive
def test_a_recording_of_any_length_takes_the_memory_of_a_short_one(predictor, monkeypatch):
    monkeypatch.setattr(predictor_module, "_POOL_SECONDS", 30.0)
    peaks = {}
    for minutes in (1, 15):
        tracemalloc.start()
        (found,) = predictor.predict([Recording(minutes)])
        peaks[minutes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.seconds == pytest.approx(60 * minutes)
        assert len(found.segments) == 5 * minutes
    whole = 15 * 60 * 4 * 16000  # bytes of the samples at 16 kHz
    assert peaks[15] < 1.2 * peaks[1] < whole / 3


@pytest.mark.exhaustive
def test_what_full_pools_freed_goes_back_to_the_system(predictor, monkeypatch):
    monkeypatch.setattr(predictor_module, "_POOL_SECONDS", 30.0)
    released = []
    monkeypatch.setattr(predictor_module, "release_freed_memory", lambda: released.append(1))
    predictor.predict([Recording(0.25)])
    assert not released  # a clip as in a server's requests: nothing that is worth milliseconds
    predictor.predict([Recording(3)])
    assert len(released) == 5  # a pool is full with its third window of 12 s
    predictor.predict([Recording(0.2) for _ in range(8)])  # a list of short ones counts as well
    assert len(released) == 7
