"""Several encoders as one: nothing of either is lost, and one time grid for all."""

import pytest
import torch

from ser_tl.encoders import Fused, load_encoder
from ser_tl.encoders.fused import resample_frames
from ser_tl.errors import ConfigError, EncoderError
from ser_tl.model import EmotionModel
from ser_tl.modules.fusion import SourceAttention

from .tiny import DIM, clip, padded, save, tiny


def mask_of(counts, longest):
    return torch.arange(longest) < torch.tensor(counts)[:, None]


@torch.no_grad()
def test_a_state_holds_the_chosen_layers_of_each_encoder_in_order():
    first, second = tiny("whisper"), tiny("hubert", seed=1)
    fused = Fused([first, second], [[3, 1], None])
    batch = padded([clip(9000), clip(16000, seed=1)])
    states, mask = fused(*batch)
    assert fused.sources == [2 * DIM, 4 * DIM]
    assert states.shape == (1, 2, 50, 6 * DIM)
    own = first(*batch)
    assert torch.equal(mask, own.mask)
    torch.testing.assert_close(states[0, ..., :DIM], own.states[3])
    torch.testing.assert_close(states[0, ..., DIM : 2 * DIM], own.states[1])
    other = second(*batch)
    torch.testing.assert_close(
        states[0, ..., 2 * DIM : 3 * DIM], resample_frames(other.states[0], other.mask, own.mask)
    )


def test_finer_frames_are_averaged_and_coarser_ones_repeated():
    fine = torch.arange(12.0).view(1, 12, 1)
    averaged = resample_frames(fine, mask_of([12], 12), mask_of([4], 5))
    torch.testing.assert_close(averaged[0, :, 0], torch.tensor([1.0, 4.0, 7.0, 10.0, 0.0]))
    coarse = torch.tensor([3.0, 5.0]).view(1, 2, 1)
    torch.testing.assert_close(
        resample_frames(coarse, mask_of([2], 2), mask_of([6], 6))[0, :, 0], torch.tensor([3.0, 3, 3, 5, 5, 5])
    )
    torch.testing.assert_close(  # two thirds of the first and a third of the second frame, and so on
        resample_frames(fine[:, :3], mask_of([3], 3), mask_of([2], 2))[0, :, 0], torch.tensor([1 / 3, 5 / 3])
    )


def test_the_mean_over_a_clip_stays_whatever_the_grid_and_the_padding():
    frames = torch.randn(3, 40, 5)
    have, want = mask_of([40, 17, 1], 40), mask_of([23, 19, 8], 23)
    resampled = resample_frames(frames, have, want)
    for row in range(3):
        torch.testing.assert_close(
            resampled[row, want[row]].mean(dim=0), frames[row, have[row]].mean(dim=0), atol=1e-5, rtol=1e-5
        )
        assert (resampled[row, ~want[row]] == 0).all()


def test_names_joined_by_plus_make_one_encoder(tmp_path):
    one, other = (str(save(name, tmp_path / name)) for name in ("whisper", "hubert"))
    fused = load_encoder(f"{one}+{other}", layers=[[1], [-1]])
    assert isinstance(fused, Fused)
    assert [encoder.family for encoder in fused.encoders] == ["whisper", "hubert"]
    assert fused.layers == [[1], [3]]
    with pytest.raises(EncoderError, match=r"has no option taps: it has layers"):
        load_encoder(f"{one}+{other}", taps=[1])


def test_each_encoder_has_its_own_value_of_an_option(tmp_path):
    one, other = (str(save(name, tmp_path / name)) for name in ("moonshine", "whisper"))
    fused = load_encoder(f"{one}+{other}", layers=[[0, 1], [2]], feed_forward=[True, None])
    assert [encoder.feed_forward for encoder in fused.encoders] == [True, False]
    wide = fused.encoders[0].dim
    assert wide > DIM
    assert fused.layer_widths == [wide, wide, DIM]
    assert fused.dim == 2 * wide + DIM
    again = Fused.from_config(fused.config)
    assert [encoder.feed_forward for encoder in again.encoders] == [True, False]
    random = load_encoder(f"{one}+{other}", pretrained=False, feed_forward=[True, True])
    assert all(encoder.feed_forward for encoder in random.encoders)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feed_forward": True}, r"feed_forward is True for 2 encoders: give a list of one value \(or null"),
        ({"feed_forward": [True]}, r"feed_forward is \[True\] for 2 encoders"),
        ({"taps": [["conv4"], None]}, r"whisper has no option taps: it has full_window, feed_forward"),
        ({"hop": [None, 0.01]}, r"has no option hop: it has layers, full_window, feed_forward, taps, loudness"),
    ],
)
def test_options_that_do_not_fit_several_encoders_are_refused(options, message, tmp_path):
    with pytest.raises(EncoderError, match=message):
        load_encoder(f"{save('whisper', tmp_path / 'whisper')}+soundnet", **options)


