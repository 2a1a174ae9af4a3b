"""The LSTM in both directions is PyTorch's, and each layer adds to what it takes in."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ser_tl.errors import ConfigError
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.networks.recurrent import ResidualLSTM, reverse_frames

COUNTS = [1, 4, 9]


def frames_and_mask(width=8, longest=12):
    frames = torch.randn(len(COUNTS), longest, width, generator=torch.Generator().manual_seed(0))
    return frames, torch.arange(longest) < torch.tensor(COUNTS)[:, None]


def test_turned_clips_begin_with_their_last_speech_frame_and_turn_back():
    frames, mask = frames_and_mask()
    back = reverse_frames(frames, mask)
    for row, count in enumerate(COUNTS):
        assert torch.equal(back[row, :count], frames[row, :count].flip(0))
    assert torch.equal(reverse_frames(back, mask), frames)


def test_a_layer_is_pytorchs_bidirectional_lstm_on_packed_frames():
    torch.manual_seed(0)
    frames, mask = frames_and_mask()
    layer = ResidualLSTM(8, 1, 0.0)
    reference = nn.LSTM(8, 4, batch_first=True, bidirectional=True)
    weights = dict(layer.forth[0].named_parameters())
    weights |= {f"{name}_reverse": weight for name, weight in layer.back[0].named_parameters()}
    reference.load_state_dict(weights)
    packed = pack_padded_sequence(layer.norms[0](frames), torch.tensor(COUNTS), batch_first=True, enforce_sorted=False)
    heard, _ = pad_packed_sequence(reference(packed)[0], batch_first=True, total_length=12)
    expected = layer.last(frames + heard)
    torch.testing.assert_close(layer(frames, mask)[mask], expected[mask], atol=1e-6, rtol=1e-5)


def test_layers_that_add_nothing_leave_the_normed_input():
    frames, mask = frames_and_mask()
    layers = ResidualLSTM(8, 3, 0.0)
    with torch.no_grad():
        for lstm in (*layers.forth, *layers.back):
            for parameter in lstm.parameters():
                parameter.zero_()  # an LSTM of zeros puts out zeros
    torch.testing.assert_close(layers(frames, mask)[mask], layers.last(frames)[mask])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"width": 7}, "even width and at least one layer, got 7 and 2"),
        ({"layers": 0}, "got 64 and 0"),
        ({"stride": 0}, "stride of at least 1, got 64 and 0"),
    ],
)
def test_options_that_make_no_bilstm_are_refused(options, found):
    with pytest.raises(ConfigError, match=found):
        NETWORKS["bilstm"](6, **{"width": 64, "layers": 2, **options})
