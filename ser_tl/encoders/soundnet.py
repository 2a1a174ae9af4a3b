"""SoundNet-8's convolutions, which learnt from the sound of two million videos what their pictures show.

    16 kHz -> 22 050 Hz, scaled to +-256 -> conv1 ... conv7 -> the tapped layers side by side on one time grid

The layers aren't linear in the level of a clip, which may be a microphone's or an emotion's: `loudness` says whether a
clip is encoded as it was recorded, at one level, or both ways side by side.

The layers have different widths and rates, so the encoder has one state: each tapped layer's nearest frame at the
frames of the finest. Layers above the highest tap are left out. A clip alone and the same clip padded are the same
computation: frames behind a clip are set to zero after every layer, where alone the next layer's own padding would be.
The batch norms' statistics are the published ones and never move, also where a block learns: those of a few padded
clips would be worse, and only the norms' scale and shift follow the data. Independent of where weights come from.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import (
    FAMILIES,
    AdapterTargets,
    Block,
    Encoder,
    EncoderOutput,
    OnMel,
    frames_mask,
    is_frozen,
    zero_padding,
)
from ser_tl.encoders.resampling import Resampler
from ser_tl.encoders.soundnet_weights import load_soundnet
from ser_tl.errors import EncoderError
from ser_tl.modules.feature_norm import FixedBatchNorm
from ser_tl.modules.graph import SHORTEST, is_exporting, max_pool, select_positions

RATE = 22_050  # samples a second of SoundNet's input
FULL_SCALE = 256.0  # what a sample of 1.0 becomes
SPEECH = 0.1 * FULL_SCALE  # RMS of speech of a usual loudness, -20 dBFS
FAINTEST = 1e-6 * FULL_SCALE  # RMS up to this (-120 dBFS) is silence, and stays so
STRIDE = 2  # of every convolution
EPSILON = 1e-5  # of the published batch norms


Loudness = Literal["recorded", "even", "both"]


class Size(NamedTuple):
    """What sets a layer apart: channels, frames of the kernel (even) and of the max pool (1 where there is none)."""

    channels: int
    kernel: int
    pool: int


LAYERS = {
    "conv1": Size(16, 64, 8),
    "conv2": Size(32, 32, 8),
    "conv3": Size(64, 16, 1),
    "conv4": Size(128, 8, 1),
    "conv5": Size(256, 4, 4),
    "conv6": Size(512, 4, 1),
    "conv7": Size(1024, 4, 1),
}
BLOCKS = [("conv1", "conv2"), ("conv3", "conv4"), ("conv5",), ("conv6",), ("conv7",)]


@FAMILIES.register("soundnet")
class SoundNet(Encoder):
    """SoundNet-8 up to its highest tap (Aytar et al. 2016).

    Args:
        taps: layers whose activations, after ReLU and pooling, make the state: some of conv1 to conv7
        loudness: the level at which clips are encoded: as they were `recorded`, at an `even` RMS of -20 dBFS, or `both`
            ways, side by side, in twice the time

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, D), mask (B, T); D is the tapped layers' sum, twice
        with `both` levels

    Raises:
        EncoderError: no tap, one named twice, or none of SoundNet's; another loudness
    """

    family = "soundnet"
    adapter_targets = AdapterTargets(("conv",), convolutions=True)
    weight_files = (".npy",)
    num_states = 1

    def __init__(self, taps: Sequence[str] = ("conv4", "conv5"), loudness: Loudness = "recorded") -> None:
        super().__init__()
        if loudness not in get_args(Loudness):
            choices = ", ".join(get_args(Loudness))
            raise EncoderError(f"encoder soundnet: loudness is {loudness!r}, expected one of {choices}")
        if not taps or isinstance(taps, str) or len(set(taps)) < len(taps) or not LAYERS.keys() >= set(taps):
            raise EncoderError(f"encoder soundnet: taps is {taps!r}, expected a list of some of {', '.join(LAYERS)}")
        names = list(LAYERS)
        self.taps = sorted(taps, key=names.index)
        self.front_end = FrontEnd()
        self.loudness = loudness
        self.layers = nn.ModuleDict()
        channels = 1
        for name in names[: names.index(self.taps[-1]) + 1]:
            self.layers[name] = SoundNetLayer(channels, LAYERS[name], loudness=1.0 if self.layers else SPEECH)
            channels = LAYERS[name].channels
        self.dim = sum(LAYERS[name].channels for name in self.taps) * (2 if loudness == "both" else 1)
        self.frame_rate = RATE / _grid(self.taps[0])[0]
        self.shortest = self.samples_for(1)  # at 22 050 Hz, from which every layer has a frame

    @classmethod
    def from_pretrained(
        cls, source: str, *, taps: Sequence[str] = ("conv4", "conv5"), loudness: Loudness = "recorded"
    ) -> Self:
        """The encoder of a local folder, a hub id, or the published sound8.npy."""
        encoder = cls(taps, loudness)
        load_soundnet(encoder, source)
        return encoder

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights."""
        return cls(config["taps"], config.get("loudness", "recorded"))

    @property
    def config(self) -> dict[str, Any]:
        """The tapped layers, and the loudness where it isn't as recorded."""
        return {"taps": self.taps} | ({} if self.loudness == "recorded" else {"loudness": self.loudness})

    @property
    def layer_widths(self) -> list[int]:
        """Channels of each tapped layer, at one level after the other with `both`."""
        return [LAYERS[name].channels for name in self.taps] * (2 if self.loudness == "both" else 1)

    def blocks(self) -> list[Block]:
        """Convolutions with their norms: conv1-2, conv3-4, conv5, conv6, conv7, up to the highest tap."""
        used = [[name for name in names if name in self.layers] for names in BLOCKS]
        return [
            Block("-".join([names[0], *(name[-1:] for name in names[1:])]), nn.ModuleList(map(self._layer, names)))
            for names in used
            if names
        ]

    def embed_frames(
        self,
        waveform: Tensor,
        lengths: Tensor,
        on_mel: OnMel | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """The only state; clips shorter than a frame of the highest tap are read as if silence followed."""
        audio, lengths = self.front_end(waveform, lengths)
        if self.loudness == "recorded":
            states, mask = self.encode(audio, lengths)
        else:
            states, mask = self.encode(scale_to_speech_level(audio, lengths), lengths)
        if self.loudness == "both":
            states = torch.cat([self.encode(audio, lengths).states, states], dim=-1)
        return states[0], mask

    def encode(self, audio: Tensor, lengths: Tensor) -> EncoderOutput:
        """Encodes padded clips that are at SoundNet's rate and scale, with zeros behind each.

        Shape:
            audio (B, N) at 22 050 Hz within +-256, lengths (B,) -> states (1, B, T, D), mask (B, T)
        """
        counts = lengths.clamp_min(self.shortest)
        if is_exporting():  # what the shortest input lacks for two frames, whatever is given
            missing = self.samples_for(2) - self.front_end.resample.count(SHORTEST)
        else:
            missing = self.shortest - audio.shape[1]
        frames = functional.pad(audio, (0, max(0, missing)))[:, None]
        tapped: list[tuple[Tensor, Tensor]] = []
        learns = False
        for name in self.layers:
            learns = learns or not is_frozen(self._layer(name))
            with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
                frames, counts = self._layer(name)(frames, counts)
            if name in self.taps:
                tapped.append((frames, counts))
        (finest, counts), *coarser = tapped
        rows = [finest]
        for name, (frames, frame_counts) in zip(self.taps[1:], coarser, strict=True):
            indices = nearest_frames(self.taps[0], name, finest.shape[2], frame_counts)
            rows.append(select_positions(frames, indices))
        states = torch.cat(rows, dim=1).transpose(1, 2)[None]
        return EncoderOutput(states, frames_mask(counts, states.shape[2]))

    def samples_for(self, frames: int) -> int:
        """Samples at 22 050 Hz from which every layer has a number of frames."""
        for name in reversed(list(self.layers)):
            frames = max(frames, STRIDE * (frames * LAYERS[name].pool - 1))
        return frames

    def _layer(self, name: str) -> nn.Module:
        return self.layers[name]


class SoundNetLayer(nn.Module):
    """Convolution, batch norm, ReLU and, in some layers, max pool.

    Args:
        channels: of what comes in
        size: of the layer
        loudness: RMS of what comes in, from which random filters make channels of unit variance

    Shape:
        frames (B, channels, T), counts (B,) -> frames (B, D, T'), zero behind each clip, counts (B,)
    """

    def __init__(self, channels: int, size: Size, loudness: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, size.channels, size.kernel, STRIDE, padding=size.kernel // 2)
        nn.init.kaiming_normal_(self.conv.weight)
        self.norm = FixedBatchNorm(size.channels, 2 * loudness**2, EPSILON)  # what Kaiming's filters make of it
        self.pool = size.pool

    def forward(self, frames: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """One layer up; a pool's last window is left out where the clip doesn't fill it."""
        frames = self.norm(self.conv(frames)).relu()
        if self.pool > 1:
            frames = max_pool(frames, self.pool)
        counts = (counts // STRIDE + 1) // self.pool
        return frames * frames_mask(counts, frames.shape[2])[:, None], counts


class FrontEnd(nn.Module):
    """Clips as SoundNet wants them, with zeros behind each.

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> audio (B, N') at 22 050 Hz within +-256, lengths (B,)
    """

    def __init__(self) -> None:
        super().__init__()
        # 16 zero crossings: 0.3 % from soxr's result on speech, where torchaudio's default of 6 is 0.9 % from it
        self.resample = Resampler(SAMPLE_RATE, RATE, crossings=16)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The clips at SoundNet's rate and scale."""
        with torch.autocast(waveform.device.type, enabled=False):  # half precision would be audible noise
            audio = self.resample(zero_padding(waveform, lengths).float())
            lengths = self.resample.count(lengths)
            return FULL_SCALE * zero_padding(audio, lengths), lengths


def scale_to_speech_level(audio: Tensor, lengths: Tensor) -> Tensor:
    """Each clip at the RMS of speech of a usual loudness, over its true length; silence stays silence.

    Shape:
        audio (B, N) within +-256 with zeros behind each clip, lengths (B,) -> (B, N)
    """
    level = (audio.square().sum(dim=1) / lengths).sqrt()
    return audio * torch.where(level > FAINTEST, SPEECH / level.clamp_min(FAINTEST), 1.0)[:, None]


def nearest_frames(fine: str, coarse: str, longest: int, counts: Tensor) -> Tensor:
    """The coarser layer's frame whose centre is nearest to that of each frame of the finer.

    Args:
        fine: layer whose frames give the grid
        coarse: layer above it
        longest: frames of the finer layer, T
        counts: the coarser layer's frames of each clip, (B,)

    Shape:
        counts (B,) -> places (B, T), each below its clip's count
    """
    (fine_step, fine_start), (step, start) = _grid(fine), _grid(coarse)
    centres = torch.arange(longest, device=counts.device) * (fine_step / step) + (fine_start - start) / step
    return centres.round().long().clamp_min(0).minimum(counts[:, None] - 1)


def _grid(tap: str) -> tuple[int, float]:
    """Samples (at 22 050 Hz) from one frame of a layer to the next, and where the first frame's centre is."""
    step, start = 1, 0.0
    for name, size in LAYERS.items():
        start -= step / 2  # an even kernel, half of it before the clip, is centred between two frames
        step *= STRIDE
        start += step * (size.pool - 1) / 2
        step *= size.pool
        if name == tap:
            break
    return step, start
