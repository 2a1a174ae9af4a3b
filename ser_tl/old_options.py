"""Options that were spelt otherwise in the last version: read once more, with a line that names the new spelling.

    {"unfreeze": 2, "transfer": {"join": "plateau"}} -> {"strategy_options": {"blocks": 2, "trigger": "plateau"}}
    --transfer.adapter.rank 8 -> --strategy.rank 8

To be deleted with the next version.
"""

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "unfreeze": "blocks",
    "transfer.layer_decay": "layer_decay",
    "transfer.l2sp": "l2sp",
    "transfer.join": "trigger",
    "transfer.every": "every",
    "transfer.join_warmup": "warmup",
    **{
        f"transfer.adapter.{name}": name
        for name in ("rank", "alpha", "dropout", "dora", "rslora", "targets", "blocks", "learning_rate")
    },
}
"""Old names to names among the strategy's options."""

_DEFAULTS: dict[str, Any] = {
    "unfreeze": None,
    "transfer.layer_decay": 1.0,
    "transfer.l2sp": 0.0,
    "transfer.join": "epochs",
    "transfer.every": 1,
    "transfer.join_warmup": 1.0,
    "transfer.adapter.rank": 8,
    "transfer.adapter.alpha": 16.0,
    "transfer.adapter.dropout": 0.0,
    "transfer.adapter.dora": False,
    "transfer.adapter.rslora": False,
    "transfer.adapter.targets": None,
    "transfer.adapter.blocks": None,
    "transfer.adapter.learning_rate": 1e-3,
}


def new_name(name: str) -> str:
    """How an option is spelt now, with dots and without dashes."""
    return f"strategy.{RENAMED[name]}" if name in RENAMED else name


def translate(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options of a file in today's spelling.

    Args:
        options: of a config.yaml or preset; a run's has every option, so those with the old default are left out

    Returns:
        The options, and a line on those that are spelt otherwise now; none where all were of today.
    """
    old = {"unfreeze", "transfer"} & set(options)
    if not old:
        return dict(options), []
    options_left = {name: value for name, value in options.items() if name not in old}
    flat = _flatten({name: options[name] for name in old})
    given = {name: value for name, value in flat.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}
    unknown = {name: value for name, value in given.items() if name not in RENAMED}
    if given:
        renamed = {RENAMED[name]: value for name, value in given.items() if name in RENAMED}
        options_left["strategy_options"] = renamed | dict(options_left.get("strategy_options") or {}) | unknown
    return options_left, [respelt(name) for name in given if name in RENAMED]


def respelt(name: str) -> str:
    """The line that says how an option is spelt now."""
    return f"--{name} is spelt --{new_name(name)} now; the next version won't read the old spelling"


def _flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
