"""Every notebook runs from top to bottom, on a few tones instead of its corpus, and is kept small and free of paths.

The notebook that runs is the one in the repository, cell by cell and with its own settings; only what it reads from
NOTEBOOK_CORPUS and NOTEBOOK_ROOT differs, so that it takes seconds.
"""

import base64
import json
import re
from pathlib import Path

import pytest

from tests.recipe_samples import tone_manifest

nbformat = pytest.importorskip("nbformat", reason='notebooks run with nbclient: pip install -e ".[dev]"')
nbclient = pytest.importorskip("nbclient", reason='notebooks run with nbclient: pip install -e ".[dev]"')

HOME = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(HOME.glob("*.ipynb"))
LARGEST, LARGEST_PICTURE = 1_000_000, 150_000  # bytes

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """A manifest of a few tones, six speakers."""
    return tone_manifest(tmp_path_factory.mktemp("tones"))  # nine clips of a speaker: statistics of its own take eight


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_it_runs_elsewhere(path, tones, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTEBOOK_CORPUS", "csv")
    monkeypatch.setenv("NOTEBOOK_ROOT", str(tones))
    monkeypatch.setenv("PYTHONPATH", str(HOME.parent))  # this package, whichever is installed
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where tempfile puts what the notebook writes
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in shown if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 1


@each_notebook
def test_it_is_committed_with_small_outputs_and_no_paths(path):
    text = path.read_text("utf-8")
    assert len(text) < LARGEST
    notebook = json.loads(text)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run it from top to bottom"
    outputs = [output for cell in cells for output in cell["outputs"]]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert pictures
    assert max(len(base64.b64decode(picture)) for picture in pictures) < LARGEST_PICTURE
    said = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|tmp|work|Users)/", said)
    assert not [output for output in outputs if output["output_type"] in ("error", "stream")]


@each_notebook
def test_it_calls_a_recipe_and_computes_nothing_alone(path):
    notebook = json.loads(path.read_text("utf-8"))
    code = "".join("".join(cell["source"]) + "\n" for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert '["main"](' in code
    assert not re.search(r"sys\.path|import (numpy|torch|sklearn|matplotlib|scipy)|^def |^class ", code, re.MULTILINE)
