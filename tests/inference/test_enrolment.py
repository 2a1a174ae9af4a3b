"""Enrolled speakers: measured on few clips, kept in a file, taken out of that speaker's predictions."""

import json

import numpy as np
import pytest
import torch

from ser_tl.cli import main
from ser_tl.data.audio import AudioConfig
from ser_tl.errors import AudioError, CheckpointError, ConfigError
from ser_tl.export.graph import obstacles
from ser_tl.inference import Predictor, Speaker
from ser_tl.inference.enrolment import personal_model
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.feature_norm import SpeakerPrior
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.card.bases import check_inherited, save_restricted
from tests.encoders.tiny import clip, tiny
from tests.test_model import LABELS
from tests.training.samples import TONES, tone_split, train_config

pytestmark = pytest.mark.slow

SPEAKERS = ModelConfig(hidden=8, statistics="speaker")


def made(prior=4.0, **audio):
    """A model that takes speakers, no statistic or weight of which is left as it begins."""
    torch.manual_seed(3)
    model = EmotionModel(tiny("whisper"), LABELS, pooling="stats", config=SPEAKERS, audio=AudioConfig(**audio))
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.startswith("encoder."):
                tensor.add_(0.3 * torch.rand_like(tensor))
    model.enrolment = SpeakerPrior(model.embedding_dim, 2, len(LABELS))
    model.enrolment.class_means.normal_()
    model.enrolment.rest.fill_(1 / prior)
    model.enrolment.ratios.fill_(3.0)
    model.enrolment.synthesis.copy_(torch.linalg.qr(torch.randn(model.embedding_dim, 2))[0])
    model.enrolment.analysis.copy_(model.enrolment.synthesis.T)
    return model.eval()


def recordings(count, seconds=0.5):
    return [clip(int(16_000 * seconds) + 900 * seed, seed=seed).numpy() for seed in range(count)]


def values(predictions):
    return np.array([list(one.probabilities.values()) for one in predictions])


