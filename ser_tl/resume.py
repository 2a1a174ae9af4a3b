"""What a run that is resumed is compared with: its own config.yaml and split.json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ser_tl.errors import ConfigError, listing

CONFIG_FILE = "config.yaml"
SPLIT_FILE = "split.json"

CHANGEABLE = ("train.epochs", "train.workers", "train.threads", "train.save_every", "train.cache_gib", "train.tracker")
"""What every resumed training may have other values of: how fast it runs, how long, and what it writes meanwhile."""


ANYTIME = ("resume", "output", "push_to_hub", "final", "dry_run", "pictures", "quiet", "log_level")
"""Likewise, of every resumed run."""


def read_ids(path: Path) -> object:
    """What split.json says.

    Raises:
        ConfigError: it is damaged
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is damaged ({error}): if data and options are those of the run, delete it, and `resume` writes it "
            f"anew"
        ) from error


def check_same(config: Path, now: dict[str, Any], changeable: Sequence[str]) -> None:
    """Refuses to resume a run with other options than it began with.

    Args:
        config: the run's config.yaml
        now: options, as in a file for `config`
        changeable: those that may have other values; nested ones with dots

    Raises:
        ConfigError: some have, the file is damaged, or folds have ended with another number of epochs
    """
    free = [*ANYTIME, *changeable]
    saved = _read_config(config)
    before, after = (_flat(_without(options, free)) for options in (saved, now))
    # What an earlier version didn't have yet, and is left out now as well.
    after = {name: value for name, value in after.items() if name in before or value not in ({}, [], None)}
    other = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if other:
        values = listing(f"{name}: {before.get(name)} then, {after.get(name)} now" for name in other)
        raise ConfigError(
            f"resume: {config} was run with other values of {', '.join(other)}: go on with `config` {config}, "
            f"`resume` and no other options but {', '.join(free[1:])}, or start a new run\n{values}"
        )
    epochs = [_flat(options).get("train.epochs") for options in (saved, now)]
    ended = [path.parent for path in config.parent.rglob("report.json")]
    if epochs[0] != epochs[1] and ended:
        raise ConfigError(
            f"resume: {config} was run with train.epochs {epochs[0]}, and {ended[0]} has ended with them: its state "
            f"is gone, and folds of other lengths can't be put together. Start a new run with train.epochs "
            f"{epochs[1]}"
        )


def _read_config(config: Path) -> dict[str, Any]:
    try:
        saved = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{config} can't be read ({error}): start a new run") from error
    if not isinstance(saved, dict):
        raise ConfigError(f"{config} is damaged: expected are a run's options, found {saved!r}. Start a new run")
    return saved


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by their names on the command line."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {f"{prefix}{name}": value}
    return flat


def _without(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Options but for some, whose names have dots where they are nested."""
    inner = {
        name: [nested.removeprefix(f"{name}.") for nested in names if nested.startswith(f"{name}.")]
        for name, value in options.items()
        if isinstance(value, dict)
    }
    return {
        name: _without(value, inner[name]) if name in inner else value
        for name, value in options.items()
        if name not in names
    }


def is_begun(folder: Path) -> bool:
    """Whether anything was trained in a folder: a run that stopped at a wrong option leaves only these three."""
    names = {path.name for path in folder.iterdir() if path.suffix != ".part"} if folder.is_dir() else set()
    return bool(names - {CONFIG_FILE, SPLIT_FILE, "curves"})
