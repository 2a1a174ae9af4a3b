"""The recipe from audio to a folder with its card."""

import json

import pytest
import yaml
from transformers import Wav2Vec2Model

import ser_tl as ser
from ser_tl.data.splits import SplitConfig
from ser_tl.distill import DistillConfig, ProbeConfig
from ser_tl.errors import ConfigError
from tests.distill.samples import SMALL, audio_folder
from tests.encoders.tiny import tiny
from tests.recipe_samples import load_recipe, tone_manifest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


def test_from_audio_to_a_folder_with_its_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ser_tl.load_encoder", lambda name: tiny("whisper"))
    (tmp_path / "student.json").write_text(json.dumps(SMALL | {"model_type": "wav2vec2"}))
    probe = ProbeConfig("csv", tone_manifest(tmp_path / "tones"), split=SplitConfig(k=3))
    recipe, place = load_recipe("distill_encoder"), tmp_path / "run"
    audio, student = audio_folder(tmp_path / "audio", 2.0), str(tmp_path / "student.json")
    config = DistillConfig(steps=4, batch=2, crop=0.5, log_every=1, probe_every=1e-6, initial="teacher", licence="mit")
    options = ser.EncoderDistillationOptions(
        teacher="whisper-tiny.en", student=student, audio=audio, output=place, distill=config, probe=probe
    )
    report = recipe.main(options)
    wanted = "config.json model.safetensors preprocessor_config.json README.md log.jsonl config.yaml curves.png"
    assert {path.name for path in place.iterdir()} >= {*wanted.split()}
    plain, info = Wav2Vec2Model.from_pretrained(place, output_loading_info=True)
    assert not any(info.values())
    assert plain.config.num_hidden_layers == 2
    card = (place / "README.md").read_text()
    header, _, text = card.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(header)["license"] == "mit"
    for told in ("whisper-tiny.en", "0 by 0", "4 steps of 2 crops", "its layers from the teacher's", "UAR", str(audio)):
        assert told in text, told
    records = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
    assert sum("probe_uar" in record for record in records) == 3  # after each step but the last
    assert 0.2 < report.uar <= 1.0
    assert "probe UAR" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="add `resume`"):
        recipe.main(options)


def test_options_of_the_recipe_are_kept_as_yaml():
    options = ser.EncoderDistillationOptions(distill=DistillConfig(pairs={0: 1}))
    held = yaml.safe_load(options.as_yaml())
    assert held["distill"]["pairs"] == {0: 1}
    assert options.changed({"distill.minutes": 3.0}).distill.minutes == 3.0
    assert options.name == "distill_student_of_wav2vec2-mini"
