"""Structured pruning of a model's encoder: real smaller weights, in the encoder's own architecture.

    model --keep_layers(n)--> the n lowest transformer layers; exact, as long as the model uses no state above them
    model, activity --narrow_feed_forwards(share)--> every feed-forward network of the same smaller width

A feed-forward network's second layer is fitted anew by least squares, so that the channels that are left make the
output that all of them made, as well as they can (He et al. 2017, eq. 3, for convolutions). Heads of attention stay:
taking two of six cost more here than half of the feed-forward networks and saves less (docs/compression.md).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ser_tl.compress.activity import Activity
from ser_tl.compress.importance import IMPORTANCES
from ser_tl.encoders import Encoder
from ser_tl.errors import ConfigError, listing
from ser_tl.model import EmotionModel
from ser_tl.model.peft_state import merged_state

STEP = 8
"""Widths are multiples of it: vectors of processors are that wide."""

_RIDGE = 1e-3  # of the mean variance of a channel
_REFITTED = ("standardise_states.", "standardise_embedding.", "head.", "outliers.")


def check_prunable(model: EmotionModel) -> None:
    """Refuses a model that can't be pruned.

    Raises:
        ConfigError: with the reason and the way out
    """
    if not model.encoder.feed_forwards:
        raise ConfigError(
            f"the encoder {model.encoder.family} has no transformer layers that could be pruned: ser-tl export "
            f"--quantize int8 makes the model smaller, or distil it into a smaller one"
        )
    if not model.labels or model.dimensions:
        raise ConfigError(
            f"the model predicts {', '.join(model.dimensions)}, and only a classifier of emotions is fitted anew in "
            f"closed form: train a smaller model instead (model.layers)"
        )
    if model.config.statistics != "training":
        raise ConfigError(
            f"model.statistics is {model.config.statistics}: statistics of each {model.config.statistics} are no part "
            f"of the model, so that its classifier can't be fitted anew: train with model.statistics training"
        )


def keep_layers(model: EmotionModel, layers: int) -> EmotionModel:
    """The model on the lowest transformer layers alone.

    States that the model uses and that are left stay what they were; if none is, it uses the last one that is.

    Args:
        model: stays as it is; adapters are folded into the copy
        layers: how many are left; those that the model doesn't use are never left

    Returns:
        A copy. Its classifier has to be fitted anew if the model uses a layer that is gone.

    Raises:
        ConfigError: there aren't so many layers, or something trained depends on how many the model uses
    """
    encoder = model.encoder
    total = len(encoder.feed_forwards)
    if not 1 <= layers <= total:
        raise ConfigError(f"layers is {layers}: the encoder has {total} transformer layers, so 1 to {total} can stay")
    first = total - (encoder.num_states - 1)  # layers below the lowest state
    layers = max(1, min(layers, max(model.layers) + first))
    chosen = [state for state in model.layers if state <= layers - first] or [layers - first]
    width = encoder.feed_forwards[0].expand.out_features
    state = _encoder_state(model)
    small = type(encoder).from_config(encoder.shrunken_config(layers, width))
    small.load_state_dict({name: state[name] for name in small.state_dict()})
    return _with_encoder(model, small, chosen)


def narrow_feed_forwards(
    model: EmotionModel, share: float, activity: Sequence[Activity], importance: str = "fluctuation"
) -> EmotionModel:
    """The model with narrower feed-forward networks, all of one width.

    Args:
        model: stays as it is; adapters are folded into the copy
        share: of the inner channels that stay, above 0 and up to 1
        activity: of each network
        importance: a name of `IMPORTANCES`

    Returns:
        A copy, whose classifier should be fitted anew.

    Raises:
        ConfigError: a share that leaves none, or more than there are
        EncoderError: the encoder's states hold the inner channels
    """
    networks = model.encoder.feed_forwards
    width = networks[0].expand.out_features
    count = inner_width(width, share)
    score, state = IMPORTANCES[importance], _encoder_state(model)
    names = {module: name for name, module in model.encoder.named_modules()}
    channels, contracts = [], []
    for network, layer in zip(networks, activity, strict=True):
        weight, bias = (state[f"{names[network.contract]}.{part}"] for part in ("weight", "bias"))
        channels.append(score(layer, weight).topk(count).indices.sort().values)
        contracts.append(refit_contraction(weight, bias, layer, channels[-1]))
    return cut_channels(model, channels, contracts)


def inner_width(width: int, share: float) -> int:
    """How many inner channels a share of them is, in whole steps.

    Raises:
        ConfigError: none, or more than there are
    """
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"ffn is {share:g}: expected the share of inner channels that stay, above 0 and up to 1")
    return min(width, max(STEP, STEP * round(share * width / STEP)))


def refit_contraction(weight: Tensor, bias: Tensor, activity: Activity, channels: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (D, K) and bias (D,) by which K channels make what all made, at the least mean squared error.

    Args:
        weight: (D, F) of all channels
        bias: (D,)
        activity: of the channels
        channels: (K,) indices of those that stay
    """
    covariance, whole = activity.covariance, weight.double()
    inside = covariance[channels][:, channels]
    ridge = _RIDGE * inside.diagonal().mean().clamp_min(1e-12) * torch.eye(len(channels), dtype=torch.float64)
    # The ridge draws to the weights that there are, so that channels that hardly move keep theirs.
    right = (covariance[channels] @ whole.T) + ridge @ whole[:, channels].T
    fitted = torch.linalg.solve(inside + ridge, right).T
    mean = activity.mean
    return fitted.float(), (bias.double() + whole @ mean - fitted @ mean[channels]).float()


