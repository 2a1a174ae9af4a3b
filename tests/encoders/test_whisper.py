"""Whisper at a clip's true length: what it shares with transformers' 30 seconds, and what it refuses."""

import pytest
import torch
from torch.nn import functional
from transformers import WhisperFeatureExtractor

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import Encoder, Whisper, load_encoder
from ser_tl.errors import EncoderError
from ser_tl.model import EmotionModel

from .tiny import DIM, KINDS, WHISPER_TINY, checkpoint, clip, padded, save, tiny

pytestmark = pytest.mark.slow


def speech(count: int) -> list[torch.Tensor]:
    """Clips of EMO-DB of different lengths."""
    paths = sorted(asset("emodb_mini").glob("*.opus"))[:: 535 // count]
    return [torch.from_numpy(decode(path)) for path in paths[:count]]


@pytest.fixture(scope="module")
def real() -> Encoder:
    if not WHISPER_TINY.is_dir():
        pytest.skip(f"needs {WHISPER_TINY}: the weights of openai/whisper-tiny.en, not beside this checkout")
    return load_encoder(str(WHISPER_TINY)).eval()


@pytest.mark.parametrize("bands", [80, 128])
def test_log_mel_is_that_of_the_feature_extractor(bands):
    encoder = tiny("whisper", num_mel_bins=bands)
    extractor = WhisperFeatureExtractor(feature_size=bands)
    for one in [clip(1), clip(320, seed=1), clip(16_001, seed=2), *speech(3)]:
        mel = encoder.log_mel(one[None])[0]
        expected = torch.from_numpy(extractor(one.numpy(), sampling_rate=16_000).input_features[0])
        assert mel.shape == (bands, 2 * (-(-len(one) // 320) + 1))
        torch.testing.assert_close(mel, expected[:, : mel.shape[1]], atol=1e-4, rtol=0)


def test_log_mel_stays_in_float32_under_autocast():
    encoder, one = tiny("whisper"), clip(8000)
    with torch.autocast("cpu", torch.bfloat16):
        mel = encoder.log_mel(one[None].bfloat16())
    assert mel.dtype == torch.float32
    torch.testing.assert_close(mel, encoder.log_mel(one[None].bfloat16().float()), atol=0, rtol=0)


@torch.no_grad()
def test_what_the_first_layer_takes_in_is_that_of_transformers_thirty_seconds():
    encoder, one = tiny("whisper"), clip(8000)
    whole = checkpoint("whisper").get_encoder()
    mel = WhisperFeatureExtractor()(one.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    expected = whole(mel, output_hidden_states=True).hidden_states[0]
    assert expected.shape[1] == 1500
    torch.testing.assert_close(encoder(*padded([one])).states[0], expected[:, :25], atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_layers_are_those_of_transformers_on_the_speech_alone():
    encoder, one = tiny("whisper"), clip(8000)
    states = encoder(*padded([one])).states
    whole = checkpoint("whisper").get_encoder()
    frames = states[0]
    for layer, state in zip(whole.layers, states[1:], strict=True):
        frames = layer(frames, None)
        expected = whole.layer_norm(frames) if layer is whole.layers[-1] else frames
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=1e-5)


def test_positions_are_a_buffer_that_nothing_can_unfreeze():
    encoder = tiny("whisper")
    assert "positions" in encoder.state_dict()
    assert "positions" not in dict(encoder.named_parameters())
    assert torch.equal(encoder.positions, checkpoint("whisper").get_encoder().embed_positions.weight)


def test_a_clip_over_thirty_seconds_is_refused_with_the_way_out():
    encoder = tiny("whisper", max_source_positions=50)
    assert encoder.max_seconds == 1.0
    assert tiny("whisper").max_seconds == 30.0
    with torch.no_grad():
        assert encoder(*padded([clip(16_000)])).mask.shape == (1, 50)
    with pytest.raises(EncoderError, match=r"a clip of 1.0 s is longer than Whisper's 1 s: lower audio.max_seconds"):
        encoder(*padded([clip(16_001), clip(8000)]))


@torch.no_grad()
def test_a_full_window_has_the_states_of_transformers_thirty_seconds_alone_and_padded():
    encoder, clips = tiny("whisper"), [clip(8000), clip(20_001, seed=1)]
    encoder.full_window = True
    states, mask = encoder(*padded(clips, behind=0.1))
    assert mask.shape == (2, 1500)
    assert mask.all()
    extract, whole = WhisperFeatureExtractor(), checkpoint("whisper").get_encoder()
    for row, one in enumerate(clips):
        mel = extract(one.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
        for mine, theirs in zip(states, whole(mel, output_hidden_states=True).hidden_states, strict=True):
            torch.testing.assert_close(mine[row], theirs[0], atol=1e-4, rtol=1e-4)
    assert Whisper.from_config(encoder.config).full_window
    assert not Whisper.from_config(tiny("whisper").config).full_window


@torch.no_grad()
def test_feed_forward_states_are_each_layer_s_output_beside_what_its_second_linear_layer_takes_in():
    encoder, one = KINDS["whisper-feed-forward"].make(0), clip(8000)
    states = encoder(*padded([one])).states
    plain = tiny("whisper")(*padded([one])).states
    torch.testing.assert_close(states[..., :DIM], plain[1:], atol=0, rtol=0)
    parts = zip(encoder.model.layers, states[..., DIM:], plain[:-1], plain[1:], strict=True)
    for layer, inner, below, above in parts:
        attended = below + layer.self_attn(layer.self_attn_layer_norm(below))[0]
        expected = functional.gelu(layer.fc1(layer.final_layer_norm(attended)))
        torch.testing.assert_close(inner, expected, atol=1e-5, rtol=1e-5)
        if layer is not encoder.model.layers[-1]:  # behind the last is the final norm
            torch.testing.assert_close(attended + layer.fc2(inner), above, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_taps_leave_nothing_behind_and_come_back_with_a_saved_encoder(tmp_path):
    encoder = KINDS["whisper-feed-forward"].make(0)
    encoder(*padded([clip(8000)]))
    assert not any(layer.fc2._forward_pre_hooks for layer in encoder.model.layers)
    assert Whisper.from_config(encoder.config).feed_forward
    assert not Whisper.from_config(tiny("whisper").config).feed_forward
    folder = save("whisper", tmp_path / "whisper")
    loaded = load_encoder(str(folder), feed_forward=True)
    assert loaded(*padded([clip(8000)])).states.shape == (3, 1, 25, DIM + 32)


@pytest.mark.exhaustive
@torch.no_grad()
def test_real_weights_give_real_speech_the_same_states_alone_and_padded(real):
    clips = speech(4)
    together, mask = real(*padded(clips, behind=0.1))
    for row, one in enumerate(clips):
        alone = real(*padded([one])).states[:, 0]
        gap = (together[:, row, mask[row]] - alone).abs().amax(dim=(1, 2)) / alone.abs().amax(dim=(1, 2))
        assert gap.max() < 1e-4


@torch.no_grad()
def test_real_weights_give_real_speech_the_same_probabilities_alone_and_padded(real):
    clips = speech(4)
    model = EmotionModel(real, ["anger", "neutral", "sadness"]).eval()
    waveform, lengths = padded(clips)
    together = model(waveform, lengths).logits.softmax(dim=-1)
    alone = [list(one.probabilities.values()) for one in model.predict([one.numpy() for one in clips])]
    torch.testing.assert_close(together, torch.tensor(alone), atol=1e-4, rtol=0)
