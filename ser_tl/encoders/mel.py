"""A place in an encoder where its log-mel spectrogram passes, for training to blank parts of it.

    with tapped(encoder, act): encoder(waveform, lengths)      mel (B, F, bands) --act--> mel, on every tap in it

Without an act a tap does nothing. Knows nothing of what is done there.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from torch import Tensor, nn

Act = Callable[[Tensor, Tensor], Tensor]
"""From mel (B, F, bands) and the frames of each clip (B,) to another mel."""


class MelTap(nn.Module):
    """What a log-mel spectrogram goes through before an encoder reads it.

    Shape:
        mel (B, F, bands), counts (B,) frames of each clip, of which some may be beyond F -> (B, F, bands)
    """

    act: Act | None = None

    def forward(self, mel: Tensor, counts: Tensor) -> Tensor:
        """The spectrogram, or what the act makes of it."""
        return mel if self.act is None else self.act(mel, counts)


def mel_taps(encoder: nn.Module) -> list[MelTap]:
    """The taps of an encoder, or of all that it is made of; none where it has no log-mel front end."""
    return [module for module in encoder.modules() if isinstance(module, MelTap)]


@contextmanager
def tapped(encoder: nn.Module, act: Act) -> Generator[None]:
    """Puts an act on each of an encoder's taps, for as long as the block lasts."""
    taps = mel_taps(encoder)
    for tap in taps:
        tap.act = act
    try:
        yield
    finally:
        for tap in taps:
            tap.act = None
