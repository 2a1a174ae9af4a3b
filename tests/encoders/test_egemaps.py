"""eGeMAPS: openSMILE's own numbers, for clips of any length, and a way out where it is missing."""

import copy
import sys

import numpy as np
import pytest
import torch

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import ENCODERS, FAMILIES, load_encoder
from ser_tl.errors import EncoderError

from .tiny import clip, padded

SPEECH = decode(sorted(asset("emodb_mini").glob("*.opus"))[3])


@pytest.fixture
def opensmile():
    return pytest.importorskip("opensmile", reason="needs the package opensmile: pip install ser_tl[opensmile]")


def reference(opensmile, level, waveform):
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, getattr(opensmile.FeatureLevel, level))
    return torch.tensor(smile.process_signal(np.asarray(waveform), 16_000).to_numpy())


@pytest.mark.parametrize("name", ["egemaps", "egemaps-lld"])
def test_a_card_tells_what_its_name_computes(opensmile, name):
    encoder, card = load_encoder(name), ENCODERS[name]
    assert (encoder.dim, encoder.num_states) == (card.dim, card.layers + 1)
    assert len(encoder.names) == encoder.dim
    assert "non-commercial" in card.licence
    assert type(copy.deepcopy(encoder)) is FAMILIES["egemaps"]


def test_functionals_are_opensmile_s_of_each_clip(opensmile):
    clips = [torch.from_numpy(SPEECH), clip(5000), clip(960, seed=1)]
    states, mask = load_encoder("egemaps")(*padded(clips, behind=1.0))
    assert mask.tolist() == [[True]] * 3
    for row, one in enumerate(clips):
        assert torch.equal(states[0, row], reference(opensmile, "Functionals", one))


def test_descriptors_are_opensmile_s_up_to_the_clip_s_last_windows(opensmile):
    states = load_encoder("egemaps-lld")(*padded([torch.from_numpy(SPEECH)])).states[0, 0]
    expected = reference(opensmile, "LowLevelDescriptors", SPEECH)
    missing = len(states) - len(expected)
    assert len(states) == -(-len(SPEECH) // 160)
    assert 3 <= missing <= 5  # where the longest window, 60 ms, would reach beyond the clip
    assert (expected[:, 10] > 0).float().mean() > 0.3  # it is voiced somewhere
    torch.testing.assert_close(states[: len(expected) - 4], expected[:-4])


@pytest.mark.parametrize("name", ["egemaps", "egemaps-lld"])
def test_clips_shorter_than_a_window_are_read_as_if_silence_followed(opensmile, name):
    encoder, short = load_encoder(name), clip(500)
    frames = encoder(*padded([short])).states[0, 0]
    followed = encoder(*padded([torch.cat([short, torch.zeros(460)])])).states[0, 0]
    assert frames.isfinite().all()
    torch.testing.assert_close(frames, followed[: len(frames)])


def test_another_level_is_refused(opensmile):
    with pytest.raises(EncoderError, match="egemaps has no level 'frames': levels are functionals, lld"):
        load_encoder("egemaps", level="frames")


def test_without_the_package_the_error_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(EncoderError, match=r'`pip install "ser_tl\[opensmile\]"`; its licence is for non-commercial'):
        load_encoder("egemaps")
