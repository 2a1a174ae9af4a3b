"""A student's front end: what its first convolution begins as, and the scale in which its state 0 is learned."""

import math

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.distill.distill_config import DistillConfig
from ser_tl.distill.feature_loss import FeatureDistillationLoss, remove_positions
from ser_tl.distill.gabor import HIGHEST, LOWEST, PHASES, gabor_filters, init_gabor_filters
from ser_tl.encoders import SpeechSSL
from ser_tl.errors import ConfigError
from tests.encoders.tiny import tiny


def student(*, kernel: int = 400, width: int = 16) -> SpeechSSL:
    """A tiny wav2vec 2.0 whose first convolution has long kernels."""
    config = Wav2Vec2Config(
        conv_dim=[32, 16],
        conv_kernel=[kernel, 3],
        conv_stride=[160, 2],
        conv_bias=True,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    torch.manual_seed(0)
    return SpeechSSL.from_config({"architecture": config.to_diff_dict(), "normalise": True}).eval()


def noise(*seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([round(SAMPLE_RATE * one) for one in seconds])
    waveform = torch.randn(len(seconds), int(lengths.max()), generator=generator)
    return waveform * (torch.arange(waveform.shape[1]) < lengths[:, None]), lengths


def test_filters_are_bands_from_the_lowest_to_the_highest():
    filters = gabor_filters(320, 400)[:, 0]
    assert filters.shape == (320, 400)
    peaks = torch.fft.rfft(filters, SAMPLE_RATE).abs().argmax(dim=1).view(-1, PHASES)  # Hz
    assert (peaks[:, 0].diff() > 0).all()
    assert (peaks.amax(dim=1) - peaks.amin(dim=1)).max() < 40  # the four phases of a band
    assert abs(int(peaks[0, 0]) - LOWEST) < 30
    assert abs(int(peaks[-1, 0]) - HIGHEST) < 30
    energy = filters.square().sum(dim=1).view(-1, PHASES)
    torch.testing.assert_close(energy[1:].mean(dim=1), torch.full((79,), 0.5), rtol=0.05, atol=0.0)


def test_four_phases_tell_a_tones_level_wherever_the_window_stands():
    filters = gabor_filters(PHASES * 80, 400)
    times = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    made = torch.nn.functional.conv1d(torch.sin(2 * math.pi * 1030 * times)[None, None], filters, stride=160)
    level = made.relu().view(80, PHASES, -1).sum(dim=1)
    loudest = level[level.mean(dim=1).argmax()]
    single = made.relu()[0].view(80, PHASES, -1)[level.mean(dim=1).argmax(), 0]
    assert loudest.std() / loudest.mean() < 0.2 < single.std() / single.mean()


def test_each_filter_starts_with_unit_deviation_and_the_positions_are_silent():
    model = student()
    waveform, lengths = noise(2.0, 2.0)
    init_gabor_filters(model, waveform, lengths)
    heard = (waveform - waveform.mean(dim=1, keepdim=True)) / waveform.std(dim=1, keepdim=True)
    convolution = model.model.feature_extractor.conv_layers[0].conv
    made = torch.nn.functional.conv1d(heard[:, None], convolution.weight, stride=160)
    torch.testing.assert_close(made.std(dim=(0, 2)), torch.ones(32), rtol=1e-2, atol=0.0)
    frames = torch.randn(1, 20, 16)
    assert not model.model.encoder.pos_conv_embed(frames).any()
    model.model.encoder.pos_conv_embed(frames).sum().backward()
    lengths_of_kernels = model.model.encoder.pos_conv_embed.conv.parametrizations.weight.original0
    assert lengths_of_kernels.grad.abs().min() > 0  # silent, and yet it can learn


def test_short_kernels_are_no_bands():
    with pytest.raises(ConfigError, match=r"conv_kernel \[400"):
        init_gabor_filters(student(kernel=10), *noise(1.0))


def test_raw_targets_end_in_the_teachers_own_scale():
    teacher, model = tiny("whisper").eval(), student(width=tiny("whisper").dim)
    init_gabor_filters(model, *noise(1.0))
    lessons = FeatureDistillationLoss(teacher, model, DistillConfig(layers=[0], heads="identity", targets="raw"))
    taught = 3.0 + 0.1 * torch.randn(2, 30, teacher.dim)
    mask = torch.ones(2, 30, dtype=torch.bool)
    standardised = (taught - taught.mean(dim=(0, 1))) / taught.flatten(0, 1).std(dim=0)
    (loss,), (cosine,) = lessons({0: taught}, {0: standardised}, mask, [0])
    assert float(cosine) == pytest.approx(1.0, abs=1e-5)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-1)), abs=1e-5)  # L1 is 0, and -log sigmoid(1) is left
    waveform, lengths = noise(1.0)
    before = model(waveform, lengths, [0]).states[0]
    lessons.fold_scale(model)
    after = model(waveform, lengths, [0]).states[0]
    expected = before * taught.flatten(0, 1).std(dim=0) + taught.mean(dim=(0, 1))
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)


def test_a_student_is_not_asked_for_the_time_of_day():
    teacher = tiny("whisper").eval()
    waveform, lengths = noise(1.0)
    state = teacher(waveform, lengths, [0]).states[0]
    level = remove_positions(teacher, state)
    torch.testing.assert_close(level.mean(dim=1), state.mean(dim=1), rtol=1e-4, atol=1e-4)
    positions = teacher.positions[: state.shape[1]]
    torch.testing.assert_close(state - level, (positions - positions.mean(dim=0))[None], rtol=1e-4, atol=1e-4)
    other = tiny("wav2vec2")
    assert remove_positions(other, state) is state


def test_linear_heads_of_equal_widths_begin_with_what_the_student_says():
    teacher, model = tiny("whisper").eval(), student(width=tiny("whisper").dim)
    lessons = FeatureDistillationLoss(teacher, model, DistillConfig(layers=[1], pairs={1: 1}))
    said = torch.randn(1, 9, teacher.dim)
    _, (cosine,) = lessons({1: 5.0 * said}, {1: said}, torch.ones(1, 9, dtype=torch.bool), [0])
    assert float(cosine) == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(float(cosine))
