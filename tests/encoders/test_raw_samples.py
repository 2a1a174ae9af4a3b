"""The frames of convolutions on raw samples, against what convolutions give."""

import pytest
import torch
from torch import nn

from ser_tl.encoders.raw_samples import count_frames, measure_frame, pad_to_frame
from tests.encoders.tiny import tiny

LAYERS = [(127, 64), (7, 3), (3, 2)]  # Moonshine's


@pytest.fixture(scope="module")
def convolutions():
    return [nn.Conv1d(1, 1, kernel, stride).requires_grad_(False) for kernel, stride in LAYERS]


def frames_of(convolutions, samples):
    """How many frames the convolutions give."""
    state = torch.zeros(1, 1, samples)
    for convolution in convolutions:
        if state.shape[2] < convolution.kernel_size[0]:
            return 0
        state = convolution(state)
    return state.shape[2]


def test_a_frame_reads_as_many_samples_as_the_convolutions_need(convolutions):
    field, step = measure_frame(LAYERS)
    assert (field, step) == (895, 384)
    frames = [frames_of(convolutions, samples) for samples in (field - 1, field, field + step - 1, field + step)]
    assert frames == [0, 1, 1, 2]


def test_as_many_frames_are_within_a_clip_as_the_clip_alone_has(convolutions):
    lengths = torch.tensor([895, 1278, 1279, 16_000])
    counts = lengths
    for convolution in convolutions:
        counts = count_frames(convolution, counts)
    assert counts.tolist() == [frames_of(convolutions, length) for length in lengths.tolist()]


def test_only_what_is_shorter_than_a_frame_is_padded():
    waveform = torch.randn(2, 500)
    padded = pad_to_frame(waveform, 895)
    assert padded.shape == (2, 895)
    assert torch.equal(padded[:, :500], waveform)
    assert not padded[:, 500:].any()
    assert torch.equal(pad_to_frame(waveform, 400), waveform)


@pytest.mark.parametrize("name", ["moonshine", "wav2vec2"])
def test_the_shortest_clip_of_an_encoder_has_one_frame(name):
    encoder = tiny(name)
    shortest = encoder.min_samples
    counts = [
        encoder(torch.randn(1, samples), torch.tensor([samples])).mask.sum().item()
        for samples in (1, shortest, shortest + round(16_000 / encoder.frame_rate))
    ]
    assert counts == [1, 1, 2]
