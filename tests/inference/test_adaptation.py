"""`model.adapt` and `ser-tl adapt` on a small trained model: recordings of another channel, without labels."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from ser_tl import cli
from ser_tl.card import write_card
from ser_tl.data.audio import decode
from ser_tl.errors import AdaptationError, AudioError, ConfigError
from ser_tl.inference.adaptation import FEWEST_CLIPS, LEAST_VARIETY, find_obstacle
from ser_tl.model import EmotionModel
from ser_tl.modules.adaptation import AdaptedClassifier, Variety
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.card.bases import check_inherited, save_restricted
from tests.training.samples import TONES, tiny_model, tone_corpus, train_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a model of some speakers' tones, and other speakers' tones through another channel."""
    from tests.training.samples import split_tones

    folder = tmp_path_factory.mktemp("adapt")
    split = split_tones(tone_corpus(folder / "source"))
    trainer = Trainer(
        tiny_model(dropout=0.0, pooling="stats"),
        Frozen(),
        train_config(epochs=1, refit="discriminant", calibration="temperature"),
    )
    trainer.fit(split.train, split.dev)
    trainer.model.save_pretrained(folder / "model")
    other = tone_corpus(folder / "target", speakers=8, takes=2, seed=5)
    lines = ["path,emotion,speaker,id"]
    for row in other:
        path = row["audio"]["path"]
        wave = decode(path)
        soundfile.write(path, np.convolve(wave, [0.3, 0.25, 0.2, 0.15], mode="same") * 0.2, 16_000)
        lines.append(f"{path},{row['emotion']},new_{row['speaker']},{row['id']}")
    (folder / "target.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def model(run):
    return EmotionModel.from_pretrained(run / "model")


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """Tones of fourteen speakers, 42 of each emotion."""
    return tone_corpus(tmp_path_factory.mktemp("more"), speakers=14, takes=3, seed=9)


def adapt(run, output, *given):
    return cli.main(["adapt", str(run / "model"), "--output", str(output), *given])


def test_the_new_model_normalises_by_the_targets_statistics_and_the_old_one_stays(run, model):
    files = sorted(str(path) for path in (run / "target").glob("*.wav"))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapted, facts = model.adapt(files)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    rows = adapted.embed(files)
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-3)
    spread = rows.std(axis=0)
    assert (np.isclose(spread, 1.0, atol=1e-2) | (spread < 1.0)).all()  # nearly silent channels aren't blown up
    assert facts.clips == len(files) == 48
    assert 0 <= facts.low <= facts.estimate <= facts.high <= 100
    assert sum(facts.shares.values()) == pytest.approx(100.0)
    again, _ = model.adapt(files)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in adapted.state_dict().items())


def test_statistics_leave_the_classifier_and_em_moves_it(run, model):
    files = [str(path) for path in (run / "target").glob("*.wav")]
    statistics, em = (model.adapt(files, method=method) for method in ("statistics", "em"))
    assert (statistics.facts.method, em.facts.method) == ("statistics", "em")
    torch.testing.assert_close(statistics.model.head.weight, model.head.weight)
    assert not torch.allclose(em.model.head.weight, model.head.weight)
    assert em.facts.high - em.facts.low >= statistics.facts.high - statistics.facts.low


def test_a_folder_with_its_card_predicts_and_exports_as_any_other(run, tmp_path, capsys):
    assert adapt(run, tmp_path / "new", "--files", str(run / "target"), str(run / "source" / "anger_0_0.wav")) == 0
    out = capsys.readouterr().out
    card = (tmp_path / "new" / "README.md").read_text()
    facts = json.loads((tmp_path / "new" / "adaptation.json").read_text())
    assert "Estimated UAR" in out
    assert "## Adaptation without labels" in card
    assert f"adapted to {facts['clips']} clips" in card
    adapted = EmotionModel.from_pretrained(tmp_path / "new")
    assert adapted.calibration is not None
    assert adapted.calibration.sets is None  # what was promised was of other recordings
    file = next((run / "target").glob("*.wav"))
    assert adapted.predict(file).label in TONES
    assert adapted.known_speakers == EmotionModel.from_pretrained(run / "model").known_speakers


