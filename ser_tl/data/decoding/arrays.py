"""Samples that are in memory already, of any number type, shape and rate, as if they were in a file.

    numpy array, torch tensor or list, and its rate --read_array()--> waveform (N,) float32 in [-1, 1] at 16 kHz

The same array gives the same waveform as a file that holds it; what is refused in a file is refused here, for the same
reason. Imports no torch: tensors are what has `numpy()`.
"""

import math
import numbers

import numpy as np
from numpy.typing import ArrayLike

from ser_tl.data.decoding.levels import SILENCE, Downmix
from ser_tl.data.decoding.resampling import check_rate, resample
from ser_tl.errors import AudioError

_MOST_CHANNELS = 8  # of a recording (7.1); more rows are a batch of recordings
_LONGER = 16  # times as many samples as channels, or the axes can't be told apart


def read_array(samples: ArrayLike, rate: float, *, name: str = "the samples", silence: bool = False) -> np.ndarray:
    """A recording that is in memory as a waveform.

    Integers are divided by the full scale of their type (int16 by 32768, uint8 from its middle by 128), as in a file.
    Floats are taken as they are.

    Args:
        samples: numpy array, tensor or list of numbers: mono (N,), or up to eight channels (N, C) or (C, N), whose mean
            is taken. N has to be more than 16 times C
        rate: samples per second
        name: what messages call the recording
        silence: accept silence

    Returns:
        Waveform (N,), float32 in [-1, 1], mono, 16 kHz.

    Raises:
        SilentAudioError: silent
        AudioError: no samples or no numbers, an ambiguous shape, NaN or infinite, floats that aren't scaled, channels
            that cancel, or an impossible rate
    """
    hertz = _read_rate(rate, name)
    array = _as_array(samples, name)
    channels = _channels_last(array, name)
    scaled = _scale(channels)
    mixer = Downmix(name)
    mono = mixer.mix(scaled)
    if not silence:
        if mixer.channel_peak <= SILENCE and array.dtype.kind in "iu" and array.itemsize > 2:
            _check_integers(array, scaled, name)
        mixer.check_silence()
    waveform = resample(mono, hertz)
    if not len(waveform):
        raise AudioError(f"{name}: too short, {len(mono)} samples at {hertz:g} Hz: leave it out")
    return waveform


def _read_rate(rate: object, name: str) -> float:
    if isinstance(rate, np.ndarray) and rate.ndim == 0:
        rate = rate.item()
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real):
        raise AudioError(f"{name}: a rate of {rate!r}, expected samples per second such as 16000")
    check_rate(float(rate), name)
    return float(rate)


def _as_array(samples: ArrayLike, name: str) -> np.ndarray:
    """The array in a tensor, list or array."""
    if isinstance(samples, str | bytes | bytearray):
        raise AudioError(
            f"{name}: a {type(samples).__name__}, expected an array of numbers; `decode` takes paths and bytes"
        )
    if not isinstance(samples, np.ndarray) and hasattr(samples, "numpy"):
        samples = _tensor_to_array(samples, name)
    try:
        array = np.asarray(samples)
    except Exception as error:
        raise AudioError(f"{name}: can't be read as an array ({error}): expected numbers (N,)") from error
    if array.dtype.kind not in "fiu":
        raise AudioError(f"{name}: of type {array.dtype}, expected floats in [-1, 1] or integers")
    return array


def _tensor_to_array(tensor: object, name: str) -> ArrayLike:
    """A tensor that may need gradients, be on a GPU or be of a type that numpy lacks (bfloat16)."""
    try:
        try:
            return _call(tensor, "detach", "cpu", "numpy")
        except TypeError:
            return _call(tensor, "detach", "cpu", "float", "numpy")
    except Exception as error:  # whatever the library raises
        raise AudioError(f"{name}: a {type(tensor).__name__} that can't be read as an array ({error})") from error


def _call(tensor: object, *methods: str) -> ArrayLike:
    """What a chain of methods gives; those that a tensor lacks are left out."""
    for method in methods:
        tensor = getattr(tensor, method)() if hasattr(tensor, method) else tensor
    return np.asarray(tensor)


def _channels_last(array: np.ndarray, name: str) -> np.ndarray:
    """Samples (N, C)."""
    wanted = f"expected mono (N,) or up to {_MOST_CHANNELS} channels, (N, C) or (C, N)"
    if not array.size:
        raise AudioError(f"{name}: no samples, the shape is {array.shape}: {wanted}")
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2:
        raise AudioError(f"{name}: of shape {array.shape}, {wanted}")
    if min(array.shape) > _MOST_CHANNELS:
        raise AudioError(f"{name}: of shape {array.shape}, {wanted}: give the recordings of a batch one by one")
    if min(array.shape) > 1 and max(array.shape) <= _LONGER * min(array.shape):
        raise AudioError(f"{name}: of shape {array.shape}, it is open which axis is the channels: average them")
    return array if array.shape[0] >= array.shape[1] else array.T


def _scale(channels: np.ndarray) -> np.ndarray:
    """Floats, at least of 32 bits; integers divided by their full scale."""
    kind, bits = channels.dtype.kind, 8 * channels.itemsize
    if kind == "f":
        return channels.astype(np.float32) if bits < 32 else channels
    wide = np.float32 if bits <= 16 else np.float64
    scale = math.ldexp(1.0, bits - 1)
    return (channels.astype(wide) - wide(scale if kind == "u" else 0)) / wide(scale)


def _check_integers(array: np.ndarray, scaled: np.ndarray, name: str) -> None:
    """Refuses 16-bit samples in a wider type: scaled by that, they'd be silence, and the reason would be another."""
    largest = float(np.abs(scaled).max()) * math.ldexp(1.0, 8 * array.itemsize - 1)
    if largest >= 1:
        raise AudioError(
            f"{name}: {array.dtype} up to {largest:.0f}, which is silence at the full scale of {8 * array.itemsize} "
            f"bits: 16-bit samples in a wider type? Give them as they were recorded, `.astype('int16')`"
        )
