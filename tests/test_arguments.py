"""Usage errors: what is wrong, what was expected, which option may have been meant; in two lines."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from jsonargparse import ArgumentError

from ser_tl.arguments import Parser, option_names, spell_options


@dataclass
class Train:
    """Training.

    Args:
        epochs: how many
        learning_rate: of the head
        batch_seconds: audio in a batch
        precision: of numbers
        layers: which
    """

    epochs: int = 1
    learning_rate: float = 0.1
    batch_seconds: float = 30.0
    precision: Literal["no", "bf16"] = "no"
    layers: list[int] | None = None


@dataclass
class Options:
    """Options.

    Args:
        corpus: a name
        root: its folder
        names: several
        skip: or not
        train: how
    """

    corpus: str = "emodb"
    root: Path | None = None
    names: list[str] = field(default_factory=list)
    skip: bool = False
    train: Train = field(default_factory=Train)


def refused(capsys, *arguments):
    parser = Parser(prog="recipe.py")
    parser.add_class_arguments(Options)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(list(arguments))
    assert caught.value.code == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert hint == "recipe.py --help lists the options"
    return message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train.epochs", "ten"], "error: --train.epochs is 'ten': expected a whole number"),
        (["--train.epochs=1.5"], "error: --train.epochs is '1.5': expected a whole number"),
        (["--train.learning_rate", "fast"], "error: --train.learning_rate is 'fast': expected a number"),
        (["--train.precision", "fp8"], "error: --train.precision is 'fp8': expected one of no, bf16"),
        (
            ["--train.precision", "bf61"],
            "error: --train.precision is 'bf61': expected one of no, bf16: did you mean bf16?",
        ),
        (["--train.layers", "x"], "error: --train.layers is 'x': expected a whole number or null"),
    ],
)
def test_values_of_another_kind(arguments, message, capsys):
    assert refused(capsys, *arguments) == message


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("--epochs", "--train.epochs"),
        ("--train.epoch", "--train.epochs"),
        ("--lr", "--train.learning_rate"),
        ("--train.lr", "--train.learning_rate"),
        ("--batch_size", "--train.batch_seconds"),
        ("--train.batch-size", "--train.batch_seconds"),
        ("--dataset", "--corpus"),
        ("--copus", "--corpus"),
        ("--precison", "--train.precision"),
    ],
)
@pytest.mark.parametrize("joined", [True, False])
def test_options_that_do_not_exist(wrong, meant, joined, capsys):
    arguments = [f"{wrong}=5"] if joined else [wrong, "5"]
    assert refused(capsys, *arguments) == f"error: there is no option {wrong}: did you mean {meant}?"


def test_nothing_is_suggested_where_nothing_is_near(capsys):
    assert refused(capsys, "--zzz", "1") == "error: there is no option --zzz"


def test_a_near_value_is_suggested(capsys):
    message = refused(capsys, "--train.precision", "bf61")
    assert message.endswith("is 'bf61': expected one of no, bf16: did you mean bf16?")


def test_stray_words(capsys):
    assert "stray: nothing was expected there" in refused(capsys, "stray")


def test_subcommands_speak_for_themselves(capsys):
    whole, inner = Parser(prog="ser-tl"), Parser()
    commands = whole.add_subcommands(dest="command")
    inner.add_argument("--format", type=str)
    commands.add_subcommand("predict", inner)
    with pytest.raises(SystemExit):
        whole.parse_args(["predict", "--fromat", "csv"])
    message, hint = capsys.readouterr().err.splitlines()
    assert message == "error: there is no option --fromat: did you mean --format?"
    assert hint == "ser-tl predict --help lists the options"


def test_a_parser_that_does_not_end_the_program_raises():
    parser = Parser(exit_on_error=False)
    parser.add_class_arguments(Options)
    with pytest.raises(ArgumentError, match="Expected a"):
        parser.parse_args(["--train.epochs", "ten"])


def helped(capsys, *arguments):
    parser = Parser(prog="recipe.py")
    parser.add_class_arguments(Options)
    parser.show_first(["corpus", "train.epochs"])
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(list(arguments))
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_help_shows_what_is_needed_first_and_names_the_rest(capsys):
    text = helped(capsys, "--help")
    assert "--corpus" in text
    assert "--train.epochs" in text
    assert "--root" not in text
    assert "--train.precision" not in text
    assert text.endswith("more options: --help-all, or one of their groups: train\n")


def test_all_options_are_a_flag_away(capsys):
    text = helped(capsys, "--help_all")
    assert "--root" in text
    assert "--train.precision {no,bf16}" in text


def test_a_group_is_shown_alone(capsys):
    text = helped(capsys, "--help_all", "train")
    assert "--train.precision {no,bf16}" in text
    assert "--corpus" not in text


@pytest.mark.parametrize(
    ("message", "spelt"),
    [
        ("lower train.epochs (train.layers)", "lower --train.epochs (--train.layers)"),
        ("train.epochs is 0: expected 1 or more", "--train.epochs is 0: expected 1 or more"),
        ("`corpus` csv needs `root`; a `word` stays", "--corpus csv needs --root; a `word` stays"),
        ("corpus emodb: no such folder", "--corpus emodb: no such folder"),
        ("the corpus has no names, and root is empty", "the corpus has no names, and root is empty"),
        ("model.train.epochs, train.epochs.x, 'train.epochs' and train.json", None),
        ("use --train.epochs 3", None),
    ],
)
def test_arguments_that_the_library_names_are_written_as_flags(message, spelt):
    parser = Parser(prog="recipe.py")
    parser.add_class_arguments(Options)
    assert spell_options(message, option_names(parser)) == (spelt or message)


@pytest.mark.parametrize(
    ("given", "names", "layers"),
    [
        (["--names", "calm", "--train.layers", "3"], ["calm"], [3]),
        (["--names=calm,bored", "--train.layers=1,2"], ["calm", "bored"], [1, 2]),
        (["--names", "[calm]", "--train.layers", "null"], ["calm"], None),
    ],
)
def test_one_word_stands_for_a_list_of_one(given, names, layers):
    parser = Parser()
    parser.add_class_arguments(Options)
    parsed = parser.parse_args(given)
    assert parsed.names == names
    assert parsed.train.layers == layers


def test_one_word_stands_for_a_list_in_subcommands_too():
    parser, command = Parser(), Parser()
    command.add_argument("--names", type=list[str])
    parser.add_subcommands(dest="command").add_subcommand("go", command)
    assert parser.parse_args(["go", "--names", "calm"]).go.names == ["calm"]