def test_the_new_card_keeps_the_data_of_the_old_one_and_says_what_no_longer_holds(run, tmp_path, capsys):
    base = tmp_path / "base"
    shutil.copytree(run / "model", base)
    write_card(base, options={"corpus": "ravdess", "purpose": "Tones."})
    given = ["adapt", str(base), "--output", str(tmp_path / "new"), "--files", str(run / "target")]
    assert cli.main([*given, str(run / "source" / "anger_0_0.wav")]) == 0
    card = (tmp_path / "new" / "README.md").read_text()
    assert "Ryerson" in card
    assert "> **Not for commercial use**" in card
    assert "Tones." in card
    state = EmotionModel.from_pretrained(tmp_path / "new").calibration.describe()
    assert "since then the model was adapted to other recordings without labels" in state
    assert state in card
    assert "may be far off on these: fit them to some labelled clips" in capsys.readouterr().out
    assert "adapted" not in (base / "config.json").read_text()  # that of other models is as it was


def test_models_made_in_python_keep_the_data_and_terms_of_what_they_were_made_of(run, tmp_path):
    files = sorted(str(path) for path in (run / "target").glob("*.wav"))
    model = save_restricted(EmotionModel.from_pretrained(run / "model"), tmp_path / "base")
    adapted, facts = model.adapt(files)
    note = f"Adapted to {facts.clips} clips"
    assert (model.home, adapted.home) == (tmp_path / "base", None)
    twice = adapted.adapt(files).model  # neither of the two is saved yet
    assert check_inherited(twice, tmp_path / "twice", note).count("Adapted to") == 2
    check_inherited(adapted, tmp_path / "adapted", note)
    again = EmotionModel.from_pretrained(tmp_path / "adapted").adapt(files).model
    assert check_inherited(again, tmp_path / "again", note).count("Adapted to") == 1
    adapted.push_to_hub(f"file://{tmp_path / 'hub'}")
    pushed = EmotionModel.from_pretrained(tmp_path / "hub").home / "README.md"
    assert pushed.read_text() == (tmp_path / "adapted" / "README.md").read_text()
    check_inherited(copy.deepcopy(adapted), tmp_path / "base", note)  # in the place of the model that it was made of


def test_what_was_made_in_python_is_pushed_and_exported_with_those_terms_though_it_was_never_saved(run, tmp_path):
    files = sorted(str(path) for path in (run / "target").glob("*.wav"))
    model = save_restricted(EmotionModel.from_pretrained(run / "model"), tmp_path / "base")
    adapted, _ = model.adapt(files)
    adapted.push_to_hub(f"file://{tmp_path / 'hub'}")
    adapted.export("onnx", tmp_path / "graph")
    assert adapted.home is None
    for folder in (EmotionModel.from_pretrained(tmp_path / "hub").home, tmp_path / "graph"):
        card = (folder / "README.md").read_text()
        assert "> Adapted to" in card
        assert "> **Not for commercial use**" in card
        assert "Ryerson" in card


def test_a_model_that_was_never_saved_is_adapted_all_the_same_and_its_card_claims_nothing(run, tmp_path):
    files = sorted(str(path) for path in (run / "target").glob("*.wav"))
    model = EmotionModel.from_pretrained(run / "model")
    model.home = None
    model.adapt(files).model.save_pretrained(tmp_path / "new")
    card = (tmp_path / "new" / "README.md").read_text()
    assert "> Adapted to" in card
    assert "What it was trained on wasn't recorded." in card


def test_a_corpus_is_adapted_to_without_its_labels(run, tmp_path, capsys):
    wrong = (run / "target.csv").read_text().replace("anger,", "sadness,")
    (run / "wrong.csv").write_text(wrong)
    for name in ("target", "wrong"):
        given = ["--corpus", "csv", "--root", str(run / f"{name}.csv")]
        assert adapt(run, tmp_path / name, *given) == 0, capsys.readouterr().err
    models = [EmotionModel.from_pretrained(tmp_path / name) for name in ("target", "wrong")]
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert "8 speakers of" in (tmp_path / "target" / "README.md").read_text()


