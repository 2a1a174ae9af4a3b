"""Recipes as commands: found, run with their own options, and written as YAML."""

import os
import subprocess
import sys
import time
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from ser_tl.cli import COMMANDS, main
from ser_tl.cli.help_cache import _digest_sources
from ser_tl.cli.recipes import RECIPES, find_recipe, format_options
from ser_tl.errors import ConfigError
from ser_tl.options import DomainOptions, Options, parse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FOR_DEVELOPERS = {"build_emodb_mini", "build_emodb_model"}


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
    assert "  # largest number of passes over the training speech" in text
    assert max(len(line) for line in text.splitlines() if "#" in line) <= 110


def test_init_knows_the_options_of_a_recipe(capsys):
    assert main(["init", "align"]) == 0
    text = capsys.readouterr().out
    assert "target_root: null" in text
    assert text.startswith("# ser-tl align --config THIS_FILE")


def run_command(arguments, folder, **environment):
    """The command in a fresh interpreter: its output, and whether torch was imported."""
    program = f"""
import sys
from ser_tl.cli import main
try:
    ended = main({arguments!r})
except SystemExit as error:
    ended = error.code or 0
print(ended, "torch" in sys.modules)
"""
    own = os.environ | {"SER_TL_CACHE": str(folder), "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=own
    )
    return done.stdout.rsplit("\n", 2)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["predict", "--help"], ["cache", "--help"]])
def test_help_and_version_come_quickly_and_without_torch(arguments, tmp_path):
    begin = time.perf_counter()
    text, last, _ = run_command(arguments, tmp_path)
    assert last == "0 False"
    assert text
    assert time.perf_counter() - begin < 5.0  # 0.2 s on an idle core; the goal is one second


@pytest.mark.exhaustive
def test_a_recipes_help_is_rendered_once(tmp_path):
    first, second = (run_command(["train", "--help"], tmp_path, COLUMNS="100") for _ in range(2))
    assert first[1] == "0 True"
    assert second[1] == "0 False"
    assert first[0] == second[0]
    assert "--encoder" in first[0]
    assert "more options: --help-all" in first[0]
    kept = tmp_path / "help" / "train.txt"
    kept.write_text("of other sources\n" + kept.read_text().partition("\n")[2].replace("encoder", "decoder"))
    third = run_command(["train", "--help"], tmp_path, COLUMNS="100")
    assert third == first


def test_kept_help_is_of_the_installed_plugins(monkeypatch):
    recipe = ROOT / "recipes" / "lora.py"
    plugin = EntryPoint("quiet", "quiet_plugin:Encoder", "ser_tl.encoders")
    digests = set()
    for entries in ((), (plugin,), (EntryPoint("other", "elsewhere", "console_scripts"),)):
        monkeypatch.setattr("ser_tl.cli.help_cache.installed", lambda entries=entries: EntryPoints(entries))
        digests.add(_digest_sources(recipe))
    assert len(digests) == 2  # other packages' entries change nothing


def test_errors_and_other_requests_are_not_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    for arguments in (["train", "--help_all", "balance"], ["train", "--no_such_option", "1"], ["train", "--help", "x"]):
        with pytest.raises(SystemExit):
            main(arguments)
    assert not (tmp_path / "help").exists()
    assert capsys.readouterr().out
