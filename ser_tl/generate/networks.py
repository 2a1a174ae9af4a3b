"""WaveGAN's two networks, conditioned on the class (Donahue et al. 2019, section 3 and tables 3 and 4).

    latent (B, Z), classes (B,) --Generator--> waveform (B, N)      waveform (B, N), classes (B,) --Critic--> score (B,)

The generator gets the class by an embedding beside the latent vector (Mirza and Osindero 2014), the critic by the
inner product of another with its features of the waveform (projection, Miyato and Koyama 2018, equation 3). Neither
has batch norm: the gradient penalty is of single clips.
"""

import torch
from torch import Tensor, nn

from ser_tl.augment import BatchRng
from ser_tl.generate.wavegan_config import FRAMES, WaveGanConfig

KERNEL = 25
_SLOPE = 0.2  # of the critic's leaky ReLUs


def phase_shuffle(activations: Tensor, most: int, draws: BatchRng) -> Tensor:
    """Shifts each clip's activations by up to a number of samples, reflected at the ends (section 3.3).

    A critic that can't rely on the phase can't be content with telling the generator's regular artefacts by it.

    Args:
        activations: (B, D, T), T greater than `most`
        most: samples to either side
        draws: of the shifts

    Shape:
        (B, D, T) -> (B, D, T)
    """
    count, channels, frames = activations.shape
    shifts = draws.randint_below(torch.full((count,), 2 * most + 1)) - most
    indices = (torch.arange(frames) - shifts[:, None]).abs()  # reflected at the beginning
    indices = torch.where(indices < frames, indices, 2 * (frames - 1) - indices)
    return activations.gather(2, indices.to(activations.device)[:, None].expand(count, channels, frames))


class Generator(nn.Module):
    """From latent numbers to a waveform, by transposed convolutions.

    Args:
        config: sizes
        classes: number of classes, C

    Shape:
        latent (B, Z), classes (B,) -> (B, N) in [-1, 1]
    """

    def __init__(self, config: WaveGanConfig, classes: int) -> None:
        super().__init__()
        strides = config.strides
        channels = [config.width << layer for layer in reversed(range(len(strides)))]
        self.classes = nn.Embedding(classes, config.class_channels)
        self.begin = nn.Linear(config.latent + config.class_channels, channels[0] * FRAMES)
        layers: list[nn.Module] = [nn.Unflatten(1, (channels[0], FRAMES)), nn.ReLU()]
        for stride, wide, narrow in zip(strides, channels, [*channels[1:], 1], strict=True):
            # With this padding T frames become stride * T, whether the stride is 2 or 4.
            padding = (KERNEL - stride + 1) // 2
            layers += [nn.ConvTranspose1d(wide, narrow, KERNEL, stride, padding, output_padding=1), nn.ReLU()]
        layers[-1] = nn.Tanh()
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        """A clip for each row."""
        return self.layers(self.begin(torch.cat([latent, self.classes(classes)], dim=1))).squeeze(1)


class Critic(nn.Module):
    """From a waveform and a class to a score that is higher for real clips of that class, by strided convolutions.

    Args:
        config: sizes, and the phase shuffle between the layers
        classes: number of classes, C

    Shape:
        waveform (B, N), classes (B,) -> (B,)
    """

    def __init__(self, config: WaveGanConfig, classes: int) -> None:
        super().__init__()
        strides = config.strides[::-1]
        channels = [config.width << layer for layer in range(len(strides))]
        self.most = config.phase_shuffle
        self.convolutions = nn.ModuleList(
            nn.Conv1d(narrow, wide, KERNEL, stride, (KERNEL - stride + 1) // 2)
            for stride, narrow, wide in zip(strides, [1, *channels[:-1]], channels, strict=True)
        )
        self.score = nn.Linear(channels[-1] * FRAMES, 1)
        self.classes = nn.Embedding(classes, channels[-1])

    def forward(self, waveform: Tensor, classes: Tensor, draws: BatchRng) -> Tensor:
        """A score for each clip; `draws` choose the phase shuffle's shifts."""
        activations = waveform[:, None]
        for layer, convolution in enumerate(self.convolutions, 1):
            activations = nn.functional.leaky_relu(convolution(activations), _SLOPE)
            if self.most and layer < len(self.convolutions):  # not before the scores, as in the paper's table 4
                activations = phase_shuffle(activations, self.most, draws)
        projection = (self.classes(classes) * activations.mean(dim=2)).sum(dim=1)
        return self.score(activations.flatten(1)).squeeze(1) + projection
