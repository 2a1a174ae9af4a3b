"""VGGish: a VGG network that learnt the tags of AudioSet from log-mel pictures of one second.

    embeddings     log-mel -> examples of 0.96 s -> conv1 ... conv4 -> three linear layers -> 128 numbers an example
    postprocessed  the same -> PCA, clipped, 8 bits, as AudioSet's own features were published
    frames         log-mel of the whole clip -> conv1 ... conv4 -> 512 channels in 4 bands, a frame every 0.16 s

One vector a second is coarse for attention over a clip of three: `frames` runs the convolutions, which never look
further than their kernels, over the clip as one long picture, and keeps no weights of the linear layers.

Examples begin every `hop`, and the last one ends where the clip ends, so no sound is lost and none is diluted with
silence; only a clip shorter than an example is followed by silence. The first ones are those of the published front
end, which drops the rest of the clip.

The published weights are not part of ser_tl and no test has seen them: the log-mel is held against values of the
published front end, the network against torchvggish's layout and arithmetic with random weights. As in torchvggish a
ReLU ends the linear layers. Independent of files.
"""

from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import FAMILIES, AdapterTargets, Block, Encoder, OnMel, frames_mask, zero_padding
from ser_tl.encoders.kernels import use_cpu_kernels
from ser_tl.encoders.vggish_mel import BANDS, HOP, VGGishLogMel, mel_frames
from ser_tl.encoders.vggish_weights import CONVOLUTIONS, load_weights, read_sizes, read_vggish
from ser_tl.errors import EncoderError
from ser_tl.modules.graph import SHORTEST, is_exporting

EXAMPLE = 96  # mel frames of an example, 0.96 s
STRIDE = 16  # mel frames, and mel bands, of one frame and band after the last pool
RANGE = 2.0  # postprocessed values are clipped to +- this

Output = Literal["embeddings", "frames", "postprocessed"]


