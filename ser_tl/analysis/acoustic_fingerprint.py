"""Recordings that are the same audio, though their samples differ: louder, resampled, trimmed, through a codec.

    waveform (N,) --fingerprint()--> bits of each frame      [Fingerprint] --find_copies()--> [Copy, ...]

Haitsma and Kalker's (2002): of each frame of 128 ms the signs of how the energy differences of 33 bands, 300 to 3400
Hz, change in time: 32 bits, which gain leaves alone and codecs mostly. Copies are looked for among clips that share
pieces of bits at one offset, and are compared by the share of bits that differ on the loud frames that both have: about
half between any two recordings, takes of one sentence by one speaker included. Knows neither corpora nor splits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE

FRAME, HOP = 2048, 256
MOST_DIFFERENT = 0.28
"""Share of bits at which two clips count as copies: unrelated ones differ in half of them."""

_BANDS, _LOW, _HIGH = 33, 300.0, 3400.0
_LAG = 4  # frames between which energies are compared
_LOUD = 40.0  # dB below the loudest frame that count
_PIECE = 20  # bits that have to agree in a frame, for two clips to be compared
_MOST_ALIKE = 64  # clips' frames that share a piece: pieces that more have aren't used
_FEWEST = 16  # loud frames that two clips have in common, a quarter of a second
_VOTES = 2  # frames that agree at one offset


class Fingerprint(NamedTuple):
    """Of one clip.

    Attributes:
        bits: (T,) uint32, of each frame
        loud: (T,) whether the frame counts
    """

    bits: np.ndarray
    loud: np.ndarray


class Copy(NamedTuple):
    """Two clips that are the same audio.

    Attributes:
        first: index of one
        second: index of the other
        different: share of bits that differ
        seconds: by which the second begins later
    """

    first: int
    second: int
    different: float
    seconds: float


def fingerprint(waveform: np.ndarray) -> Fingerprint:
    """The fingerprint of samples (N,) at 16 kHz."""
    padded = np.pad(waveform.astype(np.float32), (0, max(0, FRAME + (_LAG + 1) * HOP - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2
    edges = np.geomspace(_LOW, _HIGH, _BANDS + 1) * FRAME / SAMPLE_RATE
    bands = np.add.reduceat(power, np.round(edges).astype(int), axis=1)[:, :_BANDS]
    slopes = np.diff(np.log(bands + 1e-12), axis=1)  # (T, 32)
    rising = slopes[_LAG:] > slopes[:-_LAG]
    level = 10 * np.log10(bands.sum(axis=1)[_LAG:] + 1e-12)
    return Fingerprint((rising << np.arange(_BANDS - 1)).sum(axis=1).astype(np.uint32), level > level.max() - _LOUD)


def find_copies(prints: Sequence[Fingerprint]) -> list[Copy]:
    """All pairs of clips that are the same audio, or of which one is most of the other."""
    copies: dict[tuple[int, int], Copy] = {}
    for first, second, offset in _candidates(prints):
        for nearby in (offset - 1, offset, offset + 1):
            different = _difference(prints[first], prints[second], nearby)
            previous = copies.get((first, second))
            if different <= MOST_DIFFERENT and (previous is None or different < previous.different):
                copies[first, second] = Copy(first, second, different, nearby * HOP / SAMPLE_RATE)
    return [copies[pair] for pair in sorted(copies)]


def _candidates(prints: Sequence[Fingerprint]) -> list[tuple[int, int, int]]:
    """Pairs of clips, and offsets in frames, at which pieces of bits agree."""
    clip = np.concatenate([np.full(int(item.loud.sum()), number) for number, item in enumerate(prints)])
    frame = np.concatenate([np.flatnonzero(item.loud) for item in prints])
    bits = np.concatenate([item.bits[item.loud] for item in prints])
    votes = []
    for shift in (0, _BANDS - 1 - _PIECE):
        keys = (bits >> np.uint32(shift)) & np.uint32((1 << _PIECE) - 1)
        order = np.argsort(keys, kind="stable")
        bounds = np.flatnonzero(np.diff(keys[order], prepend=-1, append=1 << 32))
        sizes = np.diff(bounds)
        for start, size in zip(bounds[:-1][sizes > 1], sizes[sizes > 1], strict=True):
            if size > _MOST_ALIKE:
                continue
            rows = order[start : start + size]
            first, second = np.triu_indices(size, 1)
            pairs = np.stack([clip[rows[first]], clip[rows[second]], frame[rows[second]] - frame[rows[first]]], axis=1)
            votes.append(pairs[pairs[:, 0] != pairs[:, 1]])
    if not votes:
        return []
    every = np.concatenate(votes)
    swapped = every[:, 0] > every[:, 1]
    every[swapped] = every[swapped][:, [1, 0, 2]] * np.array([1, 1, -1])
    pairs, counts = np.unique(every, axis=0, return_counts=True)
    return [tuple(row) for row in pairs[counts >= _VOTES].tolist()]


def _difference(first: Fingerprint, second: Fingerprint, offset: int) -> float:
    """The share of bits that differ where both are loud; 1 where they have too little in common.

    Args:
        first: the first clip's
        second: the second's
        offset: frames by which it begins later
    """
    start, stop = max(0, -offset), min(len(first.bits), len(second.bits) - offset)
    if stop - start < _FEWEST:
        return 1.0
    first_frames, second_frames = slice(start, stop), slice(start + offset, stop + offset)
    both = first.loud[first_frames] & second.loud[second_frames]
    if both.sum() < max(_FEWEST, 0.5 * min(first.loud.sum(), second.loud.sum())):
        return 1.0
    return float(
        np.bitwise_count(first.bits[first_frames][both] ^ second.bits[second_frames][both]).sum()
        / (both.sum() * (_BANDS - 1))
    )
