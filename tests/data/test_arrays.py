"""Samples in memory become what a file that holds them becomes, or are refused for the same reason."""

import io

import numpy as np
import pytest
import soundfile
import torch

from ser_tl.data.audio import decode, read_array
from ser_tl.errors import AudioError, SilentAudioError

INTEGERS = [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


def clip(seconds=0.5, rate=16000, level=0.3, hertz=300):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def as_integers(waveform, kind):
    """Samples in [-1, 1] at the full scale of a type."""
    info = np.iinfo(kind)
    middle = 0 if info.min < 0 else 2.0 ** (info.bits - 1)
    return (waveform * 2.0 ** (info.bits - 1) + middle).astype(kind)


def in_file(samples, rate, subtype, kind="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def refused(samples, rate, *parts, error=AudioError, **options):
    with pytest.raises(error) as caught:
        read_array(samples, rate, **options)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("kind", "subtype"), [(np.int16, "PCM_16"), (np.int32, "PCM_32"), (np.float32, "FLOAT")])
def test_an_array_is_heard_as_the_file_that_holds_it(rate, channels, kind, subtype):
    samples = np.stack([clip(rate=rate, hertz=200 + 150 * channel) for channel in range(channels)], axis=1)
    samples = as_integers(samples, kind) if np.issubdtype(kind, np.integer) else samples.astype(kind)
    expected = decode(in_file(samples, rate, subtype))
    assert read_array(samples, rate) == pytest.approx(expected, abs=1e-7)
    assert read_array(samples.T, rate) == pytest.approx(expected, abs=1e-7)
    assert read_array(np.asfortranarray(samples), float(rate)).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("kind", INTEGERS, ids=lambda kind: np.dtype(kind).name)
def test_integers_are_scaled_by_their_type(kind):
    step = 2.0 ** (1 - min(16, np.iinfo(kind).bits))
    assert read_array(as_integers(clip(), kind), 16000) == pytest.approx(clip(), abs=step)
    swapped = as_integers(clip(), kind)
    swapped = swapped.byteswap().view(swapped.dtype.newbyteorder())  # as read from a file of another machine
    assert np.array_equal(read_array(swapped, 16000), read_array(as_integers(clip(), kind), 16000))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_floats_are_taken_as_they_are(kind):
    assert read_array(clip().astype(kind), 16000) == pytest.approx(clip(), abs=1e-3 if kind is np.float16 else 1e-6)
    assert np.abs(read_array(clip(level=1.5).astype(kind), 16000)).max() == 1.0
    refused((clip() * 32768).astype(kind), 16000, "samples up to", "divide them by the full scale")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int16])
def test_tensors_are_arrays(kind):
    values = torch.from_numpy(clip() * (32768 if kind is torch.int16 else 1))
    tensor = values.to(kind)
    assert read_array(tensor, 16000) == pytest.approx(clip(), abs=2e-3)
    if kind.is_floating_point:
        assert np.array_equal(read_array(tensor.requires_grad_(), 16000), read_array(tensor.detach(), 16000))


@pytest.mark.slow
def test_other_containers_of_numbers_are_arrays():
    class Tensor:
        def numpy(self):
            return clip()

    class Broken:
        def numpy(self):
            raise RuntimeError("on a device that is gone")

    for samples in (clip().tolist(), tuple(clip()), memoryview(clip()), Tensor()):
        assert read_array(samples, 16000) == pytest.approx(clip(), abs=1e-6)
    refused(Broken(), 16000, "a Broken that can't be read as an array", "on a device that is gone")


@pytest.mark.parametrize("shape", [(2, 33), (33, 2), (8, 129), (1, 1), (1, 5), (5, 1), (3, 16000)])
def test_the_longer_axis_is_time(shape):
    samples = np.full(shape, 0.25)
    assert len(read_array(samples, 16000)) == max(shape)


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ((2, 2), "it is open which axis is the channels"),
        ((2, 32), "it is open which axis"),
        ((8, 100), "it is open which axis"),
        ((9, 16000), "a batch one by one"),
        ((100, 100), "a batch one by one"),
        ((1, 1, 16000), "expected mono (N,)"),
        ((), "expected mono (N,)"),
        ((0,), "no samples"),
        ((2, 0), "no samples"),
    ],
)
def test_shapes_that_are_no_recording_are_refused(shape, part):
    refused(np.full(shape, 0.25), 16000, str(shape), part)


@pytest.mark.parametrize(
    "samples",
    [
        np.array(["a", "b"]),
        np.zeros(9, bool),
        np.zeros(9, complex),
        np.array([None, 1.0]),
        [[0.1, 0.2], [0.3]],
        "clip.wav",
        b"RIFF",
        None,
        {"array": [0.1]},
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_of_numbers_is_refused(samples):
    refused(samples, 16000, "clip 7: ", "expected", name="clip 7")


@pytest.mark.parametrize("rate", [0, -16000, 1, float("nan"), float("inf"), 1e9, None, "16000", True, [16000], 16 + 0j])
def test_impossible_rates_are_refused(rate):
    refused(clip(), rate, "a rate of", "samples per second")


@pytest.mark.parametrize("rate", [16000, 16000.0, np.int64(16000), np.float32(16000), np.array(16000)])
def test_rates_of_any_number_type_are_read(rate):
    assert len(read_array(clip(), rate)) == 8000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_not_finite_is_refused(value, channels):
    samples = np.stack([clip()] * channels, axis=1)
    samples[77, -1] = value
    refused(samples, 16000, "NaN or infinite")


def test_silence_is_an_error_of_its_own_and_may_be_asked_for():
    refused(np.zeros(800), 16000, "silent", error=SilentAudioError)
    assert not read_array(np.zeros(800), 16000, silence=True).any()
    assert isinstance(SilentAudioError(), AudioError)


def test_what_sounds_silent_for_another_reason_is_told():
    inverted = np.stack([clip(), -clip()], axis=1)
    message = refused(inverted, 16000, "2 channels cancel", "export a single channel")
    assert "silent" not in message
    for wide in (np.int32, np.int64):
        refused((clip() * 20000).astype(wide), 16000, f"{np.dtype(wide).name} up to 6000", "`.astype('int16')`")
        refused(np.zeros(800, wide), 16000, "silent", error=SilentAudioError)
    refused(np.full(800, 2**31, np.uint32), 16000, "silent", error=SilentAudioError)


def test_one_sample_at_a_high_rate_is_too_short():
    refused(np.full(1, 0.3), 48000, "too short, 1 samples at 48000 Hz")
