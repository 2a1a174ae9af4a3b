"""Options from a file and from flags, and what is said when they are wrong."""

import re
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import pytest
import yaml

from ser_tl.augment import AugmentConfig
from ser_tl.data.audio import AudioConfig
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.splits import SplitConfig
from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError, CorpusError
from ser_tl.model import ModelConfig
from ser_tl.options import Options, parse, spell
from ser_tl.program import run_main
from ser_tl.resume import check_same
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.training.parts.dimensions import DimensionConfig
from ser_tl.training.train_config import TrainConfig
from ser_tl.transfer import STRATEGIES, Lora, Progressive

pytestmark = pytest.mark.slow


def options(*arguments, kind=Options):
    return parse(kind, "Tries options.", arguments)


@pytest.fixture
def told(capsys):
    """The message that wrong arguments end the program with."""

    def tell(*arguments):
        with pytest.raises(SystemExit) as ended:
            options(*arguments)
        assert ended.value.code == 2
        return capsys.readouterr().err.split("error: ")[-1]

    return tell


@pytest.fixture
def config(tmp_path):
    def write(content):
        path = tmp_path / "config.yaml"
        path.write_text(content, encoding="utf-8")
        return str(path)

    return write


def test_without_arguments_the_defaults_need_neither_data_nor_network():
    assert options() == Options()
    assert (options().corpus, options().root, options().encoder) == ("emodb-mini", None, "wav2vec2-mini")


def test_flags_reach_every_depth():
    found = options(
        *(
            "--encoder",
            "hubert",
            "--root",
            "/data/my corpus",
            "--seed=7",
            "--strategy.blocks",
            "3",
            "--protocol",
            "loso",
        ),
        *("--train.epochs", "3", "--train.learning_rate", "2e-4", "--train.precision", "bf16"),
        *("--audio.normalise", "rms", "--split.k", "4", "--model.layers", "[1, -1]", "--model.join", "sum"),
        *("--emotions.merge", "{happiness: [excitement]}", "--emotions.drop", "[calm]", "--emotions.rename", '{"N":a}'),
    )
    assert (found.encoder, found.root, found.seed) == ("hubert", Path("/data/my corpus"), 7)
    assert (found.strategy, found.strategy_options) == ("partial", {"blocks": 3})
    assert (found.train.epochs, found.train.learning_rate, found.train.precision) == (3, 2e-4, "bf16")
    assert (found.audio.normalise, found.split.k, found.model.layers, found.model.join) == ("rms", 4, [1, -1], "sum")
    assert found.emotions.merge == {"happiness": ["excitement"]}
    assert (found.emotions.drop, found.emotions.rename) == (["calm"], {"N": "a"})
    assert found.train.batch_seconds == Options().train.batch_seconds


def test_flags_win_over_the_file_and_the_file_over_the_defaults(config):
    path = config("encoder: wavlm\ntrain:\n  epochs: 3\n  clip: 0.5\nemotions:\n  drop: [calm]\n")
    found = options("--config", path, "--train.epochs", "9")
    assert (found.encoder, found.train.epochs, found.train.clip) == ("wavlm", 9, 0.5)
    assert found.emotions.drop == ["calm"]
    assert found.train.patience == Options().train.patience


@pytest.mark.parametrize(
    ("arguments", "spelt"),
    [
        (["--skip-unreadable"], ["--skip_unreadable", "true"]),
        (["--skip_unreadable", "--seed", "3"], ["--skip_unreadable", "true", "--seed", "3"]),
        (["--skip-unreadable", "false"], ["--skip_unreadable", "false"]),
        (["--skip-unreadable=false"], ["--skip_unreadable=false"]),
        (["--train.batch-seconds", "20"], ["--train.batch_seconds", "20"]),
        (["--strategy.dora", "--resume"], ["--resume", "true", "--strategy_options.dora=true"]),
        (
            ["--strategy.blocks", "3", "--strategy", "lora"],
            ["--strategy_options", "{}", "--strategy", "lora", "--strategy_options.blocks=3"],
        ),
        (["--split.partial"], ["--split.partial", "true"]),
        (["--corpus", "emodb-mini", "--encoder=a-b/c-d"], ["--corpus", "emodb-mini", "--encoder=a-b/c-d"]),
        (["--root", "a-b", "-h"], ["--root", "a-b", "-h"]),
    ],
)
def test_dashes_are_underscores_in_names_only_and_switches_need_no_value(arguments, spelt):
    assert spell(Options, arguments) == spelt


