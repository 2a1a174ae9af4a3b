"""The README: short, its links lead somewhere, and its Python does what it says."""

import re
from pathlib import Path

import pytest

import ser_tl.corpora
from ser_tl.cli import COMMANDS
from ser_tl.cli.recipes import RECIPES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_it_is_short():
    lines = README.splitlines()
    assert len(lines) <= 180
    assert [line for line in lines if len(line) > 110 and not line.startswith(("    ", "|"))] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda path: path.name)
def test_links_and_pictures_are_there(page):
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_its_commands_are_commands():
    named = set(re.findall(r"ser-tl ([a-z-]+)", README))
    assert named - set(COMMANDS) - set(RECIPES) == set()
    recipes = set(re.findall(r"recipes/(\w+\.(?:py|yaml))", README))
    assert [name for name in recipes if not (ROOT / "recipes" / name).exists()] == []


@pytest.mark.slow
def test_its_python_trains_and_predicts(tmp_path, monkeypatch, capsys):
    """On one clip of each emotion of four speakers, for one epoch."""
    from ser_tl.assets import asset

    load = ser_tl.corpora.load_corpus

    def few(*arguments):
        corpus = load(*arguments)
        seen: dict[tuple[str, str], int] = {}
        rows = []
        speakers = sorted(set(corpus["speaker"]))[:4]
        for row, key in enumerate(zip(corpus["speaker"], corpus["emotion"], strict=True)):
            seen[key] = seen.get(key, 0) + 1
            rows += [row] if seen[key] <= 1 and key[0] in speakers else []
        return corpus.select(rows)

    monkeypatch.setattr(ser_tl.corpora, "load_corpus", few)
    monkeypatch.chdir(tmp_path)
    clip = (asset("emodb_mini") / "03a01Wa.opus").read_bytes()
    for name in ("clip.wav", "one.wav", "two.flac"):
        (tmp_path / name).write_bytes(clip)
    for block in BLOCKS:
        names: dict[str, object] = {}
        program = compile_block(block.replace("epochs=10", "epochs=1"))
        run_block(program, names)
    out = capsys.readouterr().out
    assert out.count("anger [('anger', ") == 2
    assert "UAR" in out
    assert (tmp_path / "my_model" / "model.safetensors").is_file()


def compile_block(text):
    return compile(text, "README.md", "exec")


def run_block(program, names):
    exec(program, names)