@torch.no_grad()
def test_each_layer_of_each_encoder_has_channels_of_its_own(tmp_path):
    one, other = (str(save(name, tmp_path / name)) for name in ("moonshine", "whisper"))
    options = {"layers": [[0, 2], [1]], "feed_forward": [True, True]}
    model = EmotionModel.build(f"{one}+{other}", ["anger", "neutral"], pooling="stats", encoder_options=options).eval()
    channels = model.layer_channels()
    batch = padded([clip(9000)])
    (mean, deviation) = model.pooling(*model.frames(*model.encode(*batch)))[0].chunk(2)
    assert [len(layer) for layer in channels] == [2 * width for width in model.encoder.layer_widths]
    for layer, (encoder, state) in zip(channels, [(0, 0), (0, 2), (1, 1)], strict=True):
        alone = model.encoder.encoders[encoder](*batch, [state])
        assert alone.mask.all()
        expected = alone.states[0, 0].mean(dim=0)  # on the first encoder's grid as well
        torch.testing.assert_close(torch.cat([mean, deviation])[layer][: len(expected)], expected, atol=1e-4, rtol=1e-4)


def test_taps_of_soundnet_are_layers_of_their_own():
    soundnet = load_encoder("soundnet", taps=["conv3", "conv5"], loudness="both")
    assert soundnet.layer_widths == [64, 256, 64, 256]
    assert sum(soundnet.layer_widths) == soundnet.dim
    model = EmotionModel(soundnet, ["anger", "neutral"], pooling="stats")
    channels = model.layer_channels()
    assert [len(layer) for layer in channels] == [128, 512, 128, 512]
    assert sorted(torch.cat(channels).tolist()) == list(range(model.pooling.out_dim))


@pytest.mark.slow
@torch.no_grad()
def test_a_model_on_two_pretrained_encoders_is_saved_loaded_and_predicts(tmp_path):
    one, other = (str(save(name, tmp_path / name)) for name in ("moonshine", "whisper"))
    model = EmotionModel.build(
        f"{one}+{other}", ["anger", "neutral"], pooling="stats", encoder_options={"layers": [[1, 2], [1]]}
    ).eval()
    pooled = model.embed(clip(9000).numpy())
    assert pooled.shape == (2 * 3 * DIM,)  # mean and deviation of two layers of one and of one of the other
    model.save_pretrained(tmp_path / "model")
    again = EmotionModel.from_pretrained(tmp_path / "model")
    assert [encoder.family for encoder in again.encoder.encoders] == ["moonshine", "whisper"]
    expected = model.predict([clip(9000).numpy(), clip(20_000, seed=1).numpy()])
    for found, wanted in zip(again.predict([clip(9000).numpy(), clip(20_000, seed=1).numpy()]), expected, strict=True):
        assert found.probabilities == pytest.approx(wanted.probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("layers", "error", "found"),
    [
        ([None], EncoderError, r"layers is \[None\] for 2 encoders: give one list"),
        ([1, 2], EncoderError, r"layers is \[1, 2\] for 2 encoders: give one list"),
        ([[9], None], ConfigError, r"encoder_options.layers: .*\[9\]"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, error, found):
    with pytest.raises(error, match=found):
        Fused([tiny("whisper"), tiny("hubert")], layers)


def test_one_encoder_is_not_several():
    with pytest.raises(EncoderError, match="at least two"):
        Fused([tiny("whisper")])


def test_blocks_above_the_chosen_layers_are_not_trainable_and_the_first_encoder_is_on_top():
    fused = Fused([tiny("whisper"), tiny("hubert")], [[1], [2]])
    assert [block.name for block in fused.blocks_below(0)] == [
        *(f"encoder 2, {name}" for name in ("front end", "positions", "layer 1", "layer 2")),
        *(f"encoder 1, {name}" for name in ("front end", "layer 1")),
    ]
    assert fused.blocks()[-1].name == "encoder 1, layer 3"


def test_layers_above_the_chosen_ones_are_not_computed():
    first, second = tiny("whisper"), tiny("hubert")
    for layer in (first.model.layers[1], second.model.encoder.layers[2]):
        layer.register_forward_hook(lambda *_: pytest.fail("computed for nothing"))
    Fused([first, second], [[1, 0], [2]])(*padded([clip(9000)]))


def test_source_attention_weighs_each_frame_anew_and_begins_as_the_mean():
    fuse = SourceAttention([3, 5], width=4)
    frames = torch.randn(2, 7, 8)
    assert torch.allclose(fuse.weights(frames), torch.full((2, 7, 2), 0.5))
    parts = [project(part) for project, part in zip(fuse.project, frames.split([3, 5], dim=-1), strict=True)]
    torch.testing.assert_close(fuse(frames), (parts[0] + parts[1]) / 2)
    with torch.no_grad():
        fuse.score.weight.normal_()
    weights = fuse.weights(frames)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 7))
    assert weights[..., 0].std() > 0.05
    torch.testing.assert_close(fuse(frames), weights[..., :1] * parts[0] + weights[..., 1:] * parts[1])


def test_every_parameter_of_the_gate_learns():
    fuse = SourceAttention([3, 5], width=4)
    torch.nn.init.normal_(fuse.score.weight)
    (fuse(torch.randn(2, 7, 8)) * torch.randn(4)).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in fuse.parameters())