def test_switches_are_switched():
    found = options("--skip-unreadable", "--split.partial", "--pretrained", "false", "--split.shared-speakers=false")
    assert (found.skip_unreadable, found.split.partial, found.resume) == (True, True, False)
    assert (found.pretrained, found.split.shared_speakers) == (False, False)


def test_an_unknown_option_is_named(told, config):
    assert "there is no option --no_such" in told("--no-such", "1")
    assert "--train.epoch_s" in told("--train.epoch_s", "1")
    assert "stray: nothing was expected there" in told("stray")
    assert "epoch" in told("--config", config("train:\n  epoch: 3\n"))
    assert "nowhere.yaml" in told("--config", "nowhere.yaml")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("protocol", "losso", "expected one of holdout, loso, kfold, sessions, loco, folds, clips: did you mean loso?"),
        ("train.epochs", "many", "many"),
        ("train.epochs", "-1", "train.epochs is -1: expected 0 or more"),
        ("split.test", "1.2", "split.test is 1.2: expected a share between 0 and 1"),
        ("emotions.merge", "{a: [calm], b: [calm]}", "puts calm into two classes: name each emotion once"),
        ("seed", "4294967296", "seed is 4294967296: expected a whole number"),
        ("skip_unreadable", "maybe", "maybe"),
        *[
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (
                ("train.epochs", "1.5", "1.5"),
                ("train.learning_rate", "0", "train.learning_rate is 0.0: expected more than 0"),
                ("train.warmup", "1", "train.warmup is 1.0: expected a share from 0 to below 1"),
                ("split.k", "1", "split.k is 1: expected at least 2 folds"),
                ("audio.max_seconds", "0.01", "audio.max_seconds is 0.01: clips need at least 0.1 s"),
                ("seed", "-1", "seed is -1: expected a whole number from 0 to 4294967295"),
            )
        ],
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(told, config, name, value, message):
    assert message in told(f"--{name}", value)
    first, *rest = reversed(name.split("."))
    assert message in told("--config", config(f"{rest[0]}:\n  {first}: {value}\n" if rest else f"{first}: {value}\n"))


CHANGED = Options(
    imports=["json"],
    pictures=["svg"],
    quiet=True,
    log_level="error",
    final=True,
    dry_run=True,
    parts={"contrastive": {"weight": 0.3}},
    encoder="facebook/wav2vec2-base",
    encoder_options={"taps": ["conv4"]},
    corpus="csv",
    root=Path("/data/my corpus"),
    columns={"emotion": "label"},
    strategy="full",
    strategy_options={"layer_decay": 0.8},
    pooling="mean",
    protocol="folds",
    folds=Path("folds.csv"),
    seed=5,
    output=Path("runs/zweiter Lauf, größer"),
    push_to_hub="file:///teamhub/mine/tones@trial",
    purpose="Research on tones.",
    resume=True,
    pretrained=False,
    skip_unreadable=True,
    synthetic=Path("runs/gan"),
    emotions=EmotionMap({"Ärger": "anger", "no": "calm", "1": "fear"}, {"low": ["calm", "no"]}, ["fear"]),
    audio=AudioConfig("rms", 5.5, "centre"),
    augment=AugmentConfig("ser", {"speed": {"factor": [0.95, 1.05]}, "babble": {}, "pitch": None}),
    split=SplitConfig(0.1, 0.3, 4, True, only=["fold_2"]),
    model=ModelConfig(layers=[0, -1], join="sum", dropout=0.1),
    train=TrainConfig(learning_rate=1e-5, schedule="plateau", tracker="none"),
    balance=BalanceConfig("effective", 0.99, {"fear": 2.0}, focal=2.0, sampling="over"),
    labels=AnnotationConfig("majority", "first", "votes"),
    dimensions=DimensionConfig(["valence", "arousal"], "mse", 0.25),
)
"""Nothing here is as the defaults have it."""


@pytest.mark.parametrize("given", [Options(), CHANGED])
def test_what_is_written_is_read_back_equal(config, given):
    found = options("--config", config(given.as_yaml()))
    assert found == given
    assert found.as_yaml() == given.as_yaml()


def test_the_changed_options_are_changed_throughout():
    names = [item.name for item in fields(Options)]
    assert [name for name in names if getattr(CHANGED, name) == getattr(Options(), name)] == []


def test_the_yaml_is_plain_and_has_every_option():
    content = yaml.safe_load(Options(root=Path("/data")).as_yaml())
    assert list(content) == [item.name for item in fields(Options)]
    assert content["root"] == "/data"
    assert content["train"]["precision"] == "no"


