"""Checks before anything is encoded: parts and options that don't fit a model, or each other."""

from collections.abc import Sequence

from datasets import Dataset
from torch import nn

from ser_tl.cache.cache_folder import CacheFolder
from ser_tl.data import schema
from ser_tl.data.dimensions import check_annotated
from ser_tl.data.split import Split
from ser_tl.errors import ConfigError
from ser_tl.inference.evaluation import check_labels, check_real
from ser_tl.inference.speaker_norm import check_norms
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import assign_groups
from ser_tl.runtime.launcher import check_launcher
from ser_tl.runtime.processes import check_tracker
from ser_tl.training.train_config import RefitName, TrainConfig
from ser_tl.transfer import Strategy


def check_machine(config: TrainConfig, *, cached: bool) -> None:
    """Refuses what this machine, or the launcher, rules out: before audio is read, rather than after.

    Args:
        config: of the training
        cached: whether features are going to be kept in the cache, if `config` wants it

    Raises:
        ConfigError: a tracker that isn't installed, or the launcher asks for something else than the options
        StorageError: the feature cache can't be written to
    """
    check_launcher(config)
    check_tracker(config.tracker)
    if config.cache and cached:
        CacheFolder().check_usable()


def check_parts(model: EmotionModel, train: Dataset, dev: Dataset, unlabelled: Dataset | None, processes: int) -> None:
    """Refuses parts that a model can't be trained on.

    Args:
        model: with its labels and dimensions
        train: the training part
        dev: the part that its epoch is chosen on
        unlabelled: clips of another domain, if any
        processes: each of which needs a clip

    Raises:
        ConfigError: emotions and labels don't meet, annotations are missing, or there are too few clips, also of a
            domain that is normalised by its own statistics
        SplitError: synthetic clips are in dev
    """
    check_real(dev, "dev")
    if model.stitching is not None:
        raise ConfigError(
            "this model encodes clips in pieces, for streams (`ser-tl stitch`), and isn't trained further: train the "
            "model that it was made of, and stitch that"
        )
    if schema.SYNTHETIC in train["speaker"][:] and model.config.statistics != "training":
        raise ConfigError(
            f"model.statistics is {model.config.statistics}, but a synthetic clip is of no speaker and no corpus, and "
            f"has no statistics of its own: choose model.statistics training, or leave `synthetic` out"
        )
    for part, corpus in (("training", train), ("dev", dev)):
        check_labels(corpus, model.labels)
        check_annotated(corpus, model.dimensions, part)
    statistics = model.config.statistics
    if statistics != "training":
        corpora = [train] if unlabelled is None else [train, unlabelled]
        for names in ([name for corpus in corpora for name in corpus[statistics][:]], dev[statistics][:]):
            check_norms(statistics, names)
    unseen = sorted(set(model.labels) - set(schema.emotions(train)))
    if unseen:
        raise ConfigError(
            f"the model has the labels {', '.join(unseen)}, of which there is no training utterance: build it with "
            f"the training part's emotions, or drop them with emotions.drop"
        )
    for name, corpus in (("training", train), ("unlabelled", unlabelled)):
        if corpus is not None and len(corpus) < processes:
            raise ConfigError(f"{len(corpus)} {name} utterances can't feed {processes} processes")


def check_split(split: Split, statistics: str, config: TrainConfig, dimensions: Sequence[str]) -> None:
    """Refuses options that need other clips than a split has, before a model is loaded or anything trained.

    Args:
        split: its parts
        statistics: `ModelConfig.statistics`
        config: whether there is a refit
        dimensions: to learn

    Raises:
        ConfigError: a domain with too few clips for its own statistics, speakers that can't be held out in turn, or
            annotations that are missing
    """
    for part in (split.train, split.dev, split.test) if statistics != "training" else ():
        check_norms(statistics, part[statistics][:])
    check_refit(config, schema.real_rows(split.train), split.dev)
    for name, part in (("training", split.train), ("dev", split.dev)):
        check_annotated(part, list(dimensions), name)


def check_refit(config: TrainConfig, train: Dataset, dev: Dataset) -> None:
    """Refuses a refit for which speakers can't be held out in turn.

    Args:
        config: whether there is one
        train: real speech that is trained on
        dev: which the refit uses too

    Raises:
        ConfigError: there is one speaker, or a group of speakers has all clips of an emotion
    """
    optional = config.refit == "auto" and config.epochs > 0
    if config.refit != "none" and not optional:
        assign_groups([*train["speaker"][:], *dev["speaker"][:]], [*train["emotion"][:], *dev["emotion"][:]])


def choose_refit(
    config: TrainConfig, labels: Sequence[str], train: Dataset, dev: Dataset, voided: Sequence[str]
) -> tuple[RefitName, str]:
    """The refit of a training, and in a sentence why `auto` is none; empty where it isn't.

    Args:
        config: with the option
        labels: of the model; none where it learns dimensions alone
        train: real speech that is trained on
        dev: which the refit uses too
        voided: options that were given and whose effect a refit would replace
    """
    if config.refit != "auto" or not config.epochs:  # without epochs nothing but a refit fits the classifier
        return "discriminant" if config.refit == "auto" else config.refit, ""
    try:
        if not labels:
            raise ConfigError("no emotions are learned")
        if voided:
            raise ConfigError(f"{', '.join(voided)} would lose its effect")
        assign_groups([*train["speaker"][:], *dev["speaker"][:]], [*train["emotion"][:], *dev["emotion"][:]])
    except ConfigError as reason:
        return "none", f"The classifier is the one trained by gradients, which train.refit auto kept: {reason}."
    return "discriminant", ""


def check_closed_form(model: EmotionModel, config: TrainConfig) -> None:
    """Refuses zero epochs where some weights would stay random.

    Raises:
        ConfigError: with the way out
    """
    if config.epochs:
        return
    parts: list[tuple[str, nn.Module | None]] = [
        ("model's network", model.network),
        (f"pooling ({model.pooling_name})", model.pooling),
        ("projection", model.project),
        ("fusion", model.fuse),
    ]
    random = [name for name, part in parts if part is not None and any(True for _ in part.parameters())]
    random += ["head of dimensions"] if model.dimensions else []
    if config.refit == "none":
        why = "train.refit is none, so that nothing fits the classifier: choose train.refit discriminant"
    elif random:
        why = f"the {random[0]} has weights that nothing would train: choose `pooling` stats, mean or max without it"
    else:
        return
    raise ConfigError(f"train.epochs is 0, but {why}, or train for an epoch or more")


def check_shardable(config: TrainConfig, strategy: Strategy, processes: int) -> None:
    """Refuses what can't be trained sharded, if `train.shard` asks for it.

    Raises:
        ConfigError: there is one process, or an option needs whole weights in the steps
    """
    if not config.shard:
        return
    if processes < 2:
        raise ConfigError(
            "train.shard distributes a model over processes, and there is one: start several (torchrun --standalone "
            "--nproc_per_node 2 recipes/..., with GPUs accelerate launch --config_file recipes/accelerate/sharded.yaml "
            "recipes/...), or leave train.shard out"
        )
    if config.precision == "fp16":
        raise ConfigError(
            "train.precision is fp16, whose loss scaling is not done for a sharded model: choose bf16 or no with "
            "train.shard true"
        )
    if config.compile:
        raise ConfigError("train.compile isn't done for a sharded model: leave it or train.shard out")
    if strategy.needs_whole_weights:
        raise ConfigError(
            "strategy.l2sp compares whole weights with the pretrained ones, and with train.shard true no process "
            "has them: leave one of the two out"
        )