def test_speakers_of_the_training_are_refused(run, tmp_path, capsys):
    known = (run / "target.csv").read_text().replace("new_speaker", "speaker")
    (run / "known.csv").write_text(known)
    assert adapt(run, tmp_path / "new", "--corpus", "csv", "--root", str(run / "known.csv")) == 1
    assert "from its training" in capsys.readouterr().err
    assert not (tmp_path / "new" / "model.safetensors").exists()


def test_few_clips_and_silence_are_refused(run, model):
    files = sorted(str(path) for path in (run / "target").glob("*.wav"))
    with pytest.raises(AdaptationError, match=f"5 clips with speech, expected {FEWEST_CLIPS} or more"):
        model.adapt(files[:5])
    with pytest.raises(AudioError, match="speech in none of 40"):
        model.adapt([np.zeros(16_000, dtype=np.float32)] * 40)


@pytest.mark.parametrize("emotion", TONES)
def test_one_emotion_alone_is_refused(model, more, emotion):
    files = pick(more, emotion, 42)
    assert len(files) == 42
    with pytest.raises(AdaptationError, match=r"ha(d|ve) one emotion"):
        model.adapt(files)


def test_shares_far_from_even_are_adapted_to(model, more):
    counts = dict(zip(TONES, (42, 12, 12), strict=True))
    files = [path for name, count in counts.items() for path in pick(more, name, count)]
    assert model.adapt(files).facts.variety > LEAST_VARIETY


def pick(rows, emotion, count):
    """Files of one emotion."""
    return [row["audio"]["path"] for row in rows if row["emotion"] == emotion][:count]


def test_models_that_cannot_be_adapted_say_why(model):
    clips = [np.ones(8_000, dtype=np.float32)] * FEWEST_CLIPS
    with pytest.raises(ConfigError, match="expected statistics or em"):
        model.adapt(clips, method="magic")
    with pytest.raises(ConfigError, match=r"train\.refit discriminant"):
        tiny_model().eval().adapt(clips)


def test_a_model_that_normalises_by_speaker_is_refused_with_what_to_do_instead(run, model, tmp_path, capsys):
    by_speaker = copy.deepcopy(model)
    by_speaker.config = replace(model.config, statistics="speaker")
    by_speaker.save_pretrained(tmp_path / "by_speaker")
    given = ["--files", str(run / "target"), "--output", str(tmp_path / "new")]
    assert cli.main(["adapt", str(tmp_path / "by_speaker"), *given]) == 1
    assert "which adapts it to anyone: predict with speaker_normalize, or enrol" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_one_source_of_recordings_is_named(run, tmp_path, capsys):
    assert adapt(run, tmp_path / "new") == 1
    assert "name one of the two" in capsys.readouterr().err


def fake(agreement, classes, *variety):
    """A classifier of which only figures matter."""
    nothing, variety = torch.zeros(classes), Variety(*(variety or (0.6, 0.6)))
    return AdaptedClassifier(nothing, nothing, nothing, nothing, nothing, 0.5, agreement, variety, 0.1)


@pytest.mark.parametrize(("classes", "least"), [(2, 0.65), (6, 5 / 12)])
def test_views_that_agree_little_above_chance_are_an_obstacle(classes, least):
    assert find_obstacle(fake(least + 0.01, classes)) is None
    assert f"expected {100 * least + 1e-9:.0f} % or more of {classes} emotions" in str(
        find_obstacle(fake(least - 0.01, classes))
    )


@pytest.mark.parametrize("variety", [(0.4, 0.6), (0.6, 0.3), (0.0, 0.6), (0.6, 0.0)])
def test_answers_and_clips_that_are_all_alike_are_an_obstacle(variety):
    assert find_obstacle(fake(0.9, 4)) is None
    assert "as if they had one emotion" in str(find_obstacle(fake(0.9, 4, *variety)))