@dataclass(frozen=True)
class Wider(Options):
    """Options of a recipe with one more.

    Args:
        twice: a switch
    """

    twice: bool = False


def test_a_recipe_may_add_options():
    found = options("--twice", "--seed", "2", kind=Wider)
    assert type(found) is Wider
    assert (found.twice, found.seed) == (True, 2)


def test_augmentation_is_named_with_its_options(told):
    found = options(
        "--augment.preset", "ser", "--augment.transforms", "{speed: {}, noise: {snr: [0, 10]}, pitch: null}"
    )
    chosen = {"stretch": {"probability": 0.3}, "noise": {"probability": 0.5, "snr": [0, 10]}, "speed": {}}
    assert found.augment.transform_options == chosen
    assert list(found.augment.transform_options) == list(chosen)
    changed = found.changed({"augment.preset": "none", "augment.transforms": {"gain": {}}})
    assert list(changed.augment.transform_options) == ["gain"]
    assert "there is no transform called 'sped': did you mean 'speed'" in told("--augment.transforms", "{sped: {}}")
    assert "noise: no option 'snrs': did you mean 'snr'" in told("--augment.transforms", "{noise: {snrs: 3}}")


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as ended:
        options("--help-all")
    assert ended.value.code == 0
    page = capsys.readouterr().out
    nested = [item for item in fields(Options) if is_dataclass(item.type)]
    names = [item.name for item in fields(Options)] + [
        f"{one.name}.{two.name}" for one in nested for two in fields(one.type)
    ]
    assert [name for name in names if f"--{name} " not in page] == []
    assert "random seed" in page


def test_errors_of_ours_become_messages_and_others_keep_their_trace(monkeypatch):
    monkeypatch.setattr("sys.argv", ["recipe", "--seed", "3"])
    seen = []
    run_main(seen.append, Options, "A recipe.")
    assert seen == [Options(seed=3)]

    def fails(error):
        def main(_):
            raise error

        run_main(main, Options, "A recipe.")

    with pytest.raises(SystemExit, match=r"^error: no corpus there$"):
        fails(CorpusError("no corpus there"))
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError())


def test_options_made_in_python_are_checked_too():
    with pytest.raises(ConfigError, match="seed is -5"):
        Options(seed=-5)


def test_labels_that_yaml_reads_as_numbers_are_text():
    read = options("--emotions.rename", "{0: angry, 1: Happy}", "--emotions.merge", "{happy: [exc]}").emotions
    assert (read.rename, read.merge) == ({"0": "anger", "1": "happiness"}, {"happiness": ["excitement"]})
    assert options().changed({"emotions.rename": {0: "angry"}}).emotions.rename == {"0": "anger"}


def test_options_can_be_changed_by_dotted_names_and_are_checked_again():
    changed = Options().changed({"encoder": "mfcc", "model.network": "bilstm", "train.epochs": 3})
    assert (changed.encoder, changed.model.network, changed.train.epochs) == ("mfcc", "bilstm", 3)
    assert changed.train.learning_rate == Options().train.learning_rate
    assert Options().changed({"encoder_options.taps": ["conv4"]}).encoder_options == {"taps": ["conv4"]}
    assert CHANGED.changed({}) == CHANGED


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"encodr": "mfcc"}, "no option 'encodr'"),
        ({"train.epoch": 3}, "no option 'train.epoch'"),
        ({"encoder.name": 3}, "no option 'encoder.name'"),
        ({"train.epochs": "many"}, "train.epochs: "),
        ({"train.epochs": -1}, "expected 0 or more"),
    ],
)
def test_changes_that_are_no_options_are_refused(changes, found):
    with pytest.raises(ConfigError, match=found):
        Options().changed(changes)


def test_help_shows_twenty_options_at_most(capsys):
    with pytest.raises(SystemExit):
        parse(Options, "what it does", ["--help"])
    text = capsys.readouterr().out
    assert 15 <= len(re.findall(r"^  --", text, re.M)) <= 20
    assert "--help-all, or one of their groups: emotions, audio" in text
    with pytest.raises(SystemExit):
        parse(Options, "what it does", ["--help-all", "train"])
    assert "--train.batch_seconds" in capsys.readouterr().out