@pytest.mark.parametrize("prior", [0.5, 4.0])
def test_what_is_taken_out_is_the_shrunken_mean_of_the_clips_embeddings(prior):
    model, clips, other = made(prior), recordings(3), recordings(6)[3:]
    plain = model.embed(clips)
    speaker = model.enrol(clips)
    assert (speaker.clips, speaker.seconds) == (3, pytest.approx(sum(map(len, clips)) / 16_000))
    np.testing.assert_allclose(speaker.mean, plain.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(speaker.deviation, plain.std(axis=0), atol=1e-4)
    found = model.embed(other, speaker=speaker)
    directions, mean = model.enrolment.synthesis.numpy(), plain.mean(axis=0)
    along = directions @ (directions.T @ mean)
    taken = 3 / (3 + prior) * (mean - along) + 9 / 10 * along  # 3 clips: 3 * 3 / (3 * 3 + 1)
    np.testing.assert_allclose(found, model.embed(other) - taken, atol=1e-3)
    logits = model.head(torch.from_numpy(found)).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(values(model.predict(other, speaker=speaker)), logits, atol=1e-4)


def test_the_model_of_one_speaker_answers_as_the_model_with_the_speaker_and_is_exported(tmp_path):
    model, other = save_restricted(made(), tmp_path / "base"), recordings(5)[3:]
    speaker = model.enrol(recordings(3))
    personal = personal_model(model, speaker)
    expected = values(model.predict(other, speaker=speaker))
    np.testing.assert_allclose(values(personal.predict(other)), expected, atol=1e-5)
    assert model.config.statistics == "speaker"
    assert np.abs(values(model.predict(other)) - expected).max() > 1e-3
    check_inherited(personal, tmp_path / "model", "Made for one speaker")
    np.testing.assert_allclose(
        values(EmotionModel.from_pretrained(tmp_path / "model").predict(other)), expected, atol=1e-5
    )
    with pytest.raises(ConfigError, match="wasn't trained for enrolled speakers"):
        personal.enrol(other)
    assert not obstacles(personal)
    assert "personal" in " ".join(obstacles(model))


def test_what_a_label_explains_is_not_taken_for_the_speakers():
    model, clips, labels = made(), recordings(3), [LABELS[2], LABELS[0], LABELS[2]]
    means = model.enrolment.class_means.numpy()
    expected = (model.embed(clips) - means[[2, 0, 2]]).mean(axis=0)
    np.testing.assert_allclose(model.enrol(clips, labels=labels).mean, expected, atol=1e-4)
    for wrong, found in ((labels[:2], "2 of them"), (["joyous", *labels[1:]], "joyous among them")):
        with pytest.raises(ConfigError, match=rf"labels of 3 recordings, {found}: expected one for each"):
            model.enrol(clips, labels=wrong)


def test_a_speaker_changes_that_call_alone():
    model, clips = made(), recordings(2)
    before = values(model.predict(clips))
    assert np.abs(values(model.predict(clips, speaker=model.enrol(clips))) - before).max() > 1e-3
    np.testing.assert_array_equal(values(model.predict(clips)), before)


def test_a_long_recording_counts_as_many_clips_as_it_has_windows():
    model = made(max_seconds=0.5)
    whole = np.concatenate(recordings(4))
    (prediction,) = Predictor(model).predict(whole)
    assert model.enrol(whole).clips == len(prediction.segments) > 3


def test_speaker_normalize_enrols_with_all_of_the_recordings():
    model, clips = made(), recordings(5)
    expected = model.predict(clips, speaker=model.enrol(clips))
    np.testing.assert_allclose(values(model.predict(clips, speaker_normalize=True)), values(expected), atol=1e-5)


@pytest.mark.parametrize("name", ["ann.npz", "ann.json"])
def test_it_is_saved_apart_from_the_model_and_comes_back(name, tmp_path):
    model = made()
    speaker = model.enrol(recordings(3))
    speaker.save(tmp_path / name)
    again = Speaker.load(tmp_path / name)
    assert vars(again).keys() == vars(speaker).keys()
    assert (again.clips, again.seconds, again.model) == (speaker.clips, speaker.seconds, speaker.model)
    np.testing.assert_array_equal(again.mean, speaker.mean)
    np.testing.assert_array_equal(again.deviation, speaker.deviation)
    model.save_pretrained(tmp_path / "model")
    other = recordings(5)[3:]
    loaded = EmotionModel.from_pretrained(tmp_path / "model")
    assert torch.equal(loaded.enrolment.analysis, model.enrolment.analysis)
    found = values(loaded.predict(other, speaker=again))
    np.testing.assert_allclose(found, values(model.predict(other, speaker=speaker)), atol=1e-6)


def test_two_enrolments_join_to_that_of_all_clips():
    model, clips = made(), recordings(5)
    joined, whole = model.enrol(clips[:2]).join(model.enrol(clips[2:])), model.enrol(clips)
    assert joined.clips == 5
    np.testing.assert_allclose(joined.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(joined.deviation, whole.deviation, atol=1e-5)


def test_silence_is_refused_and_one_short_clip_is_warned_of():
    model = made()
    with pytest.raises(AudioError, match="no speech in any recording of the enrolment"):
        model.enrol([np.zeros(16_000, np.float32)])
    with pytest.warns(UserWarning, match=r"enrol: 0\.5 s of audio say little"):
        assert model.enrol(recordings(1)[0]).clips == 1


def test_models_that_take_no_speaker_refuse_one_with_the_way_out(exported):
    plain = made()
    plain.enrolment = None
    speaker = made().enrol(recordings(4))
    for ask in (lambda: plain.enrol(recordings(2)), lambda: plain.predict(recordings(2), speaker=speaker)):
        with pytest.raises(ConfigError, match=r"wasn't trained for enrolled speakers.*train\.refit enrolment"):
            ask()
    with pytest.raises(ConfigError, match=r"exported graph .* takes no speaker's: predict with the saved model"):
        Predictor(exported).predict(recordings(2), speaker=speaker)
    with pytest.raises(ConfigError, match=r"exported graph .* takes no speaker's"):
        Predictor(exported).enrol(recordings(2))


def test_a_speaker_of_another_model_and_two_ways_at_once_are_refused():
    model, other = made(), made()
    with torch.no_grad():
        other.standardise_embedding.mean[0] += 1e-3
    speaker = other.enrol(recordings(4))
    with pytest.raises(ConfigError, match="enrolled with another model"):
        model.predict(recordings(2), speaker=speaker)
    with pytest.raises(ConfigError, match="enrolled with another model"):
        model.enrol(recordings(2)).join(speaker)
    with pytest.raises(ConfigError, match="speaker_normalize takes the recordings' own"):
        other.predict(recordings(2), speaker=speaker, speaker_normalize=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.npz", b"PK\x03\x04 and no more"),
        ("no.json", b"{not json"),
        ("list.json", b"[1, 2]"),
        ("other.json", b'{"kind": "something", "mean": [], "deviation": []}'),
    ],
)
def test_files_that_hold_no_speaker_are_told(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not an enrolled speaker of format 1.*ser-tl enrol"):
        Speaker.load(tmp_path / name)
    with pytest.raises(CheckpointError, match="no such file"):
        Speaker.load(tmp_path / "gone.npz")
    with pytest.raises(ConfigError, match=r"ends with \.npz or \.json"):
        Speaker.load(tmp_path / "ann.txt")


@pytest.mark.parametrize("change", [{"clips": 0}, {"format": 9}, {"mean": [1.0]}, {"deviation": [float("nan")] * 64}])
def test_a_file_that_was_changed_is_refused(change, tmp_path):
    made().enrol(recordings(3)).save(tmp_path / "ann.json")
    content = json.loads((tmp_path / "ann.json").read_text()) | change
    (tmp_path / "ann.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="not an enrolled speaker"):
        Speaker.load(tmp_path / "ann.json")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training with refit enrolment, its split, and its folder."""
    folder = tmp_path_factory.mktemp("enrolment")
    split = tone_split(folder / "tones")
    torch.manual_seed(1)
    model = EmotionModel(tiny("whisper"), list(TONES), pooling="stats", config=ModelConfig(statistics="speaker"))
    trainer = Trainer(model, Frozen(), train_config(refit="enrolment", epochs=0, calibration="temperature"))
    trainer.fit(split.train, split.dev)
    model.save_pretrained(folder / "model")
    return trainer, split, folder


@pytest.mark.exhaustive
def test_a_training_fits_the_prior_and_the_head_and_reports_both(trained):
    trainer, split, _ = trained
    assert trainer.model.enrolment is not None
    report = trainer.evaluate(split.test)
    assert report.facts["refit"]["enrolment_prior"] == trainer.model.enrolment.clips > 0
    assert 0 <= report.facts["refit"]["held_out_uar"] <= 1


def test_a_report_enrols_each_test_speaker_with_all_clips(trained):
    trainer, split, _ = trained
    report = trainer.evaluate(split.test)
    for speaker in set(split.test["speaker"][:]):
        rows = [row for row in split.test if row["speaker"] == speaker]
        paths = [row["audio"]["path"] for row in rows]
        expected = values(trainer.model.predict(paths, speaker=trainer.model.enrol(paths)))
        index = [report.predictions.ids.index(row["id"]) for row in rows]
        np.testing.assert_allclose(report.predictions.probabilities[index], expected, atol=1e-3)


def test_the_command_line_enrols_and_predicts(trained, tmp_path, capsys):
    _, split, folder = trained
    speaker = split.test["speaker"][0]
    paths = [row["audio"]["path"] for row in split.test if row["speaker"] == speaker]
    model, file = str(folder / "model"), tmp_path / "ann.npz"
    assert main(["enrol", model, *paths[:1], "--output", str(file)]) == 0
    warning = capsys.readouterr().err
    assert warning.startswith("warning: enrol: ")
    assert "say little of a speaker's voice" in warning
    assert main(["enrol", model, *paths[:2], "--output", str(file)]) == 0
    personal = tmp_path / "ann"
    more = ["--add", str(file), "--personal", str(personal)]
    assert main(["enrol", model, *paths[2:4], "--output", str(file), *more]) == 0
    assert Speaker.load(file).clips == 4
    capsys.readouterr()
    assert main(["predict", model, paths[-1], "--speaker", str(file)]) == 0
    row = json.loads(capsys.readouterr().out)
    expected = EmotionModel.from_pretrained(model).predict(paths[-1], speaker=Speaker.load(file))
    assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
    card = (personal / "README.md").read_text()
    assert "Made for one speaker, from 4 recordings" in card
    assert EmotionModel.from_pretrained(personal).predict(paths[-1]).probabilities == pytest.approx(
        expected.probabilities, abs=1e-4
    )
    assert main(["predict", model, paths[-1], "--speaker", str(tmp_path / "gone.npz")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "pooling", "found"),
    [
        ({"statistics": "training"}, "stats", r"model\.statistics is training: choose"),
        ({"statistics": "speaker"}, "attention", "choose pooling stats"),
        ({"statistics": "speaker", "projection": 4}, "stats", "choose pooling stats"),
    ],
)
def test_trainings_that_it_does_not_fit_are_refused_with_the_way_out(trained, changes, pooling, found):
    _, split, _ = trained
    model = EmotionModel(tiny("whisper"), list(TONES), pooling=pooling, config=ModelConfig(**changes))
    with pytest.raises(ConfigError, match=found):
        Trainer(model, Frozen(), train_config(refit="enrolment", epochs=1)).fit(split.train, split.dev)
