"""How far fine-tuning moved an encoder.

    encoder before, encoder after --weight_change()--> {block: |after - before| / |before|}

Relative, so that large blocks don't look restless. It says how far weights went, and not whether that helped.
"""

from torch import nn

from ser_tl.encoders import Block, Encoder
from ser_tl.errors import ConfigError


def weight_change(before: Encoder, after: Encoder) -> dict[str, float]:
    """The relative distance of each block, L2 norms over all of its weights, input side first.

    Args:
        before: as it was pretrained
        after: the same architecture, fine-tuned

    Raises:
        ConfigError: two architectures
    """
    distances = {}
    shapes = [
        {f"{block.name}, {name}": weight.shape for block in encoder.blocks() for name, weight in _weights(block)}
        for encoder in (before, after)
    ]
    if shapes[0] != shapes[1]:
        other = sorted(name for name in {*shapes[0], *shapes[1]} if shapes[0].get(name) != shapes[1].get(name))
        raise ConfigError(
            f"{len(other)} weights differ in name or shape, {other[0]} for example: compare an encoder with the one it "
            f"was fine-tuned from, adapters merged"
        )
    for block, now in zip(before.blocks(), after.blocks(), strict=True):
        pairs = zip(_weights(block), _weights(now), strict=True)
        moved = size = 0.0
        for (_, old), (_, new) in pairs:
            moved += float((new.detach().cpu() - old.detach().cpu()).double().square().sum())
            size += float(old.detach().double().square().sum())
        distances[block.name] = (moved / size) ** 0.5 if size else 0.0
    return distances


def _weights(block: Block) -> list[tuple[str, nn.Parameter]]:
    return list(block.modules.named_parameters())
