"""A distillation: it learns, skips what it needn't compute, and a kill leaves no trace."""

import json
import shutil

import pytest
import torch

from ser_tl.augment import AugmentConfig
from ser_tl.distill import DistillConfig
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.runtime.state_file import LOG_FILE, STATE_FILE
from tests.distill.samples import audio_folder, distiller, recordings

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    monkeypatch.setattr("ser_tl.distill.trainer.plots.distillation_picture", lambda *args: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return audio_folder(tmp_path_factory.mktemp("audio"), 2.0, 3.0)


def weights(trainer):
    return torch.cat([one.detach().flatten() for one in trainer.network.parameters()])


def log(place):
    return [json.loads(line) for line in (place / LOG_FILE).read_text().splitlines()]


NOISE = AugmentConfig(transforms={"gain": {}, "noise": {"snr": [5.0, 20.0]}})


def test_the_loss_goes_down_and_the_log_tells(folder, tmp_path):
    trainer = distiller(tmp_path, steps=40, learning_rate=0.01, batch=4, log_every=10)
    trainer.fit(recordings(folder))
    first, *_, last = records = log(tmp_path)
    assert last["loss"] < 0.8 * first["loss"]
    assert [record["step"] for record in records] == [10, 20, 30, 40]
    assert set(last["layers"]) == set(last["cosines"]) == {"0", "1", "2", "3"}
    assert last["cosines"]["1"] > first["cosines"]["1"]
    assert last["audio_seconds_per_second"] > 0
    assert not trainer.student.training


def test_crops_of_many_lengths_make_the_same_seconds(folder, tmp_path, monkeypatch):
    trainer = distiller(tmp_path, steps=60, batch=2, crop=1.6, shortest=0.4)
    seen = []

    def losses(waveform, lengths, places):
        assert lengths.unique().numel() == 1
        seen.append(tuple(waveform.shape))
        return torch.zeros(len(places), requires_grad=True), torch.zeros(len(places))

    monkeypatch.setattr(trainer, "_losses", losses)
    trainer.fit(recordings(folder, crop=1.6))
    crops, samples = (torch.tensor(one, dtype=torch.float64) for one in zip(*seen, strict=True))
    seconds = samples / 16000
    assert seconds.min() == 0.4
    assert seconds.max() == 1.6
    assert 0.35 < float((seconds < 0.8).double().mean()) < 0.65  # evenly by the logarithm
    assert torch.equal(crops, (3.2 / seconds).round())


@pytest.mark.exhaustive
def test_a_resumed_distillation_ends_with_the_same_weights(folder, tmp_path):
    whole = distiller(tmp_path / "whole", NOISE, freeze_steps=2, save_every=0)
    whole.fit(recordings(folder))
    killed = distiller(tmp_path / "killed", NOISE, freeze_steps=2, save_every=0)
    save, steps = killed._save, []

    def saved():
        save()
        steps.append(killed.step)
        if killed.step == 4:
            raise KeyboardInterrupt

    killed._save = saved
    with pytest.raises(KeyboardInterrupt):
        killed.fit(recordings(folder))
    with (tmp_path / "killed" / LOG_FILE).open("a") as lines:
        lines.write('{"step": 5, "loss": 9.0}\n{"step": 6, "lo')  # what a killed process wrote after its last state
    again = distiller(tmp_path / "killed", NOISE, freeze_steps=2, save_every=0)
    before = again.seconds
    again.fit(recordings(folder), resume=True)
    assert steps == [1, 2, 3, 4]
    assert torch.equal(weights(again), weights(whole))
    assert [record["loss"] for record in log(tmp_path / "killed")] == [
        record["loss"] for record in log(tmp_path / "whole")
    ]
    assert again.seconds > before


def test_time_spent_before_counts(folder, tmp_path):
    trainer = distiller(tmp_path, steps=2)
    trainer.fit(recordings(folder))
    trainer.seconds = 59.9
    trainer._save()
    again = distiller(tmp_path, steps=None, minutes=1.0)
    again.fit(recordings(folder), resume=True)
    assert 60.0 <= again.seconds < 75.0
    assert again._done == 1.0
    assert log(tmp_path)[-1]["learning_rate"] < 0.02 * trainer.config.learning_rate


def test_other_options_are_refused_when_resumed(folder, tmp_path):
    trainer = distiller(tmp_path, steps=2)
    trainer.fit(recordings(folder))
    with pytest.raises(CheckpointError, match=r"other values of cosine: resume with the same ones, or start anew"):
        distiller(tmp_path, cosine=2.0).fit(recordings(folder), resume=True)
    (tmp_path / STATE_FILE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="delete it to train from the beginning"):
        distiller(tmp_path).fit(recordings(folder), resume=True)
    shutil.rmtree(tmp_path)
    assert distiller(tmp_path, steps=1).fit(recordings(folder), resume=True)  # nothing there: from the beginning


def test_no_layer_is_computed_while_the_front_end_learns(folder, tmp_path):
    trainer = distiller(tmp_path, freeze_steps=2, steps=3, initial="teacher", log_every=1)
    layers = [*trainer.teacher.model.layers, *trainer.student.model.encoder.layers]
    calls = []
    for layer in layers:
        layer.register_forward_hook(lambda *_: calls.append(trainer.step))
    before = [weight.clone() for layer in layers for weight in layer.parameters()]
    step, moved = trainer._train_step, {}

    def watched(found):
        made = step(found)
        after = [weight for layer in layers for weight in layer.parameters()]
        moved[trainer.step] = any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
        return made

    trainer._train_step = watched
    trainer.fit(recordings(folder))
    assert set(calls) == {2}
    assert moved == {1: False, 2: False, 3: True}
    first, *_, last = log(tmp_path)
    assert set(first["layers"]) == {"0"}
    assert set(last["layers"]) == {"0", "1", "2", "3"}


def test_the_teacher_hears_clean_audio_and_never_moves(folder, tmp_path, monkeypatch):
    trainer = distiller(tmp_path, AugmentConfig(transforms={"noise": {"probability": 1.0, "snr": 0.0}}), steps=2)
    heard = {}
    for name, model in (("teacher", trainer.teacher), ("student", trainer.student)):
        model.register_forward_pre_hook(lambda _, inputs, name=name: heard.setdefault(name, []).append(inputs[0]))
    before = [weight.clone() for weight in trainer.teacher.parameters()]
    trainer.fit(recordings(folder))
    ratio = [
        float((student - teacher).square().mean() / teacher.square().mean())
        for teacher, student in zip(heard["teacher"], heard["student"], strict=True)
    ]
    assert ratio == pytest.approx([1.0, 1.0], rel=0.2)
    assert all(torch.equal(one, other) for one, other in zip(before, trainer.teacher.parameters(), strict=True))


@pytest.mark.parametrize("name", ["speed", "stretch", "crop", "mixup", "mask-mel", "mask", "mixup-embedding"])
def test_what_moves_sounds_in_time_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"at the same times.*leave out {name}\."):
        distiller(tmp_path, AugmentConfig(transforms={name: {}}))


def test_a_loss_that_is_no_number_ends_the_training(folder, tmp_path):
    trainer = distiller(tmp_path)
    with torch.no_grad():
        trainer.loss.heads[2][1].weight.fill_(torch.nan)
    with pytest.raises(ConfigError, match=r"step 0: .*lower distill\.learning_rate"):
        trainer.fit(recordings(folder))


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("batch", 0, "1 or more"),
        ("cosine", -1.0, "0 or more"),
        ("minutes", 0.0, "more than 0"),
        ("crop", 0.01, "at least 0.1 s"),
        ("shortest", 0.05, "0.1 to distill.crop, 2.5"),
        ("shortest", 3.0, "0.1 to distill.crop, 2.5"),
        ("warmup", 1.0, "0 to below 1"),
    ],
)
def test_bad_values_are_told(option, value, told):
    with pytest.raises(ConfigError, match=rf"distill\.{option} is {value}.*{told}"):
        DistillConfig(**{option: value})
