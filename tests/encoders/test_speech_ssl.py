"""wav2vec 2.0 and its kin compute what transformers computes, on clips that are normalised one by one."""

import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from ser_tl.encoders.speech_ssl import unit_variance

from .tiny import EXACT, SPEECH_SSL, clip, padded, tiny


@pytest.mark.parametrize("name", SPEECH_SSL)
@torch.no_grad()
def test_states_of_a_clip_alone_are_those_of_transformers(name):
    encoder, one = tiny(name), clip(7000)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=encoder.normalise)
    values = extractor(one.numpy(), sampling_rate=16000, return_tensors="pt").input_values
    expected = encoder.model(values, output_hidden_states=True)
    states = encoder(*padded([one])).states
    assert len(expected.hidden_states) == len(states)
    torch.testing.assert_close(states[:-1], torch.stack(expected.hidden_states[:-1]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(states[-1], expected.last_hidden_state, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_last_state_is_after_the_final_norm_where_transformers_leaves_it_out():
    encoder, one = tiny("wav2vec2"), clip(7000)
    states = encoder(*padded([one])).states
    values = unit_variance(one[None], torch.tensor([7000]))
    unfinished = encoder.model(values, output_hidden_states=True).hidden_states[-1]
    assert (states[-1] - unfinished).abs().max() > 0.1
    torch.testing.assert_close(states[-1], encoder.model.encoder.layer_norm(unfinished), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SPEECH_SSL)
def test_an_encoder_tells_whether_padding_is_exact(name):
    assert tiny(name).exact_padding == (name in EXACT)  # test_contract.py measures it


def test_each_clip_is_normalised_as_the_feature_extractor_does_it_alone():
    clips = [clip(1), clip(2), clip(17) + 0.3, 30 * clip(5000, seed=3), 1e-3 * clip(8000, seed=4)]
    waveform = unit_variance(*padded(clips, behind=5.0))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    for row, one in zip(waveform, clips, strict=True):
        alone = extractor(one.numpy(), sampling_rate=16000, return_tensors="pt").input_values[0]
        torch.testing.assert_close(row[: len(one)], alone, atol=1e-4, rtol=1e-4)
        assert (row[len(one) :] == 0).all()


@torch.no_grad()
def test_an_offset_counts_only_where_clips_are_not_normalised():
    for name, matters in (("hubert", False), ("wavlm", True)):
        encoder = tiny(name)
        level, lifted = (encoder(*padded([clip(4000) + offset])).states for offset in (0.0, 0.3))
        assert ((level - lifted).abs().max() > 1e-2) == matters


@torch.no_grad()
def test_a_clip_shorter_than_a_frame_is_read_as_if_silence_followed():
    encoder, short = tiny("wavlm"), clip(100)
    followed = torch.cat([short, torch.zeros(300)])
    torch.testing.assert_close(encoder(*padded([short])).states, encoder(*padded([followed])).states)
