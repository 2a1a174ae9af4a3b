"""A clip shorter than those that a model was seen to judge well is marked: the length is measured, kept and shown."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from ser_tl import cli
from ser_tl.data.audio_config import AudioConfig
from ser_tl.errors import CheckpointError
from ser_tl.inference import Predictor
from ser_tl.inference.calibration import DEV
from ser_tl.inference.short_clips import (
    FEWEST_PARTS,
    LENGTHS,
    MOST_CLIPS,
    Judged,
    JudgedParts,
    cut_middles,
    find_shortest,
    judge_parts,
)
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.training.samples import tiny_model, tone_corpus, tone_split, train_config

KNOWN = Calibration("temperature", [1.0], [], DEV, 60, 4, 1.2, 0.9)


def judged(shares, *, clips=40):
    """Parts of two classes of clips that are all answered right when whole; a share of right parts by length."""
    lengths = np.repeat(list(shares), clips)
    right = np.concatenate([np.arange(clips) < round(share * clips) for share in shares.values()])
    labels = np.tile(np.arange(clips) % 2, len(shares))
    return JudgedParts(lengths, labels, right, np.ones(len(lengths), dtype=bool))


@pytest.mark.parametrize(
    ("shares", "shortest"),
    [
        ({0.5: 0.95, 1.0: 0.95, 2.0: 1.0}, 0.5),
        ({0.5: 0.5, 1.0: 0.92, 2.0: 1.0}, 1.0),
        ({0.5: 0.95, 1.0: 0.6, 2.0: 1.0}, 2.0),  # a shorter one that does well is luck
        ({0.5: 0.3, 1.0: 0.4, 2.0: 0.5}, 2.0),  # even the longest loses more
    ],
)
def test_it_is_the_shortest_length_down_to_which_little_is_lost(shares, shortest):
    assert find_shortest(judged(shares)) == shortest


def test_lengths_of_few_parts_tell_nothing():
    assert find_shortest(judged({1.0: 0.2, 2.0: 0.2}, clips=FEWEST_PARTS - 1)) is None


def test_every_emotion_counts_alike():
    labels = np.array([0] * 38 + [1] * 2)
    parts = JudgedParts(np.full(40, 1.0), labels, labels == 0, np.ones(40, dtype=bool))
    assert find_shortest(parts) == 1.0  # half of the recall is gone, though only a twentieth of the clips
    both = JudgedParts(*(np.concatenate(pair) for pair in zip(parts, judged({2.0: 1.0}), strict=True)))
    assert find_shortest(both) == 2.0


def test_parts_stand_beside_their_own_clips():
    clips = Judged(["a", "b"], np.array([[2.0, 1.0], [2.0, 1.0]]), np.array([0, 1]))
    parts = Judged(["b", "a", "a"], np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), np.array([1, 0, 0]))
    found = judge_parts(parts, np.array([0.5, 0.5, 1.0]), clips)
    assert found.right.tolist() == [True, False, True]
    assert found.whole.tolist() == [False, True, True]


def test_middles_are_cut_of_longer_clips_alone(tmp_path):
    corpus, model = tone_corpus(tmp_path / "tones"), tiny_model()
    middles = cut_middles(model, corpus)
    seconds = {name: soundfile.info(tmp_path / "tones" / f"{name}.wav").duration for name in corpus["id"]}
    assert len(middles) == sum(value > LENGTHS[0] for value in seconds.values()) < min(MOST_CLIPS, len(corpus))
    assert set(middles.lengths) == {LENGTHS[0]}
    clip = middles[0]
    assert len(clip.waveform) == 8000
    whole = soundfile.read(tmp_path / "tones" / f"{clip.id}.wav", dtype="float32")[0]
    start = (len(whole) - 8000) // 2
    assert np.array_equal(clip.waveform.numpy(), whole[start : start + 8000])


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_refit_measures_it_on_held_out_speakers_and_predictions_say_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ser_tl.inference.short_clips.LENGTHS", (0.4,))
    split = tone_split(tmp_path / "tones")
    model = tiny_model()
    config = train_config(epochs=1, refit="discriminant", calibration="temperature")
    Trainer(model, Frozen(), config).fit(split.train, split.dev)
    assert model.calibration.shortest == 0.4
    assert "clips under 0.4 s of speech are marked as too short" in model.calibration.describe()
    model.save_pretrained(tmp_path / "model")
    assert EmotionModel.from_pretrained(tmp_path / "model").calibration.shortest == 0.4
    tone = 0.3 * np.sin(np.arange(32000) / 5)
    long, short = Predictor(model).predict([tone, tone[:4000]], sampling_rate=16000)
    assert (long.too_short, short.too_short) == (False, True)
    assert "too_short" not in long.to_dict()
    assert short.to_dict()["too_short"] is True

    capsys.readouterr()
    soundfile.write(tmp_path / "short.wav", tone[:4000], 16000)
    assert cli.main(["predict", str(tmp_path / "model"), str(tmp_path / "short.wav"), "--format", "jsonl"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["too_short"] is True
    assert "note: 1 of 1 recordings have less speech than this model judges well" in err


def test_silence_around_a_word_is_no_speech():
    model = tiny_model()
    model = EmotionModel(model.encoder, model.labels, config=model.config, audio=AudioConfig(gate="energy"))
    model.calibration = replace(KNOWN, shortest=1.0)
    word = np.pad(0.3 * np.sin(np.arange(8000) / 5), 24000)
    speech = 0.3 * np.sin(np.arange(32000) / 5)
    short, long = Predictor(model).predict([word, speech], sampling_rate=16000)
    assert (short.too_short, long.too_short) == (True, False)


def test_a_calibration_saved_before_marks_nothing_and_a_length_that_is_none_is_refused():
    content = KNOWN.to_json()
    del content["shortest"]
    assert Calibration.from_json(content, 3, "config.json").shortest is None
    for wrong in (-1.0, 0.0, float("inf"), "long"):
        with pytest.raises(CheckpointError):
            Calibration.from_json(content | {"shortest": wrong}, 3, "config.json")
