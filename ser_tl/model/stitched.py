"""The states of a clip in pieces: each encoded with a little of what came before it, and set side by side.

    waveform (B, N), lengths (B,) --pieces of all clips in one batch--> encoder --frames that stay--> states, mask

`modules.stitching` says which pieces. No graph records this: an exported model is a graph of one piece.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders import EncoderOutput
from ser_tl.modules.stitching import Stitching

Encode = Callable[[Tensor, Tensor], EncoderOutput]
"""From waveform (B, N) and lengths (B,) to the states."""

_MOST_SECONDS = 60  # of audio that the encoder takes at once


def encode_stitched(
    encode: Encode, waveform: Tensor, lengths: Tensor, stitching: Stitching, frame_rate: float
) -> EncoderOutput:
    """The states (L, B, T, D) and mask (B, T) of padded clips.

    Args:
        encode: of pieces
        waveform: (B, N) at 16 kHz
        lengths: (B,) samples
        stitching: how they are cut
        frame_rate: frames a second of the encoder
    """
    plans = [stitching.plan_pieces(count) for count in lengths.tolist()]
    pieces = [(clip, piece) for clip, plan in enumerate(plans) for piece in plan]
    cut = [waveform[clip, piece.begin : piece.stop] for clip, piece in pieces]
    parts: list[Tensor] = []  # (L, frames, D) of each piece
    for (_, piece), states in zip(pieces, _encode_all(encode, cut), strict=True):
        count = stitching.count_frames(piece, states.shape[1], frame_rate)
        parts.append(states[:, states.shape[1] - count :])
    edges = [0]
    for plan in plans:
        edges.append(edges[-1] + len(plan))
    clips = [torch.cat(parts[first:last], dim=1).transpose(0, 1) for first, last in pairwise(edges)]
    states = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).permute(2, 0, 1, 3)  # of (B, T, L, D)
    counts = torch.tensor([len(clip) for clip in clips], device=states.device)
    return EncoderOutput(states.contiguous(), torch.arange(states.shape[2], device=states.device) < counts[:, None])


def _encode_all(encode: Encode, pieces: Sequence[Tensor]) -> list[Tensor]:
    """The states (L, T, D) of each piece (n,), padding left out; a batch of pieces at a time."""
    longest = max(len(piece) for piece in pieces)
    batch = max(1, _MOST_SECONDS * SAMPLE_RATE // max(1, longest))
    encoded: list[Tensor] = []
    for first in range(0, len(pieces), batch):
        chosen = pieces[first : first + batch]
        counts = torch.tensor([len(piece) for piece in chosen], device=chosen[0].device)
        states, mask = encode(torch.nn.utils.rnn.pad_sequence(list(chosen), batch_first=True), counts)
        encoded += [states[:, row, : int(frames)] for row, frames in enumerate(mask.sum(dim=1).tolist())]
    return encoded
