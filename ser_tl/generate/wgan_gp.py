"""The steps of a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, algorithm 1).

    WganGp.critic_step(real, classes, draws), .generator_step(classes, draws) -> figures for the log

Every draw follows from where the training stands (`BatchRng`), so nothing of it has to be kept. Several processes have
each its own clips and the mean of all gradients, and so the same weights: without DDP, whose hooks don't go together
with a gradient of a gradient.
"""

from copy import deepcopy

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Adam

from ser_tl.augment import BatchRng
from ser_tl.generate.networks import Critic, Generator
from ser_tl.generate.wavegan_config import WaveGanConfig

_BETAS = (0.5, 0.9)  # of Adam, as both papers have them


class WganGp:
    """Generator, critic and their optimizers.

    Args:
        generator: with its first weights
        config: sizes and rates
        classes: number of classes, C
        seed: of the critic's first weights
        accelerator: device, precision and processes
    """

    def __init__(
        self, generator: Generator, config: WaveGanConfig, classes: int, seed: int, accelerator: Accelerator
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            critic = Critic(config, classes)
        self.config = config
        self.accelerator = accelerator
        self.generator = generator.to(accelerator.device)
        self.critic = critic.to(accelerator.device)
        self.averaged = deepcopy(self.generator).requires_grad_(False)
        self.optimizers = {
            name: Adam(network.parameters(), config.learning_rate, betas=_BETAS)
            for name, network in (("generator", self.generator), ("critic", self.critic))
        }

    def critic_step(self, real: Tensor, classes: Tensor, draws: BatchRng) -> dict[str, Tensor]:
        """Trains the critic to separate real clips from the generator's, of the same classes.

        Args:
            real: (B, N)
            classes: (B,)
            draws: of latent numbers, shifts and mixtures

        Returns:
            Scalars: the Wasserstein distance that the critic estimates, and the mean penalty before its weight.
        """
        with torch.no_grad(), self.accelerator.autocast():
            generated = self.generator(self._latent(len(real), draws), classes).float()
        with self.accelerator.autocast():
            scores = self.critic(torch.cat([real, generated]), classes.repeat(2), draws).float()
        real_scores, generated_scores = scores.chunk(2)
        distance = real_scores.mean() - generated_scores.mean()
        penalty = self._penalty(real, generated, classes, draws)
        self._descend("critic", self.critic, self.config.penalty * penalty - distance)
        return {"distance": distance.detach(), "penalty": penalty.detach()}

    def generator_step(self, classes: Tensor, draws: BatchRng, step: int) -> dict[str, Tensor]:
        """Trains the generator against the critic, and updates its average.

        Args:
            classes: (B,)
            draws: of latent numbers and shifts
            step: from 1; the average forgets faster in the beginning

        Returns:
            A scalar: the generator's loss.
        """
        self.critic.requires_grad_(False)
        with self.accelerator.autocast():
            generated = self.generator(self._latent(len(classes), draws), classes)
            loss = -self.critic(generated, classes, draws).float().mean()
        self._descend("generator", self.generator, loss)
        self.critic.requires_grad_(True)
        decay = min(self.config.ema, step / (step + 10))
        with torch.no_grad():
            for average, parameter in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(parameter, 1.0 - decay)
        return {"generator_loss": loss.detach()}

    def _latent(self, count: int, draws: BatchRng) -> Tensor:
        return draws.normal(count, self.config.latent)

    def _penalty(self, real: Tensor, generated: Tensor, classes: Tensor, draws: BatchRng) -> Tensor:
        """How far the gradient's norm is from 1 between real and synthetic clips (equation 3)."""
        share = draws.uniform(len(real), 0.0, 1.0).to(real)[:, None]
        between = real.lerp(generated, share).requires_grad_()
        with self.accelerator.autocast():
            scores = self.critic(between, classes, draws).float()
        slope = torch.autograd.grad(scores.sum(), between, create_graph=True)[0]
        return (slope.norm(dim=1) - 1.0).square().mean()

    def _descend(self, name: str, network: nn.Module, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        optimizer.zero_grad()
        loss.backward()
        if self.accelerator.num_processes > 1:
            gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
            mean = self.accelerator.reduce(torch.cat([tensor.flatten() for tensor in gradients]), "mean")
            for gradient, averaged in zip(gradients, mean.split([tensor.numel() for tensor in gradients]), strict=True):
                gradient.copy_(averaged.view_as(gradient))
        optimizer.step()
