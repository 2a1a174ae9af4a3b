"""Several encoders as one: their frames on the first one's time grid, side by side.

    waveform --encoder A--> (L, B, T, D) --chosen layers side by side---------------------> state (1, B, T, DA + DB)
             --encoder B--> (L, B, T', D') --chosen layers side by side--resampled to T--/

load_encoder("whisper-tiny.en+mfcc") makes one. How the sources are weighed against each other is the model's business
(`ser_tl.modules.fusion`); here nothing is learned that the encoders don't have.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ser_tl.encoders.base import FAMILIES, Block, Encoder, OnMel, select_layers
from ser_tl.errors import ConfigError, EncoderError


@FAMILIES.register("fused")
class Fused(Encoder):
    """Two or more encoders of the same audio.

    Args:
        encoders: the first gives the time grid; take the finest of the pretrained ones
        layers: for each encoder which of its states are used, all if None

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, D), mask (B, T); T of the first encoder, D all
        chosen channels of all encoders

    Raises:
        EncoderError: fewer than two encoders, or not one entry of `layers` for each
        ConfigError: a layer that an encoder doesn't have
    """

    family = "fused"
    num_states = 1

    def __init__(self, encoders: Sequence[Encoder], layers: Sequence[Sequence[int] | None] | None = None) -> None:
        super().__init__()
        layers = [None] * len(encoders) if layers is None else list(layers)
        if len(encoders) < 2:
            raise EncoderError("a fused encoder needs at least two encoders, as in `encoder` whisper-tiny.en+mfcc")
        if len(layers) != len(encoders) or not all(chosen is None or isinstance(chosen, Sequence) for chosen in layers):
            raise EncoderError(
                f"encoder_options.layers is {layers} for {len(encoders)} encoders: give one list (or null, for all "
                f"layers) for each, as in '[[1, 2, 3], null]'"
            )
        self.encoders = nn.ModuleList(encoders)
        try:
            self.layers = [
                select_layers(encoder.num_states, chosen) for encoder, chosen in zip(encoders, layers, strict=True)
            ]
        except ConfigError as error:
            raise ConfigError(f"encoder_options.layers: {error}") from None
        self.frame_rate = encoders[0].frame_rate
        self.dim = sum(self.sources)
        limits = [encoder.max_seconds for encoder in encoders if encoder.max_seconds is not None]
        self.max_seconds = min(limits, default=None)
        self.has_mel = any(encoder.has_mel for encoder in encoders)
        reasons = {encoder.family: encoder.why_not_exportable for encoder in encoders if encoder.why_not_exportable}
        self.why_not_exportable = "; ".join(f"of {family}, {reason}" for family, reason in reasons.items())

    @classmethod
    def from_pretrained(cls, source: str) -> Self:
        """Refused: the encoders are loaded one by one, by `load_encoder("one+other")`."""
        raise EncoderError(f"encoder {source}: name the encoders of a fused one, joined by +: soundnet+mfcc")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same encoders with random weights."""
        encoders = [FAMILIES[entry["family"]].from_config(entry["config"]) for entry in config["encoders"]]
        return cls(encoders, config["layers"])

    @property
    def config(self) -> dict[str, Any]:
        """Each encoder's own config, and the layers taken of each."""
        encoders = [{"family": encoder.family, "config": encoder.config} for encoder in self._each]
        return {"encoders": encoders, "layers": self.layers}

    @property
    def sources(self) -> list[int]:
        """Channels of each encoder."""
        return [encoder.dim * len(chosen) for encoder, chosen in zip(self._each, self.layers, strict=True)]

    @property
    def layer_widths(self) -> list[int]:
        """Channels of each chosen layer of each encoder."""
        pairs = zip(self._each, self.layers, strict=True)
        return [width for encoder, chosen in pairs for _ in chosen for width in encoder.layer_widths]

    @property
    def _each(self) -> list[Any]:
        return list(self.encoders)

    def blocks(self) -> list[Block]:
        """The blocks of each encoder, the first encoder's last, so that unfreezing from the top begins with it."""
        return self._prefix_blocks(lambda encoder, _: encoder.blocks())

    def blocks_below(self, layer: int) -> list[Block]:  # noqa: ARG002 - there is one state
        """The blocks below the highest chosen layer of each encoder."""
        return self._prefix_blocks(lambda encoder, chosen: encoder.blocks_below(max(chosen)))

    def _prefix_blocks(self, blocks_of: Any) -> list[Block]:  # noqa: ANN401 - (encoder, its layers) -> blocks
        named = []
        for number in reversed(range(len(self.layers))):
            for block in blocks_of(self._each[number], self.layers[number]):
                named.append(Block(f"encoder {number + 1}, {block.name}", block.modules))
        return named

    def embed_frames(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> tuple[Tensor, Tensor]:
        """Encodes padded clips with each encoder, up to the highest of its chosen layers."""
        outputs = [
            encoder(waveform, lengths, chosen, on_mel=on_mel if encoder.has_mel else None)
            for encoder, chosen in zip(self._each, self.layers, strict=True)
        ]
        frames = [hidden.states.permute(1, 2, 0, 3).flatten(2) for hidden in outputs]  # (B, T, D) of each
        grid = outputs[0].mask
        others = [
            resample_frames(other, hidden.mask, grid) for other, hidden in zip(frames[1:], outputs[1:], strict=True)
        ]
        return torch.cat([frames[0], *others], dim=-1), grid


def resample_frames(frames: Tensor, mask: Tensor, grid: Tensor) -> Tensor:
    """Frames on another time grid: each new frame is the mean of what lies in its stretch of the clip.

    Exact in both directions, by the difference of running sums: fine frames are averaged, coarse ones repeated.

    Shape:
        frames (B, T', D), mask (B, T'), grid (B, T) -> (B, T, D), zeros on padding
    """
    have, want = mask.sum(dim=1), grid.sum(dim=1)
    edges = torch.arange(grid.shape[1] + 1, device=frames.device).clamp(max=want[:, None])  # (B, T + 1)
    positions = edges.double() * (have / want.double())[:, None]  # in frames of the other grid
    sums = nn.functional.pad((frames * mask[..., None]).double().cumsum(dim=1), (0, 0, 1, 0))  # (B, T' + 1, D)
    below = positions.floor().long().clamp(max=have[:, None])
    above = (below + 1).clamp(max=have[:, None])
    share = (positions - below)[..., None]
    index = [at[..., None].expand(-1, -1, frames.shape[-1]) for at in (below, above)]
    lower, upper = (sums.gather(1, at) for at in index)
    running = lower + share * (upper - lower)
    width = (have / want.double())[:, None, None]
    resampled = ((running[:, 1:] - running[:, :-1]) / width).to(frames.dtype)
    return resampled * grid[..., None]
