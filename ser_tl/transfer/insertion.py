"""Where adapters go in an encoder of each family, and putting them there.

    model, AdapterConfig --places--> layers of each block --planned--> Adapters --insert--> layers that hold adapters

peft puts a layer that holds the chosen one in its place: the tree of modules, and so an encoder's blocks, stay. What is
adapted has to be called as a module by its encoder: WavLM's own attention takes bare weights out of its projections, so
that adapters there would never learn (`ser_tl.encoders.masked` has one that doesn't). `Adapters` is plain data, enough
to insert the same again. Knows nothing of training or files.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

from peft import IA3Config, LoraConfig, inject_adapter_in_model
from torch import nn
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from ser_tl.encoders import Block, Encoder
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.model.peft_state import adapted_layers
from ser_tl.transfer.adapter_config import AdapterConfig

Kind = Literal["lora", "ia3"]


class Places(NamedTuple):
    """The layers of a family that get adapters, by their names or the names of what holds them.

    Attributes:
        lora: those whose weights LoRA changes
        scaled: those whose output IA3 scales, keys and values (Liu et al. 2022)
        feed_forward: the second layer of the feed-forward part, whose input IA3 scales; LoRA's place where the
            attention can have none
        convolutions: whether adapters may go into convolutions, which transformers' families look into
    """

    lora: tuple[str, ...]
    scaled: tuple[str, ...] = ()
    feed_forward: tuple[str, ...] = ()
    convolutions: bool = False


_SPEECH_SSL = ("wav2vec2", "hubert", "wavlm", "unispeech-sat", "data2vec-audio")
# Of LoRA's places in attention, queries and values are the best use of few parameters (Hu et al. 2021, section 7.1).
PLACES = {
    **dict.fromkeys(_SPEECH_SSL, Places(("q_proj", "v_proj"), ("k_proj", "v_proj"), ("output_dense",))),
    "whisper": Places(("q_proj", "v_proj"), ("k_proj", "v_proj"), ("fc2",)),
    "soundnet": Places(("conv",), convolutions=True),
    "vggish": Places(("features", "embeddings"), convolutions=True),
}
"""By family; computed features have none."""

# The options of peft's configs that are set here: what a record of adapters has to hold.
_OPTIONS = {
    "lora": ("r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora"),
    "ia3": ("feedforward_modules",),
}


@dataclass(frozen=True)
class Adapters:
    """What adapters an encoder has, as JSON would hold it.

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
        config: Any = vars(encoder)["peft_config"]["default"]  # where peft leaves it
        kind: Kind = "lora" if isinstance(config, LoraConfig) else "ia3"
        options = {name: getattr(config, name) for name in _OPTIONS[kind]}
        plain = {name: sorted(value) if isinstance(value, set) else value for name, value in options.items()}
        return cls(kind, modules, plain)

    def insert(self, encoder: Encoder) -> None:
        """Puts them into an encoder that has none. Its own weights are frozen by that, and stay what they are."""
        config = LoraConfig if self.kind == "lora" else IA3Config
        inject_adapter_in_model(config(target_modules=self.modules, **self.options), encoder)


class Site(NamedTuple):
    """A layer that adapters could go into."""

    name: str
    module: nn.Module
    family: str
    linear: bool


def planned(model: EmotionModel, kind: Kind, config: AdapterConfig) -> Adapters:
    """The adapters that the options ask for.

    Raises:
        ConfigError: the encoder has no place for them, or not where the options say
    """
    chosen = {site.name for _, sites in places(model, kind, config) for site in sites}
    sites = [
        site for site in _sites(model.encoder) if site.name in chosen
    ]  # a fused encoder's blocks are in another order
    modules = [site.name for site in sites]
    if kind == "ia3":
        inputs = [site.name for site in sites if _is_any(site, PLACES[site.family].feed_forward)]
        return Adapters(kind, modules, {"feedforward_modules": sorted(inputs)})
    options = {"r": config.rank, "lora_alpha": config.alpha, "lora_dropout": config.dropout}
    return Adapters(kind, modules, options | {"use_dora": config.dora, "use_rslora": config.rslora})


def places(model: EmotionModel, kind: Kind, config: AdapterConfig) -> list[tuple[Block, list[Site]]]:
    """The blocks that get adapters, input side first, with the layers that do.

    Only blocks that reach the head do: an adapter above the highest layer in use would never get a gradient.

    Raises:
        ConfigError: the encoder has no place for them, or not where the options say
    """
    sites = [site for site in _sites(model.encoder) if _takes(site, kind)]
    found, names = [], set()
    for block in model.trainable_blocks():
        inside = {id(module) for module in block.modules.modules()}
        own = [site for site in sites if id(site.module) in inside]
        names.update(part for site in own for part in site.name.split(".") if not part.isdigit())
        chosen = [site for site in own if _is_any(site, config.targets or _usual(site, kind, own))]
        if chosen:
            found.append((block, chosen))
    unknown = [target for target in config.targets or [] if not names.issuperset(target.split("."))]
    if names and unknown:
        raise ConfigError(
            f"transfer.adapter.targets: this encoder has no {', '.join(unknown)} that could have adapters and "
            f"reaches the head; name some of {', '.join(sorted(names))}"
        )
    if not found:
        families = [name for name, own in PLACES.items() if (own.lora if kind == "lora" else own.scaled)]
        raise ConfigError(
            f"--strategy {kind}: an encoder of family {model.encoder.family!r} has no place for adapters of this kind, "
            f"{', '.join(families)} have: use --strategy frozen, or partial or full if it has weights"
        )
    if config.blocks is not None and config.blocks > len(found):
        raise ConfigError(
            f"transfer.adapter.blocks is {config.blocks}: the encoder has {len(found)} blocks that can have adapters "
            f"and reach the head ({', '.join(block.name for block, _ in found)}); null takes all of them"
        )
    return found if config.blocks is None else found[-config.blocks :]


def _sites(encoder: Encoder) -> Iterator[Site]:
    """Linear layers and convolutions, those that have adapters among them, but not the adapters' own."""
    adapted = adapted_layers(encoder)
    parts = {path: part for path, part in encoder.named_modules() if isinstance(part, Encoder)}  # of a fused one, too
    closed = [*adapted, *(name for name, module in encoder.named_modules() if type(module) is WavLMAttention)]
    for name, module in encoder.named_modules():
        layer = adapted[name].get_base_layer() if name in adapted else module
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d) and not any(
            name.startswith(f"{one}.") for one in closed
        ):
            holder = max((path for path in parts if not path or name.startswith(f"{path}.")), key=len)
            yield Site(name, module, parts[holder].family, isinstance(layer, nn.Linear))


def _takes(site: Site, kind: Kind) -> bool:
    own = PLACES.get(site.family)
    if own is None or (kind == "ia3" and not own.scaled):
        return False
    return site.linear or (kind == "lora" and own.convolutions)


def _usual(site: Site, kind: Kind, beside: list[Site]) -> tuple[str, ...]:
    """The names that get adapters in a block with these layers."""
    own = PLACES[site.family]
    if kind == "ia3":
        return own.scaled + own.feed_forward
    return own.lora if any(_is_any(other, own.lora) for other in beside) else own.feed_forward


def _is_any(site: Site, targets: Iterable[str]) -> bool:
    """Whether a layer is called, or lies in what is called, one of these."""
    return any(f".{target}." in f".{site.name}." for target in targets)
