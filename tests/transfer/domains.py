"""Two seeded domains: what a model would make of a batch of each."""

import torch

from ser_tl.transfer import Domain

CLASSES = 3


def domain(clips, dim=5, *, shift=0.0, labelled=False, seed=0) -> Domain:
    """Normal embeddings, moved by `shift` in every channel."""
    draw = torch.Generator().manual_seed(seed)
    embedding = (torch.randn(clips, dim, generator=draw) + shift).requires_grad_()
    logits = 4 * torch.randn(clips, CLASSES, generator=draw)
    return Domain(embedding, logits, torch.arange(clips) % CLASSES if labelled else None)


def pair(source=12, target=9, dim=5, *, shift=0.0, seed=0) -> tuple[Domain, Domain]:
    """A labelled source around zero and a target around `shift`."""
    return domain(source, dim, labelled=True, seed=seed), domain(target, dim, shift=shift, seed=seed + 100_000)
