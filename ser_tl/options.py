"""The options of the recipes: one dataclass, filled from a YAML file and from flags.

--config FILE, then --encoder ... --train.epochs 5  --parse--> Options, frozen and checked
"""

from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml

from ser_tl.arguments import expand_group
from ser_tl.augment import AugmentConfig
from ser_tl.construction import construct
from ser_tl.corpora import corpus_title
from ser_tl.data.audio import AudioConfig
from ser_tl.data.audio_config import NEW_MODELS
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.splits import ProtocolName, SplitConfig
from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError
from ser_tl.hub import Address
from ser_tl.model import ModelConfig
from ser_tl.old_options import new_name
from ser_tl.parsing import fill, make_parser
from ser_tl.parsing import parse as parse
from ser_tl.parsing import spell as spell
from ser_tl.plugins import import_plugin
from ser_tl.training.parts import build_parts
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.training.parts.dimensions import DimensionConfig
from ser_tl.training.train_config import FINE_TUNING, TrainConfig
from ser_tl.transfer import STRATEGIES, AlignmentConfig, Strategy


@dataclass(frozen=True)
class RunOptions:
    """The options that all recipes have.

    Args:
        seed: random seed
        output: the run's folder; a new one under runs/ if not given
        resume: continue the interrupted run in --output
        imports: modules, or Python files, that register your own parts; `--import MODULE` adds one
        pictures: formats of pictures beside PNG: pdf, svg
        quiet: show no progress bars and no epoch lines, only results, warnings and errors
        log_level: lowest level of libraries' messages to show
    """

    seed: int = 0
    output: Path | None = None
    resume: bool = False
    imports: list[str] = field(default_factory=list)
    pictures: list[Literal["pdf", "svg"]] = field(default_factory=list)
    quiet: bool = False
    log_level: Literal["error", "warning", "info", "debug"] = "warning"

    def __post_init__(self) -> None:
        for name in self.imports:
            import_plugin(name)
        if not 0 <= self.seed < 1 << 32:
            raise ConfigError(f"seed is {self.seed}: expected a whole number from 0 to {(1 << 32) - 1}")

    @property
    def name(self) -> str:
        """What a run is called where --output doesn't say it."""
        return type(self).__name__.lower()

    def as_yaml(self) -> str:
        """The options as a file for `--config`."""
        return yaml.safe_dump(_plain(asdict(self)), sort_keys=False, allow_unicode=True)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same options but for some.

        Args:
            changes: name to value; nested ones with dots, as on the command line ("train.epochs")

        Raises:
            ConfigError: no such option, or a value of another kind
        """
        values = yaml.safe_load(self.as_yaml())
        if changes.get("strategy", values.get("strategy")) != values.get("strategy"):
            values["strategy_options"] = {}  # they were the other strategy's
        for name, value in changes.items():
            *path, last = expand_group(new_name(name), value).split(".")
            path = ["strategy_options" if path == ["strategy"] else key for key in path]
            nested = values
            for key in path:
                nested = nested.get(key) if isinstance(nested, dict) else None
            free = [values.get(name) for name in ("encoder_options", "strategy_options")]  # of any names
            if not isinstance(nested, dict) or (last not in nested and not any(nested is item for item in free)):
                raise ConfigError(f"there is no option {name!r}: `--help` lists them")
            nested[last] = value
        parser = make_parser(type(self), "")
        parser.exit_on_error = False
        try:
            return fill(type(self), parser, parser.parse_object(values))
        except ArgumentError as error:
            raise ConfigError(f"{', '.join(changes)}: {error}") from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - what YAML can say
    """The same with names of files as text."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class Options(RunOptions):
    """The options of fine-tuning recipes; the defaults need neither data nor network.

    Args:
        encoder: pretrained encoder: a name (`ser-tl encoders` lists them), a folder or a hub id; several joined by +
        encoder_options: options of the encoder itself: {taps: [conv4]} of soundnet, {layers: [[1, 2, 3], null]} of
            several encoders, which have a value each of every option
        corpus: a name (`ser-tl corpora` lists them); csv, jsonl, folder and huggingface among others are for your
            own data. Several as 'ravdess:ROOT+emodb:ROOT', or as a list of NAME:ROOT
        root: the corpus' folder, the manifest or a hub id; not needed for a bundled corpus
        strategy: which weights are trained: frozen, partial, progressive, full, lora or ia3
        strategy_options: options of the strategy, each given as --strategy.NAME: --strategy partial --strategy.blocks
            2; --help-all strategy shows those of all strategies
        pooling: from frames to one vector: attention, attentive-stats, stats, mean, max or last
        protocol: how speakers are split: holdout; each speaker in turn (loso); k groups of speakers (kfold); each
            session (sessions); each of several corpora (loco); published folds (folds); or k groups of clips, for
            unknown speakers (clips)
        folds: the published folds, with --protocol folds: EmoBox's folder, or a CSV with the columns id and fold
        push_to_hub: repository for each best epoch so far, and in the end the model with its card: an id on the hub
            (name/repo, created as private) or a folder (file:///teamhub/name/repo). Each fold gets a branch
        purpose: the model's intended use, in a sentence, for its card; a public push requires it
        pretrained: false starts the encoder from random weights, the control that shows what pretraining gives
        skip_unreadable: leave out broken audio, with a note in the report, instead of stopping
        synthetic: the folder of a run of recipes/train_wavegan.py on the same split, or its manifest: additional
            training clips
        columns: names of a manifest's or dataset's columns where they differ from the standard: {emotion: label}
        emotions: how the corpus' emotions become classes
        audio: preprocessing of clips
        augment: augmentation of training clips, anew in each epoch or in fixed views
        split: sizes of train, dev and test parts
        model: the layers between encoder and logits
        train: optimizer, epochs, batches and computing
        balance: class imbalance in training
        labels: labels and targets where several annotators voted, and the emotions of several corpora (`shared`)
        dimensions: arousal, valence and dominance, beside the emotions or alone
        parts: further techniques of training, with their options: {contrastive: {weight: 0.5}}
        final: after the splits, train one more model on all speakers but those of dev; the splits' score is its
            estimate
        dry_run: check everything, print sizes, parameters and estimated minutes, and train nothing
    """

    FIRST: ClassVar[tuple[str, ...]] = (
        *("config", "output", "resume", "seed"),
        *("encoder", "corpus", "root", "columns", "protocol", "folds", "strategy", "pooling"),
        *("final", "dry_run"),
        *("model.layers", "train.epochs", "train.learning_rate", "train.refit", "augment.preset"),
    )
    """The options that `--help` shows; the others stand under `--help-all`."""

    cannot: ClassVar[tuple[str, ...]] = ()
    """Options that a recipe has no use for."""

    encoder: str = "wav2vec2-mini"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    corpus: list[str] | str = "emodb-mini"
    root: Path | None = None
    strategy: str = "partial"
    strategy_options: dict[str, Any] = field(default_factory=dict)
    pooling: str = "attentive-stats"
    protocol: ProtocolName = "holdout"
    folds: Path | None = None
    push_to_hub: str | None = None
    purpose: str = ""
    pretrained: bool = True
    skip_unreadable: bool = False
    synthetic: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    emotions: EmotionMap = field(default_factory=EmotionMap)
    audio: AudioConfig = NEW_MODELS
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    labels: AnnotationConfig = field(default_factory=AnnotationConfig)
    dimensions: DimensionConfig = field(default_factory=DimensionConfig)
    parts: dict[str, Any] = field(default_factory=dict)
    final: bool = False
    dry_run: bool = False

    @property
    def name(self) -> str:
        """Encoder and corpus."""
        return f"{Path(self.encoder).name}_{self.corpus_title}"

    @property
    def corpus_title(self) -> str:
        """The names of the corpora, without their roots."""
        return corpus_title(self.corpus)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.push_to_hub is not None:
            Address.read(self.push_to_hub)  # a wrong address is reported before the training, not after it
        build_parts(self.parts)  # likewise
        self.build_strategy()
        for name in self.cannot:
            if getattr(self, name):
                raise ConfigError(f"{name} is for recipes that train one system on a protocol's splits: leave it out")
        if self.final and self.split.tail < 1:
            raise ConfigError(
                f"final trains on all clips, and split.tail {self.split.tail} leaves some out: give one of the two"
            )

    def build_strategy(self) -> Strategy:
        """The strategy that the options describe, for one training.

        Raises:
            UnknownNameError: there is no such strategy
            ConfigError: it has no such option, or refuses a value
        """
        return construct(STRATEGIES, self.strategy, self.strategy_options, "strategy")


