"""Speech in a room, by an impulse response: of a folder, or made here.

    folder --------------------------> response, its direct sound first --convolved with the clip--> as loud as before
    reverberation time, lead --noise that decays--> response

The direct sound stays where it was and the clip as long as it was; the last word's reverberation is cut with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, fast_size, power, zero_padding
from ser_tl.augment.noise_bank import check_folder, read_folder
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE

LONGEST = 1.0
"""Seconds of an impulse response; what comes later is cut."""

_RESPONSES = 600.0  # seconds of a folder's responses that are held
_GAP = round(0.002 * SAMPLE_RATE)  # samples before the first reflection


@TRANSFORMS.register("reverb")
@dataclass
class Reverb(ClipTransform):
    """Puts speech into a room.

    Args:
        probability: of each clip
        folder: of impulse responses (OpenSLR 28, for example); None makes them: noise that decays by 60 dB in the
            reverberation time (Polack 1988) behind a direct sound
        seconds: without a folder: reverberation time, RT60
        lead: without a folder: direct to reverberant sound, dB
    """

    probability: float = 0.3
    folder: str | None = None
    seconds: Range = (0.2, 0.7)
    lead: Range = (0.0, 12.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_folder(self._at("folder"), self.folder)
        self._range("seconds", 0.02, 5.0)
        self._range("lead", -20.0, 40.0)
        self._responses: Tensor | None = None

    def prepare(self, voices: Sequence[Tensor], seed: int) -> None:  # noqa: ARG002
        """Reads the folder: responses (M, K), each beginning with its direct sound."""
        if self.folder is not None:
            loaded = read_folder(self._at("folder"), self.folder, _RESPONSES, seed)
            cut = [response[int(response.abs().argmax()) :][: round(LONGEST * SAMPLE_RATE)] for response in loaded]
            self._responses = torch.nn.utils.rnn.pad_sequence(cut, batch_first=True)

    @property
    def fetched(self) -> list[Tensor]:
        """The folder's responses."""
        return [] if self._responses is None else [self._responses]

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Puts all of the clips into rooms, each into its own."""
        drawn: Drawn
        if self._responses is not None:
            self._responses = self._responses.to(waveform.device)
            which = draws.choice(len(waveform), len(self._responses))
            responses, drawn = self._responses[which.to(waveform.device)], {"response": which.tolist()}
        else:
            seconds, lead = (draws.uniform(len(waveform), *ends) for ends in (self.seconds, self.lead))
            responses = simulate_responses(seconds.to(waveform), lead.to(waveform), draws)
            drawn = {"RT60 in s": seconds.tolist(), "direct sound's lead in dB": lead.tolist()}
        new = zero_padding(convolve(waveform, responses), lengths)
        level = power(waveform, lengths) / power(new, lengths).clamp_min(1e-20)
        return new * level.sqrt()[:, None], lengths, drawn


def simulate_responses(rt60: Tensor, drr: Tensor, draws: BatchRng) -> Tensor:
    """Impulse responses of made-up rooms.

    Args:
        rt60: (B,) seconds in which the power falls by 60 dB
        drr: (B,) direct-to-reverberant ratio, dB
        draws: the batch's

    Returns:
        (B, K), direct sound first and 1.
    """
    size = round(min(float(rt60.max()), LONGEST) * SAMPLE_RATE)
    time = torch.arange(size, device=rt60.device) / SAMPLE_RATE
    tail = draws.normal(len(rt60), size) * torch.exp(-3.0 * log(10.0) * time / rt60[:, None])
    tail[:, :_GAP] = 0.0
    tail = tail * (10 ** (-drr / 10) / tail.square().sum(dim=1)).sqrt()[:, None]
    tail[:, 0] = 1.0
    return tail


def convolve(waveform: Tensor, responses: Tensor) -> Tensor:
    """Each clip with its response, as long as before: torchaudio's fftconvolve at a size that FFTs are fast at.

    Shape:
        waveform (B, N), responses (B, K) -> (B, N)
    """
    size = fast_size(waveform.shape[1] + responses.shape[1] - 1)
    both = torch.fft.rfft(waveform, size) * torch.fft.rfft(responses, size)
    return torch.fft.irfft(both, size)[:, : waveform.shape[1]]
