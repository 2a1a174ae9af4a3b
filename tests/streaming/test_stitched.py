"""Streams of stitched models: each hop is encoded once, and says what the model says of the turn up to there."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.inference import Predictor
from ser_tl.inference.torch_session import TorchSession
from ser_tl.modules.stitching import Stitching
from ser_tl.streaming import StreamingPredictor
from tests.combinations import with_default
from tests.streaming.sounds import RATE, LevelSession, chunks, conversation, voiced
from tests.test_model import build

pytestmark = pytest.mark.slow


def stitched(name="wav2vec2", **options):
    model = build(name, **({"audio": AudioConfig(max_seconds=4.0), "pooling": "stats"} | options))
    model.stitching = Stitching()
    return model


@pytest.fixture(scope="module")
def model():
    return stitched()


class Counting(TorchSession):
    """Keeps how many samples the encoder was given at a time."""

    def __init__(self, model):
        super().__init__(model)
        self.encoded = []

    def encode_frames(self, samples):
        self.encoded.append(len(samples))
        return super().encode_frames(samples)


def stream_of(model, **options):
    return StreamingPredictor(model, **({"voice": "energy", "smoothing": "none", "stitched": True} | options))


def run(stream, samples, sizes=(10**9,)):
    updates = [update for block in chunks(samples, sizes) for update in stream.feed(block, RATE)]
    return updates + stream.flush()


def values(answer):
    return np.array(list(answer.probabilities.values()))


@given(st.integers(0, 100_000), st.sampled_from([0.1, 0.2, 0.35]), st.sampled_from([0.0, 0.4]))
def test_pieces_tile_a_clip_and_stay_as_it_goes_on(samples, hop, context):
    stitching = Stitching(hop, context)
    pieces, length = stitching.plan_pieces(samples), round(hop * RATE)
    assert pieces[0].start == 0
    assert pieces[-1].stop == samples
    assert all(one.stop == other.start for one, other in pairwise(pieces))
    assert all(piece.stop - piece.start == length for piece in pieces[1:])
    assert pieces[0].stop < 1.5 * length
    assert all(piece.begin == max(0, piece.start - round(context * RATE)) for piece in pieces)
    if samples >= length / 2:
        assert stitching.plan_pieces(samples + length) == [*pieces, stitching.piece(samples, samples + length, 0)]


@pytest.mark.exhaustive
@settings(max_examples=8, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 500),
    parts=st.tuples(st.floats(0.7, 2.6), st.floats(0.1, 0.8), st.floats(0.7, 1.2)),
)
def test_a_hop_is_answered_as_the_predictor_answers_its_window_whatever_the_chunks(model, sizes, parts):
    signal = conversation(*parts, 0.4)
    whole = {"window": 4.0}  # every turn fits into a window
    updates = run(stream_of(model, **whole), signal, sizes)
    assert updates == run(stream_of(model, **whole), signal)
    answered = [update for update in updates if update.label]
    assert any(update.kind == "partial" for update in answered)
    windows = [signal[round(update.start * RATE) : round(update.end * RATE)] for update in answered]
    for update, expected in zip(answered, Predictor(model).predict(windows), strict=True):
        assert values(update) == pytest.approx(values(expected), abs=1e-4)


@pytest.mark.parametrize("name", with_default(["whisper", "hubert-group", "moonshine"], ["whisper"]))
def test_other_encoders_are_stitched_likewise(name):
    model, signal = stitched(name), voiced(1.73)
    updates = [update for update in run(stream_of(model), signal) if update.label]
    assert len(updates) == 7
    for update in updates:
        expected = Predictor(model).predict(signal[round(update.start * RATE) : round(update.end * RATE)])[0]
        assert values(update) == pytest.approx(values(expected), abs=1e-4)


def test_a_hop_encodes_itself_and_its_context_however_long_the_turn(model):
    session = Counting(model)
    updates = run(stream_of(session, window=2.0), voiced(8.0))
    assert set(session.encoded[3:]) == {round(0.6 * RATE)}
    assert len(session.encoded) == 40
    late = [update for update in updates if update.kind == "partial" and update.time > 2.5]
    assert {round(update.end - update.start, 6) for update in late} == {2.0}


@torch.inference_mode()
def test_a_window_behind_the_onset_pools_frames_encoded_with_what_was_before(model):
    signal, session = voiced(3.6), TorchSession(model)
    update = next(one for one in run(stream_of(model, window=2.0), signal) if one.time == pytest.approx(3.4))
    hop, context, frames = round(0.2 * RATE), round(0.4 * RATE), []
    for stop in range(round(1.6 * RATE), round(3.4 * RATE) + 1, hop):
        frames.append(session.encode_frames(signal[stop - hop - context : stop])[-10:])
    expected = session.classify_frames(np.concatenate(frames)).probabilities[0]
    assert values(update) == pytest.approx(expected, abs=1e-5)


def test_hops_that_are_left_out_are_encoded_in_one_piece(model):
    session = Counting(model)
    stream = stream_of(session)
    stream.feed(voiced(1.0), RATE)
    before = len(session.encoded)
    updates = stream.feed(voiced(1.0, seed=1), RATE, late="skip")
    assert [update.time for update in updates] == [2.0]
    assert stream.late_hops == 4
    assert session.encoded[before:] == [round(1.4 * RATE)]
    assert updates[0].label


def test_a_stitched_model_encodes_pieces_by_itself_where_they_fit(model):
    for options, pieces in [
        ({}, True),
        ({"stitched": False}, False),
        ({"hop": 0.4}, False),
        ({"cut": "sliding"}, False),
    ]:
        session = Counting(model)
        updates = run(StreamingPredictor(session, voice="energy", **options), voiced(1.4))
        assert bool(session.encoded) == pieces
        assert any(update.label for update in updates)


def test_a_turn_of_less_than_half_a_hop_has_no_answer_yet():
    model = stitched()
    model.stitching = Stitching(hop=1.0)
    updates = run(stream_of(model, hop=1.0, shortest=0.1), conversation(0.0, 0.7, 2.0))
    assert [(update.time, bool(update.label)) for update in updates[:3]] == [(1.0, False), (2.0, True), (2.7, True)]


def test_a_stream_that_begins_anew_forgets_the_last(model):
    stream, signal = stream_of(model), voiced(1.4, seed=2)
    run(stream, voiced(1.4))
    stream.reset()
    assert run(stream, signal) == run(stream_of(model), signal)


def test_a_stitched_model_is_saved_with_its_pieces(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert loaded.stitching == Stitching()
    signal = voiced(1.3)
    assert loaded.predict(signal).probabilities == model.predict(signal).probabilities
    model.stitching = None
    try:
        assert loaded.predict(signal).probabilities != model.predict(signal).probabilities
    finally:
        model.stitching = Stitching()
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for pieces, words in [
        ({"hop": 0.2}, "expected hop and context"),
        ({"hop": 0.001, "context": 0.4}, "expected hop and context"),
        ({"hop": 0.2, "context": "0.4"}, "expected hop and context"),
        ({"hop": 0.3, "context": 0.4}, "stitching was changed after"),
        (None, "stitching was changed after"),
    ]:
        path.write_text(json.dumps(config | {"stitching": pieces}))
        with pytest.raises(CheckpointError, match=words):
            type(model).from_pretrained(tmp_path)


def test_streams_that_do_not_fit_the_pieces_are_refused(model):
    for options, words in [({"hop": 0.4}, "pieces of 0.2 s"), ({"cut": "sliding"}, "leave one of them out")]:
        with pytest.raises(ConfigError, match=words):
            stream_of(model, **options)
    for session in (build(audio=AudioConfig(max_seconds=4.0)), LevelSession()):
        with pytest.raises(ConfigError, match="ser-tl stitch"):
            stream_of(session)
    with pytest.raises(ConfigError, match=r"hop of 0\.1 to 10 s"):
        Stitching(hop=0.01)
