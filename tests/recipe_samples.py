"""The recipes as modules, and a manifest of tones for them."""

import importlib.util
from pathlib import Path
from types import ModuleType

from tests.training.samples import rated, tone_corpus

RECIPES = Path(__file__).parents[1] / "recipes"


def load_recipe(name: str) -> ModuleType:
    """The module of recipes/NAME.py, loaded anew."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tone_manifest(folder: Path, **options) -> Path:
    """A CSV of `tone_corpus` with arousal and valence, whose audio lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rated(tone_corpus(folder / "audio", **options))
    columns = ["emotion", "speaker", "arousal", "valence"]
    lines = [",".join([row["audio"]["path"], *(str(row[name]) for name in columns)]) for row in rows]
    path = folder / "tones.csv"
    path.write_text("\n".join([",".join(["path", *columns]), *lines]), encoding="utf-8")
    return path
