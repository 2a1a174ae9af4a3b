"""wav2vec 2.0 and its kin compute what transformers computes, on clips that are normalised one by one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Wav2Vec2FeatureExtractor

from ser_tl.encoders import SpeechSSL
from ser_tl.encoders.base import frames_mask
from ser_tl.encoders.masked import group_norm_
from ser_tl.encoders.speech_ssl import unit_variance
from tests.combinations import with_default

from .tiny import DIM, REPRESENTATIVES, SPEECH_SSL, checkpoint, clip, padded, tiny

pytestmark = pytest.mark.slow


@pytest.fixture(params=with_default(SPEECH_SSL, REPRESENTATIVES))
def name(request) -> str:
    return request.param


def untouched(name: str, encoder: SpeechSSL) -> Any:
    """A model of transformers with the encoder's weights, into which ser_tl never put a part."""
    model = checkpoint(name)
    keys = model.load_state_dict(encoder.model.state_dict(), strict=False)
    assert not keys.unexpected_keys
    assert set(keys.missing_keys) <= {"masked_spec_embed"}  # learned for time masking, which is off
    return model


def states_alone(model: Any, one: Tensor, *, normalise: bool) -> Tensor:
    """States (L, T, D) that transformers gives to a clip alone."""
    extractor = Wav2Vec2FeatureExtractor(do_normalize=normalise)
    values = extractor(one.numpy(), sampling_rate=16000, return_tensors="pt").input_values
    out = model(values, output_hidden_states=True)
    return torch.cat([*out.hidden_states[:-1], out.last_hidden_state])


@torch.no_grad()
def test_states_of_a_clip_alone_are_those_of_transformers(name):
    encoder, one = tiny(name), clip(7000)
    states = encoder(*padded([one])).states[:, 0]
    expected = states_alone(untouched(name, encoder), one, normalise=encoder.normalise)
    assert len(states) == encoder.num_states
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_clips_of_any_length_padded_to_the_longest_have_the_states_of_transformers_alone(name):
    encoder = tiny(name)
    model = untouched(name, encoder)
    generator = torch.Generator().manual_seed(7)
    lengths = [400, 404, 405, 719, 720, 1039, 1040, *torch.randint(400, 12_000, (29,), generator=generator).tolist()]
    clips = [clip(length, seed) for seed, length in enumerate(lengths)]
    together, mask = encoder(*padded(clips, behind=2.0))
    for row, one in enumerate(clips):
        expected = states_alone(model, one, normalise=encoder.normalise)
        assert mask[row].sum() == expected.shape[1]
        torch.testing.assert_close(together[:, row, mask[row]], expected, atol=5e-5, rtol=0)


def test_the_gradient_of_a_batch_is_the_sum_of_those_of_its_clips_alone(name):
    encoder = tiny(name).train()
    clips, weight = [clip(1300, seed=1), clip(4007, seed=2), clip(9000, seed=3)], torch.randn(DIM)

    def gradients(*batches: list[Tensor]) -> dict[str, Tensor]:
        encoder.zero_grad()
        for batch in batches:
            states, mask = encoder(*padded(batch, behind=1.0))
            (states[:, mask] * weight).sum().backward()
        return {label: parameter.grad.clone() for label, parameter in encoder.named_parameters()}

    together, alone = gradients(clips), gradients(*([one] for one in clips))
    for label, gradient in together.items():
        torch.testing.assert_close(gradient, alone[label], atol=1e-4 * (1 + alone[label].abs().max().item()), rtol=0)


@torch.no_grad()
def test_threads_that_share_an_encoder_do_not_mix_their_clips(name):
    encoder = tiny(name)
    batches = [padded([clip(3000 + 700 * number, number), clip(2000, number + 1)]) for number in range(8)]
    expected = [encoder(*batch).states for batch in batches]

    def run(number: int) -> bool:
        with torch.no_grad():
            return torch.equal(encoder(*batches[number]).states, expected[number])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(8)))


@torch.no_grad()
def test_states_in_bfloat16_are_near_those_in_float32(name):
    encoder, batch = tiny(name), padded([clip(2000), clip(6000, seed=1)])
    states, mask = encoder(*batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(*batch).states
    assert half.isfinite().all()
    assert 0 < (half - states)[:, mask].abs().mean() < 0.03 * states[:, mask].abs().mean()


@torch.no_grad()
def test_a_group_norm_takes_its_statistics_in_float32_under_autocast():
    norm = torch.nn.GroupNorm(3, 3)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    frames = (100 + torch.randn(2, 3, 900)).bfloat16()  # in bfloat16 the mean would be wrong by about the deviation
    mask = frames_mask(torch.tensor([900, 500]), 900)
    with torch.autocast("cpu", torch.bfloat16):
        normed = group_norm_(frames.clone(), mask, norm)
    assert normed.dtype == torch.bfloat16
    for row, frame_count in enumerate([900, 500]):
        alone = norm(frames[row : row + 1, :, :frame_count].float())[0].bfloat16()
        torch.testing.assert_close(normed[row, :, :frame_count], alone, atol=0.02, rtol=0.01)


@pytest.mark.parametrize("projection", ["q_proj", "k_proj", "v_proj", "out_proj"])
@torch.no_grad()
def test_what_an_adapter_adds_to_a_projection_of_wavlm_s_attention_counts(projection):
    encoder, batch = tiny("wavlm"), padded([clip(4000)])
    states = encoder(*batch).states
    layer = encoder.model.encoder.layers[0].attention.get_submodule(projection)
    layer.register_forward_hook(lambda _, inputs, out: out + inputs[0].flip(2))
    assert (encoder(*batch).states - states)[1].abs().max() > 0.01


@torch.no_grad()
def test_wavlm_s_attention_drops_weights_in_training_alone():
    encoder, batch = tiny("wavlm", attention_dropout=0.5), padded([clip(4000)])
    states = encoder(*batch).states
    torch.testing.assert_close(states, tiny("wavlm")(*batch).states)
    assert (encoder.train()(*batch).states - states)[1].abs().max() > 0.1


@pytest.mark.filterwarnings("error")
def test_a_forward_pass_warns_of_nothing(name):
    tiny(name).train()(*padded([clip(2000), clip(4000)])).states.sum().backward()


@torch.no_grad()
def test_the_last_state_is_after_the_final_norm_where_transformers_leaves_it_out():
    encoder, one = tiny("wav2vec2"), clip(7000)
    states = encoder(*padded([one])).states
    values = unit_variance(one[None], torch.tensor([7000]))
    unfinished = encoder.model(values, output_hidden_states=True).hidden_states[-1]
    assert (states[-1] - unfinished).abs().max() > 0.1
    torch.testing.assert_close(states[-1], encoder.model.encoder.layer_norm(unfinished), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", with_default(SPEECH_SSL, REPRESENTATIVES))
@torch.no_grad()
def test_without_the_final_norm_all_states_are_those_that_transformers_sums(name):
    model = checkpoint(name)
    bare = SpeechSSL(checkpoint(name), normalise=False, final_norm=False).eval()
    one = clip(8000)
    states = bare(*padded([one])).states
    for mine, theirs in zip(states, model(one[None], output_hidden_states=True).hidden_states, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    again = SpeechSSL.from_config(bare.config)
    assert again.state_dict().keys() == bare.state_dict().keys()
    again.load_state_dict(bare.state_dict())
    assert torch.equal(again.eval()(*padded([one])).states, states)


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
