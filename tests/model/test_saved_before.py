"""Models, adapters and runs that an earlier version saved (saved_v0) load and give the answers that they gave then."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from transformers import dynamic_module_utils, pipeline

import ser_tl as ser
from ser_tl.errors import SplitError
from ser_tl.model import EmotionModel
from ser_tl.old_options import translate
from ser_tl.options import parse
from tests.training.samples import tone_corpus

pytestmark = pytest.mark.slow

SAVED = Path(__file__).parent / "saved_v0"
ANSWERS = json.loads((SAVED / "answers.json").read_text(encoding="utf-8"))


def signal() -> np.ndarray:
    """1.5 s of a hum that swells, by formula, so that no generator's version matters."""
    time = np.arange(24_000) / 16_000
    hum = 0.2 * np.sin(2 * np.pi * 180 * time) * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))
    return (hum + 0.05 * np.sin(2 * np.pi * 1234 * time)).astype(np.float32)


def load(name) -> EmotionModel:
    if name == "adapter":
        return ser.load_adapter(SAVED / name, EmotionModel.from_pretrained(SAVED / "wav2vec2").encoder)
    return EmotionModel.from_pretrained(SAVED / name)


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_saved_model_gives_the_answers_that_it_gave(name):
    heard, answer = load(name).predict(signal()), ANSWERS[name]
    assert heard.label == answer["label"]
    assert heard.probabilities == pytest.approx(answer["probabilities"], abs=1e-5)
    assert heard.dimensions == pytest.approx(answer["dimensions"], abs=1e-4)


def test_the_code_beside_a_saved_model_still_serves_the_pipeline_of_transformers(tmp_path, monkeypatch):
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    classify = pipeline("audio-classification", model=str(SAVED / "wav2vec2"), trust_remote_code=True)
    heard = classify({"raw": signal(), "sampling_rate": 16_000}, top_k=None)
    found = {one["label"]: one["score"] for one in heard}
    assert found == pytest.approx(ANSWERS["wav2vec2"]["probabilities"], abs=1e-5)


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_saved_model_refuses_to_be_evaluated_on_its_training_speakers(name, tmp_path):
    model, names = load(name), ANSWERS[name]["known_speakers"]
    corpus = tone_corpus(tmp_path, speakers=2, takes=1)
    known = corpus.map(lambda row: {"speaker": names[-1] if row["speaker"] == "speaker_0" else "a stranger"})
    trainer = ser.Trainer(model, ser.build_strategy(ser.Options(corpus="csv", strategy="frozen")))
    with pytest.raises(SplitError, match=rf"knows 1 of the 2 speakers(.|\n)*{names[-1]}"):
        trainer.evaluate(known)
    strangers = corpus.map(lambda row: {"speaker": f"not {names[-1]}"})
    if name != "wav2vec2":  # whose dimensions the tones lack
        assert len(trainer.evaluate(strangers).predictions) == 6


def test_the_saved_options_of_a_run_are_read_as_they_were_written():
    path = SAVED / "run" / "config.yaml"
    options = yaml.safe_load(parse(ser.Options, "", ["--config", str(path)]).as_yaml())
    written, renamed = translate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert known_then(options, written) == written
    assert renamed == []  # what is spelt otherwise since stands at its default there
    assert options["strategy_options"] == {}
    assert options["audio"]["gate"] == "energy"  # which runs of before couldn't name: the same run is heard anew


def known_then(options, written):
    """Of options, those that a file of an earlier version has: what is new since stands at its default."""
    if not isinstance(written, dict):
        return options
    return {name: known_then(options[name], value) for name, value in written.items()}


def test_the_saved_report_of_a_run_is_read_with_its_predictions():
    report = ser.Report.load(SAVED / "run")
    assert report.uar == pytest.approx(1 / 3)
    assert (len(report.predictions), report.facts["best_epoch"]) == (3, 1)
    assert [path.rsplit("/", 1)[1] for path in report.predictions.ids] == ["anger_3_0", "neutral_3_0", "sadness_3_0"]