@FAMILIES.register("vggish")
class VGGish(Encoder):
    """VGGish (Hershey et al. 2017), its layers named as in torchvggish.

    Args:
        output: what a state is, see the module
        hop: seconds from one example to the next, in steps of 0.01. Half an example by default: a clip of emotional
            speech lasts two or three seconds, and every second example is then one of the published 0.96 s apart
        channels: of conv1, conv2, conv3, conv4
        hidden: width of the first two linear layers
        size: of an embedding

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, D), mask (B, T); D is 128, of `frames` 4 * 512

    Raises:
        EncoderError: no such output, a hop that leaves sound out or is none, or one for `frames`, which have their own
    """

    family = "vggish"
    adapter_targets = AdapterTargets(("features", "embeddings"), convolutions=True)
    weight_files = (".pth", ".pt")
    has_mel = True
    num_states = 1

    def __init__(
        self,
        *,
        output: Output = "embeddings",
        hop: float | None = None,
        channels: Sequence[int] = (64, 128, 256, 512),
        hidden: int = 4096,
        size: int = 128,
    ) -> None:
        super().__init__()
        if output not in get_args(Output):
            raise EncoderError(f"encoder vggish: output is {output!r}, expected one of {', '.join(get_args(Output))}")
        if hop is not None and output == "frames":
            raise EncoderError(
                f"encoder vggish: hop is {hop!r}, but frames are always {STRIDE * HOP / SAMPLE_RATE:g} s apart: "
                f"leave it out, or choose another output"
            )
        self.output, self.hop = output, hop
        self.step = _mel_hop(0.48 if hop is None else hop)
        self.channels, self.hidden, self.size = list(channels), hidden, size
        self.log_mel = VGGishLogMel()
        self.features = _convolutions(self.channels)
        self.embeddings, self.pproc = nn.Sequential(), nn.Identity()
        if output == "frames":
            self.dim, self.frame_rate = self.channels[-1] * BANDS // STRIDE, SAMPLE_RATE / (STRIDE * HOP)
        else:
            self.dim, self.frame_rate = size, SAMPLE_RATE / (self.step * HOP)
            width = self.channels[-1] * (EXAMPLE // STRIDE) * (BANDS // STRIDE)
            layers = [nn.Linear(width, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, size)]
            self.embeddings = nn.Sequential(*(module for layer in layers for module in (layer, nn.ReLU())))
        if output == "postprocessed":
            self.pproc = Postprocessor(size)

    @classmethod
    def from_pretrained(cls, source: str, *, output: Output = "embeddings", hop: float | None = None) -> Self:
        """The encoder of torchvggish's .pth file, of a local folder or of a hub id."""
        weights = read_vggish(source)
        encoder = cls(output=output, hop=hop, **read_sizes(weights))
        load_weights(encoder, weights, source)
        return use_cpu_kernels(encoder)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights, which keep the scale of what goes through (He et al. 2015)."""
        encoder = cls(**config)
        for layer in encoder.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        return use_cpu_kernels(encoder)

    @property
    def config(self) -> dict[str, Any]:
        """Output, hop and widths."""
        names = ("output", "hop", "channels", "hidden", "size")
        return {name: getattr(self, name) for name in names}

    def blocks(self) -> list[Block]:
        """conv1 to conv4, and the linear layers as one where there are any."""
        blocks = [
            Block(f"conv{number}", nn.ModuleList([self.features[index] for index in indices]))
            for number, indices in enumerate(CONVOLUTIONS, 1)
        ]
        return blocks if self.output == "frames" else [*blocks, Block("embeddings", nn.ModuleList([self.embeddings]))]

    def embed_frames(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> tuple[Tensor, Tensor]:
        """The only state; clips shorter than an example (a frame) are read as if silence followed."""
        if self.output == "frames":
            return self._frames(waveform, lengths, on_mel)
        examples, mask = self.examples(waveform, lengths, on_mel)
        if is_exporting():  # how many examples there are depends on the lengths: padding is embedded as well
            return self.embed(examples.flatten(0, 1)).unflatten(0, mask.shape) * mask[..., None], mask
        vectors = self.embed(examples[mask])
        state = vectors.new_zeros(*mask.shape, self.dim)
        state[mask] = vectors
        return state, mask

    def embed(self, examples: Tensor) -> Tensor:
        """The vectors of examples, (V, 96, 64) -> (V, D)."""
        return self.pproc(self.embeddings(_flat(self.features(examples[:, None])).flatten(1)))

    def examples(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> tuple[Tensor, Tensor]:
        """The log-mel examples of clips, the last of each ending with it.

        Shape:
            waveform (B, N), lengths (B,) -> (B, T, 96, 64), mask (B, T)
        """
        counts = mel_frames(lengths).clamp_min(EXAMPLE)
        longest = mel_frames(waveform.shape[1])
        # A recorded graph is given more frames than it needs, so that one more never makes a difference in kind: two
        # examples at least.
        longest = longest + EXAMPLE + self.step - mel_frames(SHORTEST) if is_exporting() else max(EXAMPLE, longest)
        mel = self._mel(waveform, lengths, longest, on_mel)
        number = (longest - EXAMPLE + self.step - 1) // self.step + 1
        starts = (self.step * torch.arange(number, device=mel.device)).minimum(counts[:, None] - EXAMPLE)
        indices = starts[..., None] + torch.arange(EXAMPLE, device=mel.device)  # (B, T, 96)
        rows = torch.arange(mel.shape[0], device=mel.device)[:, None, None]
        return mel[rows, indices], frames_mask(-(-(counts - EXAMPLE) // self.step) + 1, number)

    def _mel(self, waveform: Tensor, lengths: Tensor, frames: int, on_mel: OnMel | None) -> Tensor:
        mel = self.log_mel(zero_padding(waveform, lengths), frames)
        return mel if on_mel is None else on_mel(mel, mel_frames(lengths))

    def _frames(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None) -> tuple[Tensor, Tensor]:
        """Convolves whole clips, with zeros behind each at every layer, as a clip alone has them."""
        counts = -(-mel_frames(lengths).clamp_min(1) // STRIDE)
        longest = (mel_frames(waveform.shape[1]) + STRIDE - 1) // STRIDE
        longest = longest + 1 if is_exporting() else max(1, longest)  # two at least in a recorded graph
        mel = self._mel(waveform, lengths, STRIDE * longest, on_mel)
        ends = STRIDE * counts
        images = (mel * frames_mask(ends, mel.shape[1])[..., None])[:, None]
        for layer in self.features:
            images = layer(images)
            if isinstance(layer, nn.MaxPool2d):
                ends = ends // 2
            elif isinstance(layer, nn.ReLU):
                images = images * frames_mask(ends, images.shape[2])[:, None, :, None]
        return _flat(images), frames_mask(counts, images.shape[2])


class Postprocessor(nn.Module):
    """What AudioSet's features went through: whitening PCA, clipping, 8 bits (Abu-El-Haija et al. 2016).

    Rounding has no gradient of use: the backward pass takes it for the identity.

    Args:
        size: of an embedding, D

    Shape:
        vectors (V, D) -> (V, D), whole numbers from 0 to 255
    """

    pca_eigen_vectors: Tensor
    pca_means: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.eye(size))
        self.register_buffer("pca_means", torch.zeros(size, 1))

    def forward(self, vectors: Tensor) -> Tensor:
        """The vectors as AudioSet would publish them."""
        with torch.autocast(vectors.device.type, enabled=False):  # half precision has fewer steps than the 8 bits
            whitened = (vectors.float() - self.pca_means.mT) @ self.pca_eigen_vectors.mT
            scaled = (whitened.clamp(-RANGE, RANGE) + RANGE) * (255 / (2 * RANGE))
            return scaled.detach().round() + (scaled - scaled.detach())


def _mel_hop(seconds: float) -> int:
    """A hop in mel frames."""
    sensible = isinstance(seconds, int | float) and 0 < seconds < 1
    frames = round(seconds * SAMPLE_RATE / HOP) if sensible else 0
    if not 1 <= frames <= EXAMPLE or abs(frames * HOP / SAMPLE_RATE - seconds) > 1e-6:
        raise EncoderError(f"encoder vggish: hop is {seconds!r}, expected 0.01 to 0.96 seconds in steps of 0.01")
    return frames


def _convolutions(channels: Sequence[int]) -> nn.Sequential:
    """Of each width as many 3x3 convolutions as it has places, and a pool."""
    layers: list[nn.Module] = []
    before = 1
    for width, indices in zip(channels, CONVOLUTIONS, strict=True):
        for _ in indices:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _flat(images: Tensor) -> Tensor:
    """Bands and channels as one, channels fastest as the linear layers want them: (V, C, T, 4) -> (V, T, D)."""
    return images.permute(0, 2, 3, 1).flatten(2)
