"""Preprocessing between a recording and an encoder: cut to speech, then normalised in loudness.

    waveform (B, N), lengths (B,) --[SpeechGate]--> --Loudness--> Speech(waveform, lengths, onsets, seconds)

One module, and the same one in training, in evaluation, where the feature cache is filled, and in an exported graph.
Loudness is measured on what the gate leaves.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ser_tl.data.audio_config import SAMPLE_RATE, AudioConfig
from ser_tl.modules.loudness import Loudness
from ser_tl.modules.speech import Speech, SpeechGate


class SpeechFront(nn.Module):
    """Cuts clips to their speech and normalises their loudness, as configured.

    Args:
        gate: how speech is found, as of `AudioConfig`
        normalise: the loudness, likewise

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) samples -> Speech
    """

    def __init__(self, gate: Literal["none", "energy"], normalise: Literal["none", "peak", "rms"]) -> None:
        super().__init__()
        self.gate = None if gate == "none" else SpeechGate()
        self.loudness = Loudness(normalise)

    @classmethod
    def from_config(cls, audio: AudioConfig) -> "SpeechFront":
        """That of a model."""
        return cls(audio.gate, audio.normalise)

    @property
    def facts(self) -> str:
        """Its configuration, for the keys of cached features."""
        return self.loudness.how if self.gate is None else f"{self.loudness.how}, {self.gate.facts}"

    def forward(self, waveform: Tensor, lengths: Tensor) -> Speech:
        """The encoder's input for each clip; without a gate all of it counts as speech."""
        if self.gate is None:
            clips = Speech(waveform, lengths, torch.zeros_like(lengths), lengths / SAMPLE_RATE)
        else:
            clips = self.gate(waveform, lengths)
        return clips._replace(waveform=self.loudness(clips.waveform, clips.lengths))
