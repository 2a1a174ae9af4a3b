"""Fidelity: an encoder is all of itself, the guess is that of least squares, and speakers are apart."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, layer_norm

import ser_tl as ser
from ser_tl.data.audio import decode
from ser_tl.data.splits import SplitConfig
from ser_tl.distill import Probe, ProbeConfig
from ser_tl.distill.fidelity import measure_fidelity
from ser_tl.encoders import load_encoder
from ser_tl.errors import ConfigError, SplitError
from tests.distill.samples import small_student
from tests.encoders.tiny import tiny
from tests.recipe_samples import load_recipe, tone_manifest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return ProbeConfig("csv", tone_manifest(tmp_path_factory.mktemp("tones")), split=SplitConfig(k=3))


@pytest.fixture(scope="module")
def split(config):
    return Probe(config).splits[0]


def frames(student, teacher, corpus):
    """The layer-normed frames of the student's state 2 and the teacher's state 3, clip by clip, as arrays."""
    pairs = []
    for row in corpus:
        waveform = torch.from_numpy(decode(row["audio"]["path"]))[None]
        lengths = torch.tensor([waveform.shape[1]])
        own, taught = student(waveform, lengths).states[2, 0], teacher(waveform, lengths).states[3, 0]
        both = min(len(own), len(taught))  # each cuts off what doesn't fill a frame of its own
        pairs.append((own[:both], taught[:both]))
    return [layer_norm(torch.cat(states), states[0].shape[-1:]).numpy() for states in zip(*pairs, strict=True)]


def test_an_encoder_says_all_that_it_says_itself(split):
    encoder = tiny("whisper")
    found = measure_fidelity(encoder, encoder, split.train, split.test)
    assert found.shape == (4, 4)
    assert found.diagonal()[1:].min() > 0.999
    assert encoder.training is False


@pytest.mark.exhaustive
@torch.no_grad()
def test_the_guess_is_that_of_least_squares_on_the_other_speakers(split):
    student, teacher = small_student().eval(), tiny("whisper").eval()
    found = measure_fidelity(student.train(), teacher, split.train, split.test, [2])
    assert student.training
    assert found.shape == (1, 4)
    student.eval()
    x, y = frames(student, teacher, split.train)
    solved, *_ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)
    x, y = frames(student, teacher, split.test)
    guess = np.c_[x, np.ones(len(x))] @ solved
    expected = cosine_similarity(torch.from_numpy(guess), torch.from_numpy(y), dim=-1).mean()
    assert float(found[0, 3]) == pytest.approx(float(expected), abs=2e-3)


def test_frames_of_other_rates_are_brought_together(split):
    found = measure_fidelity(load_encoder("mfcc"), load_encoder("logmel-40"), split.train, split.test)
    assert found.shape == (1, 1)
    assert 0.5 < float(found) <= 1.0


def test_speakers_are_apart_and_layers_are_there(split):
    encoder = tiny("whisper")
    with pytest.raises(SplitError, match="speakers are both in the clips that maps are fitted on"):
        measure_fidelity(encoder, encoder, split.train, split.train)
    with pytest.raises(ConfigError, match="numbered 0 to 3"):
        measure_fidelity(encoder, encoder, split.train, split.test, [4])


@pytest.mark.exhaustive
def test_the_recipe_says_it_and_keeps_it(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ser_tl.load_encoder", lambda name, pretrained=True, **_: tiny("whisper"))
    recipe = load_recipe("probe_encoder")
    report = recipe.main(ser.ProbeOptions(output=tmp_path / "run", teacher="tiny", probe=config))
    rows = report.facts["fidelity"]["cosines"]
    assert report.facts["fidelity"]["teacher"] == "tiny"
    assert [len(row) for row in rows] == [4] * 4
    assert capsys.readouterr().out.count("cosines with the teacher's layers from 0: ") == 4
