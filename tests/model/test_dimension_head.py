"""A model's second head, or its only one: on which scale it answers, and its way to the disk and back."""

import json

import numpy as np
import pytest
import torch

from ser_tl.analysis import plot_recording
from ser_tl.cli import main
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel, export_transformers
from ser_tl.model.modeling_ser_tl import SerTlForAudioClassification
from tests.encoders.tiny import clip
from tests.training.samples import tiny_model

pytestmark = pytest.mark.slow

NAMES = ["valence", "arousal"]
KINDS = {False: "beside emotions", True: "alone"}
each_kind = pytest.mark.parametrize("alone", KINDS, ids=KINDS.get)


def build(*, alone=False):
    """A model that rates around 3 and 50, no weight of which is left as it begins."""
    model = tiny_model(dimensions=NAMES, **({"labels": []} if alone else {}))
    with torch.no_grad():
        model.dimension_head.scale.mean.copy_(torch.tensor([3.0, 50.0]))
        model.dimension_head.scale.deviation.copy_(torch.tensor([0.5, 20.0]))
    return model.eval()


def recording(samples=9000):
    return clip(samples).numpy()


@each_kind
def test_it_answers_on_the_scale_of_the_training_annotations(alone):
    model = build(alone=alone)
    found = model.predict(recording())
    assert list(found.dimensions) == NAMES
    model.dimension_head.scale.mean.zero_()
    model.dimension_head.scale.deviation.fill_(1.0)
    plain = model.predict(recording()).dimensions
    assert found.dimensions["valence"] == pytest.approx(3.0 + 0.5 * plain["valence"], rel=1e-4)
    assert found.dimensions["arousal"] == pytest.approx(50.0 + 20.0 * plain["arousal"], rel=1e-4)
    assert (found.label, found.probabilities) == ("", {}) if alone else found.label in model.labels


@each_kind
def test_windows_are_averaged(alone):
    model = build(alone=alone)
    model.dimension_head.scale.deviation.fill_(1e4)  # a tiny random model hears little difference between clips
    whole = np.concatenate([recording(), clip(9000, seed=1).numpy()])
    object.__setattr__(model.audio, "max_seconds", 9000 / 16000)
    parts = [model.predict(part).dimensions["arousal"] for part in (whole[:9000], whole[9000:])]
    assert abs(parts[0] - parts[1]) > 0.1
    assert model.predict(whole).dimensions["arousal"] == pytest.approx(np.mean(parts), abs=0.01)


@each_kind
def test_what_is_saved_loads_as_it_was(alone, tmp_path):
    model = build(alone=alone)
    model.save_pretrained(tmp_path)
    again = EmotionModel.from_pretrained(tmp_path)
    assert (again.labels, again.dimensions) == (model.labels, NAMES)
    assert again.predict(recording()) == model.predict(recording())


def test_a_model_saved_before_there_were_dimensions_loads_without_any(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.pop("dimensions") == []
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = EmotionModel.from_pretrained(tmp_path)
    assert again.dimensions == []
    assert again.predict(recording()).dimensions == {}


def test_names_and_labels_are_checked():
    with pytest.raises(ConfigError, match="expected some of arousal, valence, dominance"):
        tiny_model(dimensions=["loudness"])
    for labels in ([], ["anger"]):
        with pytest.raises(ConfigError, match="at least two different labels"):
            tiny_model(labels=labels)
    with pytest.raises(ConfigError, match="none at all are for a model of dimensions alone"):
        tiny_model(labels=["anger"], dimensions=NAMES)


def test_transformers_classifiers_have_no_place_for_them(tmp_path):
    with pytest.raises(
        ConfigError, match=r"a head for valence, arousal: transformers' classifiers predict categories only"
    ):
        export_transformers(build(), tmp_path)
    build(alone=True).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"a model of valence, arousal alone has no classes"):
        SerTlForAudioClassification.from_pretrained(str(tmp_path))


@each_kind
def test_the_command_line_tells_them(alone, tmp_path, capsys):
    import soundfile

    model = build(alone=alone)
    model.save_pretrained(tmp_path / "model")
    soundfile.write(tmp_path / "clip.wav", recording(), 16000)
    command = ["predict", str(tmp_path / "model"), str(tmp_path / "clip.wav")]
    assert main(command) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["dimensions"] == pytest.approx(model.predict(tmp_path / "clip.wav").dimensions, rel=1e-5)
    assert ("label" in row) is ("probabilities" in row) is not alone
    assert main([*command, "--format", "table"]) == 0
    header, _, *_ = table = capsys.readouterr().out.splitlines()
    assert header.split() == ["file", *([] if alone else ["label", *model.labels]), *NAMES]
    assert f"{row['dimensions']['arousal']:.3f}" in table[-1]


@pytest.mark.exhaustive
@each_kind
def test_the_picture_of_a_recording_names_them(alone, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "clip.wav", recording(), 16000)
    found = plot_recording(build(alone=alone), tmp_path / "clip.wav", tmp_path / "clip.png")
    assert (tmp_path / "clip.png").stat().st_size > 10_000
    assert list(found.dimensions) == NAMES
