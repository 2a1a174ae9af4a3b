"""`ser-tl calibrate` on a small trained model: weights stay, probabilities are fitted to other speakers."""

import json

import pytest
import torch

from ser_tl import cli
from ser_tl.inference.calibration import recalibrate
from ser_tl.inference.clips import Pass
from ser_tl.inference.processes import OneProcess
from ser_tl.inference.scoring import evaluation_clips
from ser_tl.model import EmotionModel
from ser_tl.training import Trainer
from ser_tl.transfer import Full
from tests.card.bases import check_inherited, save_restricted
from tests.training.samples import tiny_model, tone_corpus, tone_split, train_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a model that was never calibrated, its split, and a manifest of all clips."""
    folder = tmp_path_factory.mktemp("run")
    split = tone_split(folder / "tones")
    trainer = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=4, calibration="none"))
    trainer.fit(split.train, split.dev)
    trainer.model.save_pretrained(folder / "model")
    (folder / "split.json").write_text(json.dumps(split.ids))
    lines = ["path,emotion,speaker,id"]
    for row in tone_corpus(folder / "tones"):
        lines.append(f"{row['audio']['path']},{row['emotion']},{row['speaker']},{row['id']}")
    (folder / "tones.csv").write_text("\n".join(lines))
    return folder


def calibrate(run, output, *more, ids=True):
    """The command's exit status."""
    chosen = ["--ids", str(run / "split.json")] if ids else []
    corpus = ["--corpus", "csv", "--root", str(run / "tones.csv")]
    return cli.main(["calibrate", str(run / "model"), *corpus, "--output", str(output), *chosen, *more])


@pytest.mark.slow
def test_weights_stay_and_probabilities_are_calibrated(run, tmp_path, capsys):
    assert EmotionModel.from_pretrained(run / "model").calibration is None
    assert calibrate(run, tmp_path / "new") == 0
    out, err = capsys.readouterr()
    before, after = EmotionModel.from_pretrained(run / "model"), EmotionModel.from_pretrained(tmp_path / "new")
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())
    found = after.calibration
    assert found is not None
    assert (found.method, found.clips) == ("temperature", 9)
    assert found.log_loss_after <= found.log_loss_before
    assert "before: never calibrated" in out
    assert found.describe() in out
    assert "1 speakers: prediction sets" in err  # too few for a promise over speakers
    assert found.describe() in (tmp_path / "new" / "README.md").read_text()


def test_a_model_calibrated_in_python_keeps_the_terms_of_what_it_was(run, tmp_path):
    model = save_restricted(EmotionModel.from_pretrained(run / "model"), tmp_path / "base")
    corpus = tone_split(run / "tones").test
    how = Pass(OneProcess("cpu"))
    recalibrate(model, (corpus, evaluation_clips(model, corpus)), how, method="temperature", source="new speakers")
    check_inherited(model, tmp_path / "new", "Calibrated anew on new speakers; its weights are as they were.")


def test_a_training_calibrates_what_is_no_longer_the_model_that_was_loaded(run):
    model, split = EmotionModel.from_pretrained(run / "model"), tone_split(run / "tones")
    Trainer(model, Full(), train_config(epochs=1, calibration="temperature")).fit(split.train, split.dev)
    assert model.calibration is not None
    assert model.origin is None  # or its card would say that the weights are as they were


def test_answers_stay_with_a_temperature(run, tmp_path):
    assert calibrate(run, tmp_path / "new") == 0
    waveform, lengths = torch.randn(4, 16000) * 0.1, torch.tensor([16000, 12000, 8000, 16000])
    models = [EmotionModel.from_pretrained(path) for path in (run / "model", tmp_path / "new")]
    with torch.no_grad():
        outputs = [model(waveform, lengths) for model in models]
    assert torch.equal(outputs[0].logits, outputs[1].logits)
    assert torch.equal(*(model.probabilities(output).argmax(1) for model, output in zip(models, outputs, strict=True)))


def test_vector_has_a_factor_an_emotion(run, tmp_path):
    assert calibrate(run, tmp_path / "new", "--method", "vector") == 0
    found = EmotionModel.from_pretrained(tmp_path / "new").calibration
    assert found is not None
    assert len(found.scale) == len(found.bias) == 3


def test_speakers_of_the_training_are_refused(run, tmp_path, capsys):
    assert calibrate(run, tmp_path / "new", ids=False) == 1
    assert "from its training" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


def test_nothing_is_replaced(run, tmp_path, capsys):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    assert calibrate(run, tmp_path / "new") == 1
    assert "isn't empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.txt"]


def test_another_method_is_refused_by_name(run, tmp_path, capsys):
    assert calibrate(run, tmp_path / "new", "--method", "platt") == 1
    assert "expected temperature or vector" in capsys.readouterr().err
