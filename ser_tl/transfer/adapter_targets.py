"""The layers of an encoder that get adapters, and their insertion.

    model, names --find_targets--> layers of each block --plan_adapters--> Adapters --insert--> adapted layers

An encoder declares its layers for adapters (`Encoder.adapter_targets`). peft replaces the chosen layer by one that
contains it: the tree of modules, and so an encoder's blocks, stay. `Adapters` is plain data, enough to insert the same
again. Independent of training, files and families.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

from torch import nn

from ser_tl.encoders import FAMILIES, AdapterTargets, Block, Encoder
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.model.peft_state import adapted_layers

Kind = Literal["lora", "ia3"]


# The options of peft's configs that are set here: what a record of adapters has to hold.
_OPTIONS = {
    "lora": ("r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora"),
    "ia3": ("feedforward_modules",),
}


@dataclass(frozen=True)
class Adapters:
    """The adapters of an encoder, in JSON's types.

    Args:
        kind: lora or ia3
        modules: names of the encoder's layers that have one, in its order
        options: of peft's config class
    """

    kind: Kind
    modules: list[str]
    options: dict[str, Any]

    @classmethod
    def of(cls, encoder: Encoder) -> Self | None:
        """Those that are in the encoder; None where there are none."""
        modules = list(adapted_layers(encoder))
        if not modules:
            return None
        from peft import LoraConfig

        config: Any = vars(encoder)["peft_config"]["default"]  # where peft leaves it
        kind: Kind = "lora" if isinstance(config, LoraConfig) else "ia3"
        options = {name: getattr(config, name) for name in _OPTIONS[kind]}
        plain = {name: sorted(value) if isinstance(value, set) else value for name, value in options.items()}
        return cls(kind, modules, plain)

    def insert(self, encoder: Encoder) -> None:
        """Puts them into an encoder that has none. Its own weights are frozen by that, and stay what they are."""
        from peft import IA3Config, LoraConfig, inject_adapter_in_model  # seconds that other trainings spare

        config = LoraConfig if self.kind == "lora" else IA3Config
        # peft asks for a model's config several times a layer, and an encoder's is written anew each time. What it gets
        # here is the encoder's parts in a module without one.
        parts = nn.Module()
        parts._modules, parts._parameters = encoder._modules, encoder._parameters
        inject_adapter_in_model(config(target_modules=self.modules, **self.options), parts)
        vars(encoder)["peft_config"] = vars(parts)["peft_config"]


class Site(NamedTuple):
    """A layer that adapters could go into."""

    name: str
    module: nn.Module
    targets: AdapterTargets
    linear: bool


def plan_adapters(
    model: EmotionModel,
    kind: Kind,
    names: Sequence[str] | None = None,
    count: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Adapters:
    """The adapters for a model.

    Args:
        model: whose encoder
        kind: lora or ia3
        names: as of `find_targets`
        count: as of `find_targets`
        options: of peft's config class

    Raises:
        ConfigError: the encoder has no place for them, or not where the names say
    """
    chosen = {site.name for _, sites in find_targets(model, kind, names, count) for site in sites}
    sites = [
        site for site in _find_sites(model.encoder) if site.name in chosen
    ]  # a fused encoder's blocks are reordered
    modules = [site.name for site in sites]
    if kind == "ia3":
        inputs = [site.name for site in sites if _is_any(site, site.targets.feed_forward)]
        return Adapters(kind, modules, {"feedforward_modules": sorted(inputs), **(options or {})})
    return Adapters(kind, modules, dict(options or {}))


def find_targets(
    model: EmotionModel, kind: Kind, names: Sequence[str] | None = None, count: int | None = None
) -> list[tuple[Block, list[Site]]]:
    """The blocks that get adapters, input side first, with the layers that do.

    Only blocks that reach the head do: an adapter above the highest layer in use would never get a gradient.

    Args:
        model: whose encoder
        kind: lora or ia3
        names: of layers, or of what holds them; the encoder's usual ones if None
        count: so many of the top blocks; all if None

    Raises:
        ConfigError: the encoder has no place for them, or not where the names say
    """
    sites = [site for site in _find_sites(model.encoder) if _takes(site, kind)]
    targets, name_parts = [], set()
    for block in model.trainable_blocks():
        inside = {id(module) for module in block.modules.modules()}
        block_sites = [site for site in sites if id(site.module) in inside]
        name_parts.update(part for site in block_sites for part in site.name.split(".") if not part.isdigit())
        chosen = [site for site in block_sites if _is_any(site, names or _choose_usual(site, kind, block_sites))]
        if chosen:
            targets.append((block, chosen))
    unknown = [name for name in names or [] if not name_parts.issuperset(name.split("."))]
    if name_parts and unknown:
        raise ConfigError(
            f"strategy.targets: this encoder has no {', '.join(unknown)} that could have adapters and "
            f"reaches the head; name some of {', '.join(sorted(name_parts))}"
        )
    if not targets:
        raise ConfigError(
            f"strategy {kind}: an encoder of family {model.encoder.family!r} has no place for adapters of this kind, "
            f"{', '.join(_list_families(kind))} have: use `strategy` frozen, or partial or full if it has weights"
        )
    if count is not None and count > len(targets):
        raise ConfigError(
            f"strategy.blocks is {count}: the encoder has {len(targets)} blocks that can have adapters "
            f"and reach the head ({', '.join(block.name for block, _ in targets)}); null takes all of them"
        )
    return targets if count is None else targets[-count:]


def _list_families(kind: Kind) -> list[str]:
    """The families that take adapters of a kind, for messages."""
    targets = {name: family.adapter_targets for name, family in FAMILIES.items()}
    return [
        name
        for name, family_targets in targets.items()
        if family_targets is not None and (family_targets.lora if kind == "lora" else family_targets.scaled)
    ]


def _find_sites(encoder: Encoder) -> Iterator[Site]:
    """Linear layers and convolutions, those that have adapters among them, but not the adapters' own."""
    adapted = adapted_layers(encoder)
    parts = {path: part for path, part in encoder.named_modules() if isinstance(part, Encoder)}  # of a fused one, too
    closed = list(adapted)
    for path, part in parts.items():
        kinds = () if part.adapter_targets is None else part.adapter_targets.closed
        closed += [f"{path}.{name}".lstrip(".") for name, module in part.named_modules() if type(module) in kinds]
    for name, module in encoder.named_modules():
        layer = adapted[name].get_base_layer() if name in adapted else module
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d) and not any(
            name.startswith(f"{path_of_closed}.") for path_of_closed in closed
        ):
            holder = max((path for path in parts if not path or name.startswith(f"{path}.")), key=len)
            targets = parts[holder].adapter_targets
            if targets is not None:
                yield Site(name, module, targets, isinstance(layer, nn.Linear))


def _takes(site: Site, kind: Kind) -> bool:
    if kind == "ia3" and not site.targets.scaled:
        return False
    return site.linear or (kind == "lora" and site.targets.convolutions)


def _choose_usual(site: Site, kind: Kind, beside: list[Site]) -> tuple[str, ...]:
    """The names that get adapters in a block with these layers."""
    targets = site.targets
    if kind == "ia3":
        return targets.scaled + targets.feed_forward
    return targets.lora if any(_is_any(other, targets.lora) for other in beside) else targets.feed_forward


def _is_any(site: Site, targets: Iterable[str]) -> bool:
    """Whether a layer is called, or lies in what is called, one of these."""
    return any(f".{target}." in f".{site.name}." for target in targets)
