"""The recipes as modules, and a manifest of tones for them."""

import importlib.util
from pathlib import Path
from types import ModuleType

from tests.training.samples import tone_corpus

RECIPES = Path(__file__).parents[1] / "recipes"


def load_recipe(name: str) -> ModuleType:
    """The module of recipes/NAME.py, loaded anew."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tone_manifest(folder: Path, **options) -> Path:
    """A CSV of `tone_corpus`, whose audio lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = tone_corpus(folder / "audio", **options)
    lines = [f"{row['audio']['path']},{row['emotion']},{row['speaker']}" for row in rows]
    path = folder / "tones.csv"
    path.write_text("\n".join(["path,emotion,speaker", *lines]), encoding="utf-8")
    return path
