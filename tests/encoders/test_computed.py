"""The grid of computed features, their deltas at a clip's own ends, and their names."""

import pytest
import torch
from scipy.signal import savgol_filter

from ser_tl.encoders import ENCODERS, FAMILIES, load_encoder
from ser_tl.encoders.computed import append_deltas, decibels, delta
from ser_tl.errors import EncoderError

from .tiny import COMPUTED, clip, padded

NAMES = ["mfcc", "logmel-40", "logmel-64", "prosody"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_tells_what_its_name_computes(name):
    encoder, card = load_encoder(name), ENCODERS[name]
    assert (encoder.dim, encoder.num_states) == (card.dim, card.layers + 1)
    assert encoder.family == card.family
    assert type(encoder) is FAMILIES[card.family]
    assert encoder.blocks() == []
    assert encoder.state_dict() == {}
    assert encoder.max_seconds is None


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_random_version(name):
    batch = padded([clip(4000)])
    pretrained, random = (load_encoder(name, pretrained=chosen)(*batch).states for chosen in (True, False))
    assert torch.equal(pretrained, random)


@pytest.mark.parametrize("samples", [1, 160, 161, 16_000])
def test_all_have_one_mask(samples):
    batch = padded([clip(samples), clip(8000)])
    masks = [load_encoder(name)(*batch).mask for name in COMPUTED]
    assert all(torch.equal(mask, masks[0]) for mask in masks)
    assert masks[0].sum(dim=1).tolist() == [-(-samples // 160), 50]


@pytest.mark.parametrize("hop", [0.005, 0.01, 0.0125, 0.025])
@pytest.mark.parametrize("name", NAMES)
def test_another_hop_is_another_grid(name, hop):
    encoder = load_encoder(name, hop=hop)
    assert encoder.frame_rate == pytest.approx(1 / hop)
    assert encoder(*padded([clip(8000)])).mask.shape == (1, round(0.5 / hop))
    assert FAMILIES[encoder.family].from_config(encoder.config).frame_rate == encoder.frame_rate


@pytest.mark.parametrize(("name", "window"), [("logmel-40", 0.025), ("logmel-40", 0.05), ("prosody", 0.025)])
def test_a_frame_is_centred_on_its_hop(name, window):
    waveform = torch.zeros(1, 4000)
    waveform[0, 10 * 160] = 0.5
    loudness = load_encoder(name, window=window)(waveform, torch.tensor([4000])).states[0, 0, :, 0]
    reach = round(window / 2 / 0.01 - 0.25)
    heard = (loudness > -99).nonzero()[:, 0].tolist()
    assert heard == list(range(10 - reach, 10 + reach + 1))


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name):
    encoder, batch = load_encoder(name), padded([clip(4000), clip(6000, seed=1)])
    with torch.autocast("cpu", torch.bfloat16):
        states = encoder(*batch).states
    assert states.dtype == torch.float32
    assert torch.equal(states, encoder(*batch).states)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_reaches_the_waveform(name):
    waveform, lengths = padded([clip(4000)])
    assert not load_encoder(name)(waveform.requires_grad_(), lengths).states.requires_grad


def test_deltas_are_a_savitzky_golay_filter_s_with_the_nearest_frame_beyond_the_ends():
    """As librosa's are, with which test_spectral.py compares."""
    lengths = [1, 2, 5, 30]
    frames = torch.randn(4, 30, 3, generator=torch.Generator().manual_seed(0))  # noise behind the shorter clips
    both = append_deltas(frames, torch.tensor(lengths), 2)
    assert both.shape == (4, 30, 9)
    for row, length in enumerate(lengths):
        first = savgol_filter(frames[row, :length].numpy(), 9, 1, deriv=1, axis=0, mode="nearest")
        second = savgol_filter(first, 9, 1, deriv=1, axis=0, mode="nearest")
        expected = torch.cat([frames[row, :length], torch.from_numpy(first), torch.from_numpy(second)], dim=1)
        torch.testing.assert_close(both[row, :length], expected.float(), atol=1e-5, rtol=0)


def test_the_slope_of_a_line_is_its_slope_but_at_the_ends():
    line = 0.5 * torch.arange(20.0)[None, :, None]
    rise = delta(line, torch.tensor([20]))[0, :, 0]
    torch.testing.assert_close(rise[4:-4], torch.full((12,), 0.5))
    assert (rise[:4] < 0.5).all()
    assert (rise[-4:] < 0.5).all()


def test_decibels_have_a_floor():
    torch.testing.assert_close(
        decibels(torch.tensor([100.0, 1.0, 1e-10, 1e-12, 0.0])), torch.tensor([20.0, 0, *[-100] * 3])
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mfcc", {"hop": 0.0}, "hop is 0 s, not one sample at 16 kHz"),
        ("logmel-40", {"window": -1.0}, "window is -1 s, not one sample"),
        ("logmel-40", {"bands": 0}, "0 mel bands on windows of 0.025 s: such windows resolve 1 to 128"),
        (
            "logmel-40",
            {"bands": 129},
            "129 mel bands on windows of 0.025 s: .* ask for fewer bands, or a longer window",
        ),
        ("mfcc", {"coefficients": 41}, "41 cepstral coefficients: 40 mel bands give 1 to 40"),
        ("mfcc", {"coefficients": 0}, "0 cepstral coefficients"),
        ("mfcc", {"deltas": 3}, "deltas is 3: 0 for none"),
        ("prosody", {"deltas": -1}, "deltas is -1: 0 for none"),
        ("prosody", {"floor": 400.0, "ceiling": 100.0}, "pitch from 400 to 100 Hz"),
        ("prosody", {"floor": 0.0}, "pitch from 0 to 600 Hz: .* voices are within 65 to 600"),
        ("mfcc", {"bands": 40}, "has no option bands: it has coefficients, deltas, window, hop"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_way_out(name, options, message):
    with pytest.raises(EncoderError, match=message):
        load_encoder(name, **options)