def test_a_strategy_has_its_own_options_and_no_others(told):
    def built(*arguments):
        return options(*arguments).build_strategy()

    lora = built("--strategy", "lora", "--strategy.rank", "16", "--strategy.dora", "--strategy.targets", "[q_proj]")
    assert isinstance(lora, Lora)
    assert (lora.rank, lora.dora, lora.targets, lora.alpha) == (16, True, ["q_proj"], Lora().alpha)
    progressive = built("--strategy.every=2", "--strategy.trigger", "plateau", "--strategy", "progressive")
    assert isinstance(progressive, Progressive)
    assert (progressive.every, progressive.trigger, progressive.blocks) == (2, "plateau", None)

    message = told("--strategy", "lora", "--strategy.rnk", "4")
    assert "no option --strategy.rnk: did you mean --strategy.rank? --strategy is lora: it has rank, alpha" in message
    message = told("--strategy", "frozen", "--strategy.blocks", "2")
    assert "no option --strategy.blocks (an option of" in message
    assert "partial, progressive" in message
    assert "--strategy is frozen: it has no options" in message
    assert "--strategy.rank is 'many': expected a whole number" in told("--strategy", "lora", "--strategy.rank", "many")
    assert "strategy.blocks is 0: expected 1 or more" in told("--strategy.blocks", "0")
    assert "no strategy called 'partal': did you mean 'partial'" in told("--strategy", "partal")
    with pytest.raises(ConfigError, match=r"no option --strategy.alpha"):
        Options(strategy="ia3", strategy_options={"alpha": 2.0})


@pytest.mark.exhaustive
def test_another_strategy_does_not_inherit_options(config):
    path = config("strategy: partial\nstrategy_options: {blocks: 3, layer_decay: 0.5}\n")
    assert options("--config", path).strategy_options == {"blocks": 3, "layer_decay": 0.5}
    assert options("--config", path, "--strategy", "partial", "--strategy.blocks", "1").strategy_options == {
        "blocks": 1,
        "layer_decay": 0.5,
    }
    assert options("--config", path, "--strategy", "lora").strategy_options == {}
    assert options("--config", path, "--config", config("strategy: full\n")).strategy_options == {}
    given = options("--config", config("strategy: partial\nstrategy_options: {blocks: 3}\n"))
    assert given.changed({"strategy": "lora"}).strategy_options == {}
    assert given.changed({"strategy": "lora", "strategy.rank": 4}).strategy_options == {"rank": 4}
    assert given.changed({"strategy.layer_decay": 0.5}).strategy_options == {"blocks": 3, "layer_decay": 0.5}


def test_the_last_versions_spellings_are_read_and_the_new_ones_named(config, capsys):
    found = options("--strategy", "lora", "--transfer.adapter.rank=4", "--transfer.adapter.dora")
    assert (found.strategy, found.strategy_options) == ("lora", {"rank": 4, "dora": True})
    said = capsys.readouterr().err.splitlines()
    assert said[0] == (
        "--transfer.adapter.rank is spelt --strategy.rank now; the next version won't read the old spelling"
    )
    assert len(said) == 2
    # A run's config.yaml has all options; those with the default of then belong to nobody.
    adapter = "{rank: 8, alpha: 16.0, dropout: 0.0, dora: false, rslora: false, targets: null, blocks: null}"
    path = config(
        "strategy: progressive\nunfreeze: 3\n"
        f"transfer: {{layer_decay: 1.0, l2sp: 0.0, join: plateau, every: 1, join_warmup: 2.0, adapter: {adapter}}}\n"
    )
    assert options("--config", path).strategy_options == {"blocks": 3, "trigger": "plateau", "warmup": 2.0}
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert f"{path}: --unfreeze is spelt --strategy.blocks now" in "\n".join(said)
    assert Options().changed({"transfer.layer_decay": 0.5}).strategy_options == {"layer_decay": 0.5}


def test_help_tells_the_options_of_all_strategies(capsys):
    with pytest.raises(SystemExit):
        options("--help-all", "strategy")
    page = capsys.readouterr().out
    for name in STRATEGIES:
        assert f"--strategy {name} " in page
    for option in ("rank", "blocks", "trigger", "l2sp"):
        assert f"--strategy.{option} " in page
    assert "==SUPPRESS==" not in page


def test_a_run_of_the_last_version_goes_on(tmp_path):
    now = yaml.safe_load(Options(strategy_options={"blocks": 3}, output=tmp_path).as_yaml())
    old = {name: value for name, value in now.items() if name != "strategy_options"}
    transfer = {"layer_decay": 1.0, "l2sp": 0.0, "join": "epochs", "every": 1, "join_warmup": 1.0}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(old | {"unfreeze": 3, "transfer": transfer}))
    check_same(config, now, [])
    config.write_text(yaml.safe_dump(old | {"unfreeze": 2, "transfer": transfer}))
    with pytest.raises(ConfigError, match=r"other values of strategy_options.blocks"):
        check_same(config, now, [])
