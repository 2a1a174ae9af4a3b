"""Moonshine: what it shares with transformers' encoder, what it mends in it, and which weights it takes."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers.models.moonshine.modeling_moonshine import MoonshineEncoder

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import ENCODERS, Encoder, Moonshine, count_parameters, load_encoder
from ser_tl.errors import EncoderError
from ser_tl.model import EmotionModel

from .tiny import KINDS, LAYERS, MOONSHINE_BASE, checkpoint, clip, padded, save, tiny

pytestmark = pytest.mark.slow

REFERENCE = MOONSHINE_BASE.parents[1] / "reference" / "reference_moonshine_emodb_03a01Fa.npz"
RECORDING = MOONSHINE_BASE.parents[1] / "corpora" / "emodb" / "03a01Fa.flac"


@pytest.fixture(scope="module")
def real() -> Encoder:
    if not MOONSHINE_BASE.is_dir():
        pytest.skip(f"needs {MOONSHINE_BASE}: the encoder of UsefulSensors/moonshine-base, not beside this checkout")
    return load_encoder(str(MOONSHINE_BASE)).eval()


@pytest.fixture(scope="module")
def theirs() -> MoonshineEncoder:
    """transformers' own encoder with the real weights."""
    if not MOONSHINE_BASE.is_dir():
        pytest.skip(f"needs {MOONSHINE_BASE}, not beside this checkout")
    options = {"key_mapping": {r"^model\.encoder\.": ""}, "dtype": torch.float32}
    return MoonshineEncoder.from_pretrained(MOONSHINE_BASE, **options).eval()


def speech(count: int) -> list[torch.Tensor]:
    """Clips of EMO-DB of different lengths."""
    paths = sorted(asset("emodb_mini").glob("*.opus"))[:: 535 // count]
    return [torch.from_numpy(decode(path)) for path in paths[:count]]


@torch.no_grad()
def test_states_of_a_clip_alone_are_those_of_transformers():
    encoder, whole = tiny("moonshine"), checkpoint("moonshine").encoder
    for one in (clip(895), clip(8001, seed=1)):
        states = encoder(*padded([one])).states
        expected = whole(one[None], output_hidden_states=True).hidden_states
        assert len(states) == len(expected) == LAYERS + 1
        for mine, other in zip(states, expected, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_transformers_own_mask_leaks_the_padding_that_is_kept_out_here():
    encoder, whole = tiny("moonshine"), checkpoint("moonshine").encoder
    clips = [clip(9000), clip(24_000, seed=1)]
    waveform, lengths = padded(clips)
    alone = encoder(*padded(clips[:1])).states[-1, 0]
    mask = torch.arange(waveform.shape[1]) < lengths[:, None]
    leaky = whole(waveform, attention_mask=mask).last_hidden_state[0, : len(alone)]
    together = encoder(waveform, lengths).states[-1, 0, : len(alone)]
    assert (leaky - alone).abs().max() > 0.05
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_clip_shorter_than_a_frame_is_read_as_if_silence_followed():
    encoder = tiny("moonshine")
    assert encoder.min_samples == 895
    short = clip(500)
    silence = functional.pad(short, (0, 395))
    states, mask = encoder(*padded([short]))
    assert mask.tolist() == [[True]]
    torch.testing.assert_close(states, encoder(*padded([silence])).states)


@torch.no_grad()
def test_feed_forward_states_are_each_layer_s_output_beside_what_its_second_linear_layer_takes_in():
    encoder, one = KINDS["moonshine-feed-forward"].make(0), clip(8000)
    seen: list[torch.Tensor] = []
    layers = checkpoint("moonshine").encoder
    for layer in layers.layers:
        layer.mlp.fc2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    expected = layers(one[None], output_hidden_states=True).hidden_states[1:]
    states = encoder(*padded([one])).states
    assert len(states) == LAYERS
    for state, output, inside in zip(states, expected, seen, strict=True):
        torch.testing.assert_close(state, torch.cat([output, inside], dim=-1), atol=1e-5, rtol=1e-5)
    assert Moonshine.from_config(encoder.config).feed_forward
    assert not Moonshine.from_config(tiny("moonshine").config).feed_forward


def test_of_a_whole_checkpoint_the_encoder_alone_is_loaded(tmp_path):
    whole = checkpoint("moonshine")
    encoder = load_encoder(str(save("moonshine", tmp_path)))
    assert count_parameters([encoder]) == count_parameters([whole.encoder]) < count_parameters([whole])
    assert not [name for name in encoder.state_dict() if "decoder" in name]
    model = EmotionModel(encoder, ["anger", "neutral"])
    model.save_pretrained(tmp_path / "model")
    again = EmotionModel.from_pretrained(tmp_path / "model")
    assert count_parameters([again.encoder]) == count_parameters([encoder])


def test_a_checkpoint_without_the_encoder_s_weights_is_refused(tmp_path):
    save("moonshine", tmp_path)
    broken = checkpoint("moonshine")
    weights = {name: tensor for name, tensor in broken.state_dict().items() if "encoder.layers.1." not in name}
    broken.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(EncoderError, match=r"lacks \d+ of the model's weights(.|\n)*layers\.1\."):
        load_encoder(str(tmp_path))


@torch.no_grad()
def test_long_recordings_have_no_limit():
    encoder = tiny("moonshine")
    assert encoder.max_seconds is None
    assert encoder(*padded([clip(40 * 16_000)])).states.isfinite().all()


def test_the_cards_of_tiny_and_base_name_their_licence():
    assert [ENCODERS[f"moonshine-{size}"].licence for size in ("tiny", "base")] == ["MIT", "MIT"]


@torch.no_grad()
def test_real_weights_give_transformers_states(real, theirs):
    card = ENCODERS["moonshine-base"]
    assert (real.dim, real.num_states) == (card.dim, card.layers + 1)
    assert count_parameters([real]) / 1e6 == pytest.approx(card.parameters, abs=0.05)
    for one in speech(3):
        states = real(*padded([one])).states
        expected = theirs(one[None], output_hidden_states=True).hidden_states
        for mine, other in zip(states, expected, strict=True):
            scale = other.abs().max()
            torch.testing.assert_close(mine / scale, other / scale, atol=1e-5, rtol=0)


@torch.no_grad()
def test_real_weights_give_the_reference_states(real):
    if not (REFERENCE.is_file() and RECORDING.is_file()):
        pytest.skip(f"needs {REFERENCE} and {RECORDING}, not beside this checkout")
    expected = np.load(REFERENCE)
    states = real(*padded([torch.from_numpy(decode(RECORDING))])).states[:, 0].numpy()
    names = [f"layer{number}" for number in range(1, 8)] + ["final"]  # behind the last layer is the final norm
    for state, name in zip(states[1:], names, strict=True):
        # The reference is of float32 weights, the folder has them in float16.
        assert np.abs(state - expected[name]).max() < 5e-3 * np.abs(expected[name]).max(), name


@pytest.mark.exhaustive
@torch.no_grad()
def test_real_weights_give_real_speech_the_same_states_alone_and_padded(real):
    clips = speech(4)
    together, mask = real(*padded(clips, behind=0.1))
    for row, one in enumerate(clips):
        alone = real(*padded([one])).states[:, 0]
        gap = (together[:, row, mask[row]] - alone).abs().amax(dim=(1, 2)) / alone.abs().amax(dim=(1, 2))
        assert gap.max() < 1e-4
