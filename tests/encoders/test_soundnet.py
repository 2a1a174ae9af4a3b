"""SoundNet against its published activations, and what it promises of rates, taps, padding and frozen norms."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import ENCODERS, SoundNet, convert_sound8, count_parameters, load_encoder
from ser_tl.encoders.soundnet import LAYERS, FrontEnd, nearest_frames, scale_to_speech_level
from ser_tl.encoders.soundnet_weights import read_sound8
from ser_tl.errors import EncoderError

from .test_freezing import kept_for_backward, move
from .tiny import SOUND8, clip, padded, soundnet

REFERENCE = SOUND8.parents[2] / "reference" / "soundnet8_emodb_03a01Fa.npz"
SPEECH = SOUND8.parents[2] / "corpora" / "emodb" / "03a01Fa.flac"
NAMES = list(LAYERS)
# Kernel, channels and pool of conv1 to conv7, as the paper's table has them; strides are 2, padding half a kernel.
PAPER = [(64, 16, 8), (32, 32, 8), (16, 64, 1), (8, 128, 1), (4, 256, 4), (4, 512, 1), (4, 1024, 1)]

each_layer = pytest.mark.parametrize("tap", NAMES)


@pytest.fixture(scope="module")
def reference():
    """The published activations of a clip of EMO-DB, with the waveform that they were computed from."""
    for path in (SOUND8, REFERENCE, SPEECH):
        if not path.is_file():
            pytest.skip(f"needs {path}, which is not beside this checkout")
    return {name: torch.from_numpy(array) for name, array in np.load(REFERENCE).items()}


@pytest.fixture(scope="module")
def sound8(tmp_path_factory):
    """A file like the published one, with random weights, and what is in it."""
    random = np.random.default_rng(0)
    layers, before = {}, 1
    for name, (kernel, channels, _) in zip(NAMES, PAPER, strict=True):
        shapes = {"weights": (kernel, 1, before, channels)}
        shapes |= dict.fromkeys(("biases", "gamma", "beta", "mean", "var"), (channels,))
        layers[name] = {part: random.standard_normal(shape).astype(np.float32) for part, shape in shapes.items()}
        layers[name]["var"] = 0.5 * kernel * before * (1 + layers[name]["var"] ** 2)
        before = channels
    layers["conv8_2"] = {"weights": np.zeros((8, 1, 1024, 401), np.float32), "biases": np.zeros(401, np.float32)}
    path = tmp_path_factory.mktemp("published") / "sound8.npy"
    np.save(path, np.array(layers, dtype=object), allow_pickle=True)
    return path, layers


def by_hand(audio, layers):
    """Activations (channels, frames) of each layer, in numpy and float64, on TensorFlow's layout."""
    frames, found = audio[:, None].astype(np.float64), {}
    for name, (kernel, channels, pool) in zip(NAMES, PAPER, strict=True):
        parts = layers[name]
        framed = np.pad(frames, ((kernel // 2, kernel // 2), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(framed, kernel, axis=0)[::2]  # (frames, in, kernel)
        frames = np.einsum("tik,kio->to", windows, parts["weights"][:, 0].astype(np.float64)) + parts["biases"]
        frames = parts["gamma"] * (frames - parts["mean"]) / np.sqrt(parts["var"] + 1e-5) + parts["beta"]
        frames = frames[: len(frames) // pool * pool].reshape(-1, pool, channels).max(axis=1).clip(min=0)
        found[name] = frames.T
    return found


def gap(found, expected):
    """Largest difference, as a share of the largest value."""
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()


@torch.no_grad()
def activations(encoder, audio):
    """What a lone clip at 22 050 Hz gives, (channels, frames)."""
    return encoder.eval().encode(audio[None], torch.tensor([len(audio)])).states[0, 0].T


@each_layer
def test_every_layer_equals_the_published_activations(tap, reference):
    encoder = SoundNet.from_pretrained(str(SOUND8), taps=[tap])
    assert gap(activations(encoder, reference["waveform_22050hz_pm256"]), reference[tap]) < 1e-5


@each_layer
def test_the_bundled_half_precision_keeps_the_published_activations(tap, reference):
    encoder = load_encoder("soundnet", taps=[tap])
    assert gap(activations(encoder, reference["waveform_22050hz_pm256"]), reference[tap]) < 1e-3


@each_layer
@torch.no_grad()
def test_from_sixteen_kilohertz_every_layer_comes_close_to_the_published_activations(tap, reference):
    encoder = load_encoder("soundnet", taps=[tap]).eval()
    one = torch.from_numpy(decode(SPEECH))
    found, expected = encoder(*padded([one])).states[0, 0].T, reference[tap]
    assert found.shape == expected.shape
    assert (found - expected).norm() < 0.003 * expected.norm()


@pytest.mark.slow
def test_every_layer_equals_the_paper_computed_by_hand(sound8):
    path, layers = sound8
    audio = 5 * np.random.default_rng(1).standard_normal(60_001).astype(np.float32)
    for tap, expected in by_hand(audio, layers).items():
        encoder = SoundNet.from_pretrained(str(path), taps=[tap])
        assert gap(activations(encoder, torch.from_numpy(audio)), torch.from_numpy(expected).float()) < 1e-4, tap


def test_the_bundled_weights_are_the_published_ones(reference):
    bundled = load_file(asset("soundnet8") / "model.safetensors")
    published = read_sound8(SOUND8)
    assert bundled.keys() == published.keys()
    for name, tensor in bundled.items():
        assert torch.equal(tensor, published[name].to(tensor.dtype)), name
        assert tensor.dtype == (torch.float16 if name.endswith("conv.weight") else torch.float32), name


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
def test_a_converted_folder_loads_as_the_published_file_does(half, sound8, tmp_path):
    convert_sound8(sound8[0], tmp_path / "new" / "folder", half=half)
    from_file = load_encoder(str(sound8[0]), taps=["conv1", "conv7"])
    from_folder = load_encoder(str(tmp_path / "new" / "folder"), taps=["conv1", "conv7"])
    for name, tensor in from_folder.state_dict().items():
        expected = from_file.state_dict()[name]
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected.half().float() if half and tensor.ndim > 1 else expected)


def test_a_tone_keeps_its_place_at_the_other_rate_and_gets_soundnet_s_scale():
    seconds = torch.arange(8000) / 16_000
    audio, lengths = FrontEnd()((2 * torch.pi * 440 * seconds).sin()[None], torch.tensor([8000]))
    assert (audio.shape, lengths.tolist()) == ((1, 11_025), [11_025])
    expected = 256 * (2 * torch.pi * 440 * torch.arange(11_025) / 22_050).sin()
    torch.testing.assert_close(audio[0, 100:-100], expected[100:-100], atol=0.5, rtol=0)


def test_behind_a_clip_there_is_nothing_at_the_other_rate_and_before_it_the_same_as_alone():
    clips = [clip(1), clip(321, seed=1), clip(4000, seed=2)]
    audio, lengths = FrontEnd()(*padded(clips, behind=1.0))
    assert lengths.tolist() == [2, 443, 5513]
    for row, one in enumerate(clips):
        alone, _ = FrontEnd()(*padded([one]))
        assert alone.shape[1] == lengths[row]
        torch.testing.assert_close(audio[row, : lengths[row]], alone[0], atol=1e-4, rtol=1e-5)
        assert not audio[row, lengths[row] :].any()


def test_the_rate_is_changed_in_float32_under_autocast():
    waveform, lengths = padded([clip(4000)])
    with torch.autocast("cpu", torch.bfloat16):
        audio, _ = FrontEnd()(waveform, lengths)
    assert torch.equal(audio, FrontEnd()(waveform, lengths)[0])


@pytest.mark.slow
@torch.no_grad()
def test_bundled_weights_give_real_speech_the_same_states_alone_and_padded():
    encoder = load_encoder("soundnet", taps=["conv3", "conv4", "conv5", "conv6", "conv7"]).eval()
    paths = sorted(asset("emodb_mini").glob("*.opus"))[::107]
    clips = [torch.from_numpy(decode(path)) for path in paths] + [clip(700), clip(1)]
    together, mask = encoder(*padded(clips, behind=0.5))
    for row, one in enumerate(clips):
        alone, whole = encoder(*padded([one]))
        assert whole.all()
        torch.testing.assert_close(together[:, row, mask[row]], alone[:, 0], atol=1e-4, rtol=1e-4)


def fewest_frames(samples, tap):
    """Of a clip of so many samples at 22 050 Hz, in the layer below or at the tap that has the fewest."""
    counts = []
    for _, _, pool in PAPER[: NAMES.index(tap) + 1]:
        samples = (samples // 2 + 1) // pool
        counts.append(samples)
    return min(counts)


@each_layer
@torch.no_grad()
def test_a_clip_too_short_for_the_highest_tap_is_read_as_if_silence_followed(tap):
    encoder, audio = soundnet([tap]), 10 * clip(9)
    shortest = next(samples for samples in range(10_000) if fewest_frames(samples, tap) > 0)
    assert encoder.shortest == shortest
    silent = torch.cat([audio, torch.zeros(shortest - 9)])
    assert torch.equal(activations(encoder, audio), activations(encoder, silent))


def centre(layer, frame):
    """Middle of the samples that a layer's frame hears, from the layer down to the audio."""
    first = last = frame
    for kernel, _, pool in PAPER[layer::-1]:
        first, last = pool * first, pool * last + pool - 1
        first, last = 2 * first - kernel // 2, 2 * last - kernel // 2 + kernel - 1
    return (first + last) / 2


@pytest.mark.parametrize(("fine", "coarse"), [(0, 1), (1, 6), (2, 3), (3, 4), (4, 5), (0, 6)])
def test_a_coarser_frame_is_the_one_whose_centre_is_nearest(fine, coarse):
    counts = torch.tensor([1, 3, 40])
    places = nearest_frames(NAMES[fine], NAMES[coarse], 200, counts)
    for row, count in enumerate(counts.tolist()):
        centres = np.array([centre(coarse, frame) for frame in range(count)])
        expected = [np.abs(centres - centre(fine, frame)).argmin() for frame in range(200)]
        assert places[row].tolist() == expected


@torch.no_grad()
def test_tapped_layers_stand_side_by_side_the_lowest_first():
    clips = padded([clip(9000), clip(30_000, seed=1)])
    encoder = soundnet(["conv6", "conv3", "conv5"])
    states, mask = encoder(*clips)
    assert encoder.taps == ["conv3", "conv5", "conv6"]
    start = 0
    for tap in encoder.taps:
        lone = soundnet([tap])
        lone.load_state_dict({name: encoder.state_dict()[name] for name in lone.state_dict()})
        frames, there = lone(*clips)
        assert lone.frame_rate == pytest.approx(22_050 / (centre(NAMES.index(tap), 1) - centre(NAMES.index(tap), 0)))
        for row in range(2):
            places = nearest_frames("conv3", tap, int(mask[row].sum()), there.sum(dim=1))[row]
            found = states[0, row, mask[row], start : start + lone.dim]
            torch.testing.assert_close(found, frames[0, row, places])
        start += lone.dim
    assert start == encoder.dim


@pytest.mark.parametrize("taps", [[], "conv4", ["conv4", "conv4"], ["conv8"], ["conv4", "pool5"]], ids=str)
def test_taps_that_soundnet_does_not_have_are_refused_with_those_it_has(taps):
    with pytest.raises(EncoderError, match=r"taps is .*, expected a list of some of conv1, conv2, .*, conv7"):
        load_encoder("soundnet", taps=taps)


@torch.no_grad()
def test_an_even_loudness_hears_every_gain_alike_and_both_hear_the_clip_as_it_is_too():
    recorded, even, both = (soundnet(["conv4"], loudness=loudness) for loudness in ("recorded", "even", "both"))
    one, other = clip(9000), clip(5000, seed=1)
    batch, softer = padded([one, other]), padded([0.03 * one, 0.4 * other])
    torch.testing.assert_close(even(*batch).states, even(*softer).states, atol=1e-4, rtol=1e-4)
    assert (recorded(*batch).states - recorded(*softer).states).abs().max() > 0.1
    for heard in (batch, softer):
        plain, level, mask = recorded(*heard).states, even(*heard).states, recorded(*heard).mask
        torch.testing.assert_close(both(*heard).states[:, mask], torch.cat([plain, level], dim=-1)[:, mask])


@torch.no_grad()
def test_an_even_loudness_is_minus_20_dbfs_of_the_clip_alone_and_never_of_its_padding():
    audio, lengths = FrontEnd()(*padded([clip(9000), 0.01 * clip(2000, seed=1), torch.zeros(500)]))
    level = scale_to_speech_level(audio, lengths)
    for row, length in enumerate(lengths[:2]):
        assert level[row, :length].square().mean().sqrt() == pytest.approx(0.1 * 256, rel=1e-4)
        assert not level[row, length:].any()
    assert not level[2].any()


def test_the_loudness_is_kept_with_the_model_and_a_wrong_one_refused():
    encoder = load_encoder("soundnet", taps=["conv4"], loudness="both")
    again = SoundNet.from_config(encoder.config)
    assert (again.loudness, again.dim) == ("both", 256)
    with pytest.raises(EncoderError, match="loudness is 'loud', expected one of recorded, even, both"):
        load_encoder("soundnet", loudness="loud")


@pytest.mark.parametrize(
    ("taps", "blocks"),
    [
        (["conv1"], ["conv1"]),
        (["conv3", "conv1"], ["conv1-2", "conv3"]),
        (["conv4", "conv5"], ["conv1-2", "conv3-4", "conv5"]),
        (["conv7"], ["conv1-2", "conv3-4", "conv5", "conv6", "conv7"]),
    ],
    ids=str,
)
def test_blocks_end_with_the_highest_tap_and_nothing_is_kept_above(taps, blocks):
    encoder = soundnet(taps)
    assert [block.name for block in encoder.blocks()] == blocks
    encoder(*padded([clip(9000)])).states.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_the_statistics_of_the_norms_never_move_while_all_else_learns():
    encoder, batch = soundnet(["conv4", "conv7"]), padded([clip(9000), clip(5000, seed=1)])
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    assert torch.equal(encoder.train()(*batch).states, encoder.eval()(*batch).states)
    encoder.train()(*batch).states.square().mean().backward()
    torch.optim.SGD(encoder.parameters(), lr=0.1).step()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.endswith(("mean", "variance")), name


def test_what_is_frozen_keeps_nothing_for_the_backward_pass():
    encoder = soundnet(["conv4", "conv7"])
    assert kept_for_backward(move(encoder, [])) == 0
    kept = [kept_for_backward(move(encoder, range(first, 5))) for first in range(5)]
    assert kept == sorted(kept, reverse=True)
    assert 0 < kept[-1] < kept[1] < kept[0]
    assert not move(encoder, []).forward(*padded([clip(4000)])).states.requires_grad
    with torch.no_grad():
        assert kept_for_backward(move(encoder, range(5))) == 0


@pytest.mark.parametrize("moving", range(3))
def test_a_block_that_moves_gets_gradients_and_the_others_none(moving):
    encoder = move(soundnet(["conv4", "conv5"]), [moving])
    encoder(*padded([clip(9000)])).states.square().sum().backward()
    for number, block in enumerate(encoder.blocks()):
        gradients = [parameter.grad for parameter in block.modules.parameters()]
        assert all((gradient is not None) == (number == moving) for gradient in gradients), block.name
        parts = [part for module in block.modules for part in module.modules()]
        assert all(part.training == (number == moving) for part in parts), block.name


@pytest.mark.slow
@torch.no_grad()
def test_random_weights_make_states_of_a_usual_size_in_every_layer():
    for tap in NAMES:
        states = SoundNet.from_config({"taps": [tap]})(*padded([clip(48_000, seed=1)])).states
        assert 0.05 < states.std() < 5, tap


def test_the_bundled_encoder_is_what_its_card_says():
    encoder, card = load_encoder("soundnet"), ENCODERS["soundnet"]
    assert (encoder.dim, encoder.num_states, encoder.family) == (card.dim, card.layers + 1, card.family)
    assert count_parameters([encoder]) / 1e6 == pytest.approx(card.parameters, abs=0.05)
    assert card.bundled
    assert encoder.config == {"taps": ["conv4", "conv5"]}
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_without_pretraining_the_taps_stay_and_the_weights_are_new():
    pretrained = load_encoder("soundnet", taps=["conv2"])
    random = load_encoder("soundnet", taps=["conv2"], pretrained=False)
    assert random.config == pretrained.config == {"taps": ["conv2"]}
    assert not torch.equal(random.layers["conv1"].conv.weight, pretrained.layers["conv1"].conv.weight)


@pytest.mark.parametrize("name", ["/nowhere/sound8.npy", "./sound8.npy", "sound8.npy"])
def test_a_file_that_is_not_there_is_named(name):
    with pytest.raises(EncoderError, match=rf"encoder {name.removeprefix('./')}: no such file"):
        load_encoder(name)


def test_a_file_of_other_arrays_is_refused_with_what_was_found(tmp_path):
    layers = {"conv1": {"kernel": np.zeros((64, 1, 1, 16), np.float32)}}
    np.save(tmp_path / "other.npy", np.array(layers, dtype=object), allow_pickle=True)
    with pytest.raises(EncoderError, match=r"other.npy: conv1 has kernel, expected beta, biases, .*, weights"):
        load_encoder(str(tmp_path / "other.npy"))


def test_weights_that_are_missing_or_of_another_shape_are_listed(sound8, tmp_path):
    convert_sound8(sound8[0], tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layers.conv2.norm.mean"]
    weights["layers.conv3.conv.bias"] = torch.zeros(17)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(EncoderError, match="2 of SoundNet's weights are missing or of another shape") as error:
        load_encoder(str(tmp_path))
    assert "layers.conv2.norm.mean: expected (32,), found nothing" in str(error.value)
    assert "layers.conv3.conv.bias: expected (64,), found (17,)" in str(error.value)
    assert load_encoder(str(tmp_path), taps=["conv1"]).dim == 16  # which needs neither


def test_a_folder_without_weights_or_with_damaged_ones_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "soundnet"}))
    with pytest.raises(EncoderError, match=r"this folder can't be loaded .*model.safetensors.*; found config.json"):
        load_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(EncoderError, match=r"model\.safetensors is damaged"):
        load_encoder(str(tmp_path))
