"""Recipes as commands: found, run with their own options, and written as YAML."""

import subprocess
import sys
from pathlib import Path

import pytest

from ser_tl.cli import COMMANDS, main
from ser_tl.cli.recipes import RECIPES, find_recipe, format_options
from ser_tl.errors import ConfigError
from ser_tl.options import DomainOptions, Options, parse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FOR_DEVELOPERS = {"benchmark_augmentation", "build_emodb_mini", "build_emodb_model"}


def test_every_recipe_for_users_is_a_command():
    files = {path.stem for path in (ROOT / "recipes").glob("*.py")}
    assert files - {file for file, _ in RECIPES.values()} == FOR_DEVELOPERS
    assert not set(RECIPES) & set(COMMANDS)
    assert all(find_recipe(name).is_file() for name in RECIPES)


def test_a_recipe_gets_its_arguments_and_its_name(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ser-tl"])
    with pytest.raises(SystemExit) as ended:
        main(["train", "--train.epochs", "ten"])
    assert ended.value.code == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message == "error: --train.epochs is 'ten': expected a whole number"
    assert hint == "ser-tl train --help lists the options"


def test_an_installation_without_recipes_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("ser_tl.cli.recipes.PACKAGE", tmp_path / "ser_tl")
    with pytest.raises(ConfigError, match=r"finetune_wav2vec2\.py isn't part of this installation"):
        find_recipe("train")
    assert main(["train"]) == 1
    assert "error: ser-tl train" in capsys.readouterr().err


def test_an_installation_that_only_predicts_says_so(monkeypatch, capsys):
    for name in ("parsing", "options", "program"):
        monkeypatch.delitem(sys.modules, f"ser_tl.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert main(["train"]) == 1
    assert "error: ser-tl train: the package yaml isn't installed" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [Options, DomainOptions])
def test_the_file_that_init_prints_is_the_defaults(kind, tmp_path):
    file = tmp_path / "options.yaml"
    text = "\n".join(format_options(kind, "train")) + "\n"
    file.write_text(text, encoding="utf-8")
    assert parse(kind, "", ["--config", str(file)]) == kind()
    assert "  # passes over the training speech" in text
    assert max(len(line) for line in text.splitlines() if "#" in line) <= 110


def test_init_knows_the_options_of_a_recipe(capsys):
    assert main(["init", "align"]) == 0
    text = capsys.readouterr().out
    assert "target_root: null" in text
    assert text.startswith("# ser-tl align --config THIS_FILE")


def test_help_comes_without_torch():
    program = """
import sys
from ser_tl.cli import main
try:
    main(["--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "False"
