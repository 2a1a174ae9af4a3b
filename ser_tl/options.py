"""The options of the recipes: one dataclass, filled from a YAML file and from flags.

    --config FILE, then --encoder ... --train.epochs 5  --parse()--> Options, frozen and checked

jsonargparse does the work; an unknown option is an error and `--help` lists all. Dashes and underscores are alike
(`--skip-unreadable`), and a switch needs no value.
"""

import shutil
import sys
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import yaml
from jsonargparse import Namespace

from ser_tl.arguments import Parser, option_names, spell_options
from ser_tl.augment import AugmentConfig
from ser_tl.data.audio import AudioConfig
from ser_tl.data.audio_config import NEW_MODELS
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.splits import ProtocolName, SplitConfig
from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError, SerTlError
from ser_tl.hub import Address
from ser_tl.model import ModelConfig
from ser_tl.plugins import import_plugin
from ser_tl.runtime.launcher import launch_command
from ser_tl.terminal import escape_unprintable, set_log_level, set_quiet, silence_output
from ser_tl.training.checks import check_machine
from ser_tl.training.config import TrainConfig
from ser_tl.training.parts import build_parts
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.training.parts.dimensions import DimensionConfig
from ser_tl.transfer.config import AlignmentConfig, TransferConfig


@dataclass(frozen=True)
class RunOptions:
    """The options that all recipes have.

    Args:
        seed: of everything random
        output: the run's folder; a new one under runs/ if not given
        resume: go on with the interrupted run in --output
        imports: modules, or Python files, that register your own parts; `--import MODULE` adds one
        pictures: formats in which each picture is written beside PNG: pdf, svg
        quiet: show no bars and no line an epoch; results, warnings and errors all the same
        log_level: from which level on the libraries' own messages are shown
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
        for name, value in changes.items():
            *path, last = name.split(".")
            nested = values
            for key in path:
                nested = nested.get(key) if isinstance(nested, dict) else None
            if not isinstance(nested, dict) or (last not in nested and nested is not values.get("encoder_options")):
                raise ConfigError(f"there is no option {name!r}: `--help` lists them")
            nested[last] = value
        parser = make_parser(type(self), "")
        parser.exit_on_error = False
        try:
            return _filled(type(self), parser, parser.parse_object(values))
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
            several encoders
        corpus: a name (`ser-tl corpora` lists them); csv, jsonl, folder and huggingface among others are for your
            own data
        root: the corpus' folder, the manifest or a hub id; not needed for a bundled corpus
        strategy: which weights are trained: frozen, partial, progressive, full, lora or ia3
        unfreeze: how many of the encoder's top blocks are trained, with --strategy partial and, in the end, progressive
        pooling: from frames to one vector: attention, attentive-stats, stats, mean, max or last
        protocol: who is tested on: holdout, each speaker (loso), k groups of speakers (kfold), each session, published
            folds, or, where speakers are unknown, k groups of clips, which reports mark (clips)
        folds: the published folds, with --protocol folds: EmoBox's folder, or a CSV with the columns id and fold
        push_to_hub: where the model goes: each best epoch as it is found, and in the end the model with its card; an id
            on the hub (name/repo, made private if it is new) or a folder that is the hub (file:///teamhub/name/repo).
            Several folds have a branch each
        purpose: what the model is for, in a sentence: every card has to state it, and a public push refuses one without
        pretrained: false starts the encoder from random weights, the control that shows what pretraining gives
        skip_unreadable: leave broken audio out, and say so in the report, instead of stopping
        synthetic: the folder of a run of recipes/train_wavegan.py on the same split, or its manifest: additional
            training clips
        columns: which column of a manifest or dataset holds what, where the names don't say it: {emotion: label}
        emotions: how the corpus' emotions become classes
        audio: what happens to a clip before the encoder
        augment: what happens to training clips besides, anew in each epoch or in fixed views
        split: how many speakers go where
        model: the layers between encoder and logits
        transfer: learning rates, the unfreezing schedule, and adapters
        train: how training goes
        balance: what is done about classes of different sizes, in training
        labels: whose labels count, where several annotators voted
        dimensions: which of arousal, valence and dominance are learned beside the emotions, or alone
        parts: techniques of training beside the usual ones, with their options: {contrastive: {weight: 0.5}}
        final: train one more model on the speakers of all parts but dev, after the splits; their score is its estimate
        dry_run: check everything, print sizes, parameters and estimated minutes, and train nothing
    """

    cannot: ClassVar[tuple[str, ...]] = ()
    """Options that a recipe has no use for."""

    encoder: str = "wav2vec2-mini"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    corpus: str = "emodb-mini"
    root: Path | None = None
    strategy: str = "partial"
    unfreeze: int | None = None
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
    transfer: TransferConfig = field(default_factory=TransferConfig)
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
        return f"{Path(self.encoder).name}_{self.corpus}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.push_to_hub is not None:
            Address.read(self.push_to_hub)  # a wrong address is reported before the training, not after it
        build_parts(self.parts)  # likewise
        for name in self.cannot:
            if getattr(self, name):
                raise ConfigError(f"{name} is for recipes that train one system on a protocol's splits: leave it out")
        if self.final and self.split.tail < 1:
            raise ConfigError(
                f"final trains on all clips, and split.tail {self.split.tail} leaves some out: give one of the two"
            )


