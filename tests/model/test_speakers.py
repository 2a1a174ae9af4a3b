"""Whom a model knows is told by hashes: no names on disk, and every refusal as before."""

import json
import unicodedata
from itertools import chain

import pytest

import ser_tl as ser
from ser_tl.errors import CheckpointError, SplitError
from ser_tl.model import CONFIG_FILE, WEIGHTS_FILE, EmotionModel, KnownSpeakers
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.model.test_saved_before import SAVED
from tests.test_model import build
from tests.training.samples import tiny_model, tone_split, train_config

NAMES = ["Ann Lee", "José", "speaker_3", "01"]


def test_names_are_known_and_are_nowhere_on_disk(tmp_path):
    model = build()
    model.known_speakers = NAMES
    model.save_pretrained(tmp_path)
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        content = (tmp_path / file).read_bytes()
        assert not any(name.encode() in content for name in ("Ann", "Lee", "Jos", "speaker_3"))
    again = EmotionModel.from_pretrained(tmp_path)
    assert again.known_speakers.among([*NAMES, "Lee", "speaker_4", ""]) == sorted(NAMES)
    assert again.known_speakers == model.known_speakers != KnownSpeakers.from_names(NAMES[1:])
    assert "Ann" not in repr(again.known_speakers)


@pytest.mark.parametrize("name", [unicodedata.normalize("NFD", "José"), " josé", "JOSÉ", "ann  lee", "Speaker_3\n"])
def test_another_spelling_is_the_same_person(name):
    assert KnownSpeakers.from_names(NAMES).among([name]) == [name]


def test_the_same_names_give_the_same_file_and_one_name_another_hash_in_another_model():
    first, second = KnownSpeakers.from_names(NAMES).as_json(), KnownSpeakers.from_names(NAMES[::-1] * 2).as_json()
    assert first == second
    other = KnownSpeakers.from_names(["Ann Lee", "someone"]).as_json()
    assert not {*chain(*first.values())} & {*chain(*other.values())}


def test_a_student_knows_whom_its_teacher_knows_too():
    both = KnownSpeakers.from_names(["a", "b"]) | KnownSpeakers.from_names(["b", "c"])
    assert both.among("abcd") == ["a", "b", "c"]
    assert KnownSpeakers.from_json(json.loads(json.dumps(both.as_json()))) == both
    assert (both | both) == both
    assert not KnownSpeakers.from_names([])


@pytest.mark.parametrize("value", [None, 3, "Ann", [1], {"salt": "hash"}, {"salt": [1]}, {"salt": None}, [["a"]]])
def test_what_is_no_such_list_is_refused(value):
    with pytest.raises(CheckpointError, match=r"config.json: known_speakers is .*expected lists of hashes"):
        KnownSpeakers.from_json(value)


@pytest.mark.slow
def test_a_training_leaves_no_names_and_its_model_refuses_its_speakers(tmp_path):
    split = tone_split(tmp_path / "tones")
    trainer = Trainer(tiny_model(dropout=0.0), Frozen(), train_config(epochs=1))
    trainer.fit(split.train, split.dev)
    trainer.model.save_pretrained(tmp_path / "model")
    assert not any(
        b"speaker_" in path.read_bytes().replace(b"known_speaker", b"") for path in (tmp_path / "model").iterdir()
    )
    again = Trainer(EmotionModel.from_pretrained(tmp_path / "model"), Frozen(), train_config())
    for part in (split.train, split.dev):
        with pytest.raises(SplitError, match="speaker_"):
            again.evaluate(part)
    assert len(again.evaluate(split.test).predictions) == len(split.test)


def test_a_model_that_is_saved_again_loses_the_names_that_an_earlier_version_kept(tmp_path):
    model = EmotionModel.from_pretrained(SAVED / "wav2vec2")
    model.save_pretrained(tmp_path / "model")
    adapter = ser.load_adapter(SAVED / "adapter", model.encoder)
    adapter.known_speakers |= model.known_speakers
    ser.save_adapter(adapter, tmp_path / "adapter")
    for path in (*(tmp_path / "model").iterdir(), *(tmp_path / "adapter").iterdir()):
        assert b"actor_01" not in path.read_bytes()
    assert "actor_01" in EmotionModel.from_pretrained(tmp_path / "model").known_speakers
    assert ser.load_adapter(tmp_path / "adapter", model.encoder).known_speakers.among(["actor_01", "c"]) == [
        "actor_01",
        "c",
    ]
