"""The systems of a comparison on one corpus: which of them its data can serve, known before any is trained.

    corpus, {system: options of its runs} --split_systems--> {system: splits of its runs}, a note for each of the others

One system that asks for votes, annotations or clips that aren't there would else end hours of others' training.
"""

from collections.abc import Mapping, Sequence

from datasets import Dataset

from ser_tl.data.schema import emotions
from ser_tl.data.splits import Split, make_splits
from ser_tl.data.votes import soft_targets
from ser_tl.errors import ConfigError, SerTlError, listing
from ser_tl.generate import add_synthetic
from ser_tl.options import Options
from ser_tl.training.compatibility import check_split


def split_systems(
    corpus: Dataset, systems: Mapping[str, Sequence[Options]]
) -> tuple[dict[str, list[list[Split]]], list[str]]:
    """The splits of the systems of a comparison, those that the data can't serve found before any is trained.

    Args:
        corpus: what all are compared on
        systems: name to the options of its runs, one a seed

    Returns:
        Name to the splits of its runs, of the systems that can be trained; and a note for each of the others.

    Raises:
        ConfigError: no system can be trained
    """
    splits, refused = {}, {}
    for name, runs in systems.items():
        try:
            splits[name] = [_served_splits(corpus, options) for options in runs]
        except SerTlError as error:
            refused[name] = str(error)
    if not splits:
        lines = listing(f"{name}: {reason}" for name, reason in refused.items())
        raise ConfigError(f"the data can serve none of the {len(refused)} systems\n{lines}")
    return splits, [f"{name} wasn't trained: {reason}" for name, reason in refused.items()]


def _served_splits(corpus: Dataset, options: Options) -> list[Split]:
    splits = make_splits(corpus, options.protocol, options.split, folds=options.folds, seed=options.seed)
    splits = add_synthetic(splits, options.synthetic)
    for split in splits:
        check_split(split, options.model.statistics, options.train, options.dimensions.names)
        soft_targets(split.train, emotions(corpus), options.labels)
    return splits