@dataclass(frozen=True)
class FineTuningOptions(Options):
    """The options of recipes that train one system, whose classifier is refitted in closed form where it can be."""

    train: TrainConfig = FINE_TUNING


@dataclass(frozen=True)
class DomainOptions(Options):
    """Further options of recipes with a labelled source and an unlabelled target; `corpus` is the source.

    Args:
        target: the other domain's corpus, by name
        target_root: its folder, manifest or hub id
        target_columns: names of its columns where they differ from the standard
        target_emotions: how its emotions become classes
        target_speakers: speakers of the target domain; all of the target corpus if empty
        alignment: how the two domains are aligned
    """

    cannot: ClassVar[tuple[str, ...]] = ("final",)
    target: str = "emodb-mini"
    target_root: Path | None = None
    target_columns: dict[str, str] = field(default_factory=dict)
    target_emotions: EmotionMap = field(default_factory=EmotionMap)
    target_speakers: list[str] = field(default_factory=list)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        usual = {"protocol": ("holdout", self.protocol), "folds": (None, self.folds)}
        split = SplitConfig()
        for name in ("test", "k", "partial", "shared_speakers", "only"):
            usual[f"split.{name}"] = (getattr(split, name), getattr(self.split, name))
        unread = [name for name, (before, now) in usual.items() if before != now]
        if unread:
            raise ConfigError(
                f"{', '.join(unread)}: the target's speakers are all tested, so there is no protocol here; leave it "
                f"out. Of the split options dev, seed and tail count"
            )