def cut_channels(
    model: EmotionModel, channels: Sequence[Tensor], contracts: Sequence[tuple[Tensor, Tensor]] | None = None
) -> EmotionModel:
    """The model with some inner channels of each feed-forward network.

    Args:
        model: stays as it is
        channels: indices of the channels that stay, as many in each network
        contracts: weight and bias of each network's second layer; those that there are if None
    """
    encoder, state = model.encoder, _encoder_state(model)
    names = {module: name for name, module in encoder.named_modules()}
    for number, (network, chosen) in enumerate(zip(encoder.feed_forwards, channels, strict=True)):
        expand, contract = names[network.expand], names[network.contract]
        for part in ("weight", "bias"):
            state[f"{expand}.{part}"] = state[f"{expand}.{part}"][chosen]
        cut = (state[f"{contract}.weight"][:, chosen], state[f"{contract}.bias"])
        state[f"{contract}.weight"], state[f"{contract}.bias"] = cut if contracts is None else contracts[number]
    small = type(encoder).from_config(encoder.shrunken_config(len(encoder.feed_forwards), len(channels[0])))
    small.load_state_dict(state)
    return _with_encoder(model, small, model.layers)


def _encoder_state(model: EmotionModel) -> dict[str, Tensor]:
    """The encoder's weights on the CPU, adapters folded in."""
    prefix = "encoder."
    state = merged_state(model).items()
    return {name.removeprefix(prefix): tensor.detach().cpu() for name, tensor in state if name.startswith(prefix)}


def _with_encoder(model: EmotionModel, encoder: Encoder, layers: list[int]) -> EmotionModel:
    """The model on another encoder, of which it uses some layers."""
    description = model.description
    description["encoder"]["config"] = encoder.config
    description["activation_ranges"] = {}  # of other layers
    description["model"]["layers"] = None if layers == list(range(encoder.num_states)) else layers
    small = EmotionModel.from_description(description, Path("the model's own description"), encoder)
    if small.embedding_dim != model.embedding_dim:
        small.calibration = small.outliers = None
    old, new = model.state_dict(), small.state_dict()
    there = set(layers) <= set(model.layers)
    picked = [model.layers.index(layer) for layer in layers] if there else []
    lost = []
    for name, tensor in new.items():
        if name.startswith("encoder."):
            continue
        before = old.get(name)
        if before is not None and name in ("standardise_states.mean", "standardise_states.deviation", "mix.scores"):
            before = before[picked] if picked else None
        if before is not None and before.shape == tensor.shape:
            tensor.copy_(before)
        elif not name.startswith((*_REFITTED, "mix.")):
            lost.append(name)
    if lost:
        raise ConfigError(
            f"the model sets {len(model.layers)} layers of states side by side, and these trained weights need as many "
            f"as there were: prune widths alone (`ffn`), or train with fewer layers (model.layers)\n{listing(lost)}"
        )
    small.known_speakers = model.known_speakers
    return small.eval()


def parameter_bytes(module: nn.Module) -> int:
    """Bytes of all that a module saves, in float32."""
    return 4 * sum(tensor.numel() for tensor in module.state_dict().values())