@dataclass(frozen=True)
class DomainOptions(Options):
    """Further options of recipes with a labelled source and an unlabelled target; `corpus` is the source.

    Args:
        target: the other domain's corpus, by name
        target_root: its folder, manifest or hub id
        target_columns: which of its columns holds what
        target_emotions: how its emotions become classes
        target_speakers: whose clips are the target, and not the source; all of the target corpus if empty
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


STARTED: list[tuple[Path, bool]] = []
"""The folders of the runs that this process started, and whether it made up their names."""

FIRST = [
    *("config", "output", "resume", "seed"),
    *(
        "encoder",
        "corpus",
        "root",
        "columns",
        "protocol",
        "folds",
        "strategy",
        "unfreeze",
        "pooling",
        "final",
        "dry_run",
    ),
    *("model.layers", "train.epochs", "train.learning_rate", "train.refit", "augment.preset"),
]
"""The options of a training that `--help` shows; the others stand under `--help-all`."""

SomeOptions = TypeVar("SomeOptions", bound=RunOptions)


def parse(kind: type[SomeOptions], description: str, arguments: Sequence[str] | None = None) -> SomeOptions:
    """The options of a command line. Ends the program with status 2 and a message if they are wrong.

    Args:
        kind: the recipe's options
        description: what the recipe does, for `--help`
        arguments: what to parse; the program's own arguments if None
    """
    parser = make_parser(kind, description)
    try:
        return _filled(kind, parser, parser.parse_args(spell(kind, sys.argv[1:] if arguments is None else arguments)))
    except SerTlError as error:
        parser.error(str(error))
    except UnicodeDecodeError as error:
        parser.error(f"--config: the file is no text in UTF-8 ({error}), expected is YAML: a run's config.yaml")


def make_parser(kind: type[RunOptions], description: str) -> Parser:
    """The parser of a recipe's options.

    Args:
        kind: the options
        description: what the recipe does; its first paragraph stands in `--help`
    """
    parser = Parser(description=description.strip().partition("\n\n")[0])
    parser.add_argument("--config", action="config", help="YAML file of options; flags after it win over it")
    parser.add_argument("--import", type=str, default=None, help="a module, or a Python file, with your own parts")
    parser.add_class_arguments(kind)
    if issubclass(kind, Options):
        extra = {item.name for item in fields(kind) if not is_dataclass(item.type)} - {
            item.name for item in fields(Options)
        }
        parser.show_first([*FIRST, *extra])
    return parser


def _filled(kind: type[SomeOptions], parser: Parser, parsed: Namespace) -> SomeOptions:
    values = parser.instantiate(parsed)
    return kind(**{item.name: values[item.name] for item in fields(kind)})


def spell(kind: type[RunOptions], arguments: Sequence[str]) -> list[str]:
    """Arguments as jsonargparse spells them: underscores in names, and `true` after a bare switch."""
    switches = _switches(kind, "--")
    spelt: list[str] = []
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            spelt.append(argument)
            continue
        name = "--" + name[2:].replace("-", "_")
        name = "--imports+" if name == "--import" else name
        spelt.append(name + equals + value)
        following = arguments[index + 1] if index + 1 < len(arguments) else "--"
        if name in switches and not equals and following.startswith("--"):
            spelt.append("true")
    return spelt


def _switches(kind: Any, prefix: str) -> set[str]:  # noqa: ANN401 - any dataclass
    """The flags that need no value, those of nested options too."""
    nested = [_switches(item.type, f"{prefix}{item.name}.") for item in fields(kind) if is_dataclass(item.type)]
    return {f"{prefix}{item.name}" for item in fields(kind) if item.type is bool}.union(*nested)


def run_main(main: Any, kind: type[RunOptions], description: str) -> None:  # noqa: ANN401
    """What stands under `if __name__ == "__main__"` in a recipe: parse, run, and turn ser_tl's errors into messages.

    What the machine can't do is refused before any audio is read. Ctrl-C, and a reader of the output that ends before
    the recipe does, end it with a line that says how to go on.
    """
    escape_unprintable()
    STARTED.clear()
    try:
        options = parse(kind, description)
        set_quiet(options.quiet)
        set_log_level(options.log_level)
        if isinstance(options, Options):
            check_machine(options.train, cached=options.strategy in ("frozen", "partial"))
        main(options)
        sys.stdout.flush()
    except SerTlError as error:
        _remove_unused()
        sys.exit(f"error: {spell_options(str(error), option_names(make_parser(kind, description)))}")
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted{_way_on()}\n")
        sys.exit(130)  # 128 and the number of the signal, as shells have it
    except BrokenPipeError:
        silence_output()
        sys.stderr.write(f"nobody reads the output any more: stopped{_way_on()}\n")
        sys.exit(141)


def _way_on() -> str:
    """How the last run goes on, where one was started."""
    return f"; to go on:\n    {launch_command()} --config {STARTED[0][0] / 'config.yaml'} --resume" if STARTED else ""


def _remove_unused() -> None:
    """Deletes folders whose names nobody gave, of runs that were refused before anything was trained."""
    for folder, dated in STARTED:
        files = [path for path in folder.rglob("*") if path.is_file()]
        if dated and all(path.name in ("config.yaml", "split.json") or "curves" in path.parts for path in files):
            shutil.rmtree(folder, ignore_errors=True)
