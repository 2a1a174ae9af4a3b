"""A model with a gate: one and the same in prediction, evaluation, the feature cache and when it is loaded again."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset

from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import UtteranceDataset, collate
from ser_tl.data.schema import build_corpus as build_corpus
from ser_tl.inference import Predictor
from ser_tl.inference.clips import encode_batch, forward_batch
from ser_tl.model import EmotionModel
from tests.cache.test_feature_cache import fill, store  # noqa: F401 - a fixture
from tests.modules.test_speech import noise, speech, zeros
from tests.test_model import build

pytestmark = pytest.mark.slow

GATED = AudioConfig(gate="energy")


def padded_speech(seed=0):
    """The same speech, trimmed and with silence and room tone around it."""
    clip = speech(seed=seed)
    return (
        clip,
        np.concatenate([zeros(1.0), clip, zeros(1.0)]),
        np.concatenate([noise(1.0, -60), clip, noise(2.0, -60)]),
    )


def shares(prediction):
    return np.array(list(prediction.probabilities.values()))


@pytest.mark.parametrize("name", ["whisper", "wav2vec2-group"])
def test_silence_and_room_tone_around_speech_hardly_move_an_answer(name):
    clip, silent, toned = padded_speech()
    plain, gated = build(name), build(name, audio=GATED)
    gated.load_state_dict(plain.state_dict())
    moved = {}
    for kind, model in (("plain", plain), ("gated", gated)):
        clean, *others = Predictor(model).predict([clip, silent, toned], sampling_rate=16_000, embedding=True)
        moved[kind] = max(np.abs(other.embedding - clean.embedding).max() for other in others)
    assert moved["gated"] < 0.5 * moved["plain"]


def test_loudness_is_measured_on_speech_alone():
    model = build("whisper", audio=AudioConfig(normalise="rms", gate="energy"))
    clip, silent, _ = padded_speech()
    waveform, lengths = torch.from_numpy(silent)[None], torch.tensor([len(silent)])
    heard = model.front(waveform, lengths)
    own = heard.waveform[0, : int(heard.lengths[0])]
    assert own.square().mean().sqrt().item() == pytest.approx(0.1, abs=1e-4)
    assert len(own) < len(clip) + 0.3 * 16_000


@pytest.mark.parametrize("nothing", [noise(2.0, -60), zeros(1.0)], ids=["room tone", "zeros"])
def test_nothing_but_silence_is_no_speech(nothing):
    found = Predictor(build("whisper", audio=GATED)).predict(nothing, sampling_rate=16_000)[0]
    assert (found.label, found.probabilities, found.speech) == ("", {}, False)


def test_attention_lies_where_the_speech_was():
    model = build("whisper", audio=GATED)
    _, silent, _ = padded_speech()
    found = Predictor(model).predict(silent, sampling_rate=16_000, attention=True)[0]
    weights, seconds = found.attention[0], found.frame_seconds[0]
    assert weights[seconds < 0.85].sum() == 0.0
    assert weights[(seconds > 0.85) & (seconds < 2.65)].sum() == pytest.approx(1.0, abs=1e-5)


@pytest.fixture
def corpus(tmp_path) -> Dataset:
    import soundfile

    rows = []
    for seed, emotion in enumerate(["anger", "neutral", "sadness", "anger"]):
        path = tmp_path / f"{seed}.wav"
        soundfile.write(path, padded_speech(seed)[1 + seed % 2], 16_000, subtype="FLOAT")
        rows.append({"id": path.stem, "audio": path, "emotion": emotion, "speaker": f"speaker {seed}"})
    return build_corpus([row | {"corpus": "made", "language": "und"} for row in rows], source="made")


@torch.no_grad()
def test_evaluation_and_the_feature_cache_hear_what_prediction_hears(corpus, store):  # noqa: F811
    model = build("whisper", audio=AudioConfig(normalise="rms", gate="energy"))
    clips = UtteranceDataset(corpus, model.labels, model.audio, training=False)
    cached = fill(store, clips, model)
    fresh = collate([clips[index] for index in range(4)])
    kept = collate([cached[index] for index in range(4)]).to("cpu")
    states, mask = encode_batch(model, fresh)
    assert mask.sum(dim=1).max() < 100  # 1.5 s of speech at 50 frames a second, of 3.5 and 4.5 s
    assert torch.equal(kept.mask, mask)
    spread = states[:, mask].std(dim=1, keepdim=True)
    assert (((kept.states - states)[:, mask]) / spread).abs().max() < 5e-3
    shown = Predictor(model).predict(list(corpus))
    scored = forward_batch(model, fresh).logits.softmax(dim=-1).numpy()
    for row, prediction in zip(scored, shown, strict=True):
        assert row == pytest.approx(shares(prediction), abs=1e-4)


def test_a_gate_makes_other_entries_of_the_cache(corpus, store):  # noqa: F811
    plain, gated = build("whisper"), build("whisper", audio=GATED)
    gated.load_state_dict(plain.state_dict())
    files = [
        fill(store, UtteranceDataset(corpus, model.labels, model.audio, training=False), model).files
        for model in (plain, gated)
    ]
    assert not {*files[0][0][0].values()} & {*files[1][0][0].values()}


def test_the_gate_is_saved_and_a_model_of_before_has_none(tmp_path):
    model = build("whisper", audio=GATED)
    model.save_pretrained(tmp_path)
    again = EmotionModel.from_pretrained(tmp_path)
    assert again.audio == GATED
    _, silent, _ = padded_speech()
    first, second = (Predictor(one).predict(silent, sampling_rate=16_000)[0] for one in (model, again))
    assert shares(first) == pytest.approx(shares(second), abs=1e-6)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["audio"]["gate"]
    assert EmotionModel.from_description(config, tmp_path).audio.gate == "none"
