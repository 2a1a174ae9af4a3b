"""Every notebook runs from top to bottom, on a few tones instead of its corpus, and shows the bundled encoder.

The notebook that runs is the one in the repository, cell by cell; what it reads from NOTEBOOK_CORPUS and NOTEBOOK_ROOT
differs. Its trainings end after two epochs and its pictures are blank; by default the shortest of them runs, with
`-m exhaustive` all, and each with its own settings too.
"""

import base64
import json
import os
import re
from functools import cache
from pathlib import Path

import pytest

from ser_tl.cli.recipes import RECIPES
from ser_tl.encoders import load_encoder
from ser_tl.encoders.fingerprint import fingerprint
from tests.forked import forked_python
from tests.recipe_samples import tone_manifest
from tests.test_docs import commands, recipe_flags, strategy_flags, within_a_dictionary

nbformat = pytest.importorskip("nbformat", reason='notebooks run with nbclient: pip install -e ".[dev]"')
nbclient = pytest.importorskip("nbclient", reason='notebooks run with nbclient: pip install -e ".[dev]"')

HOME = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(HOME.glob("*.ipynb"))
LARGEST, LARGEST_PICTURE = 1_000_000, 150_000  # bytes

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


BRIEF = """
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from ser_tl.training import TrainConfig

def save_blank(figure, target, *, save=Figure.savefig, blank=Figure, **options):
    save(blank(figure.get_size_inches()), target, **(options | {"dpi": 20}))

def check_brief(config, check=TrainConfig.__post_init__):
    object.__setattr__(config, "epochs", min(config.epochs, 2))
    check(config)

Figure.savefig, TrainConfig.__post_init__ = save_blank, check_brief
ConstrainedLayoutEngine.execute = lambda *_: None
"""
"""What runs before a notebook for it to take seconds."""


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """A manifest of a few tones, six speakers, for each notebook."""

    @cache
    def write(name):
        takes = 3 if name == "domain_alignment" else 2  # nine clips of a speaker: statistics of its own take eight
        return tone_manifest(tmp_path_factory.mktemp("tones"), takes=takes)

    return write


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with this package as its wheel lays it out: the recipes within, and no clone around it."""
    site = tmp_path_factory.mktemp("site")
    (site / "ser_tl").mkdir()
    for path in (HOME.parent / "ser_tl").iterdir():
        (site / "ser_tl" / path.name).symlink_to(path)
    (site / "ser_tl" / "recipes").symlink_to(HOME.parent / "recipes")
    return site


@pytest.fixture(
    scope="module", params=[BRIEF, pytest.param("", marks=pytest.mark.exhaustive)], ids=["brief", "own_settings"]
)
def kernel(request, installed, tmp_path_factory):
    """A kernel, whose imports take longer than a short notebook, after that program."""
    from jupyter_core.utils import run_sync

    folder = tmp_path_factory.mktemp("notebooks")
    own = {"PYTHONPATH": str(installed)}  # this package, whichever is installed
    own |= {"TMPDIR": str(folder)}  # where tempfile puts what the notebooks write
    client = nbclient.NotebookClient(nbformat.v4.new_notebook())
    manager = client.create_kernel_manager()
    manager.kernel_spec.argv[0] = forked_python()
    client.start_new_kernel(env=os.environ | own, cwd=str(folder))
    run_cells(manager, request.param)
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


def run_cells(kernel, first, *cells):
    """Runs a program, and cells that take its place in a notebook."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(first), *cells])
    nbclient.NotebookClient(notebook, km=kernel, timeout=200).execute()


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem == "first_steps" else pytest.mark.exhaustive, id=path.stem)
        for path in NOTEBOOKS
    ],
)
def test_it_runs_elsewhere(path, kernel, tones):
    cells = nbformat.read(path, as_version=4).cells
    data = {"NOTEBOOK_CORPUS": "csv", "NOTEBOOK_ROOT": str(tones(path.stem))}
    # No name is another notebook's.
    run_cells(kernel, f"%reset -f\nimport os\nos.environ |= {data}", *cells)
    shown = [output for cell in cells for output in cell.get("outputs", ())]
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


def outputs_of(path, kind):
    """What the committed cells of a notebook show, of one MIME type."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    shown = [output.get("data", {}).get(kind) for cell in cells for output in cell.get("outputs", ())]
    return ["".join(one) for one in shown if one is not None]


@pytest.mark.slow
@each_notebook
def test_what_it_shows_is_the_bundled_encoder(path):
    encoder = load_encoder("wav2vec2-mini")
    bundled = f"wav2vec2-mini: {encoder.num_states - 1} layers, fingerprint {fingerprint(encoder.state_dict())}"
    assert bundled in outputs_of(path, "text/markdown"), "it was run with another encoder: run it anew"


@pytest.mark.slow
@each_notebook
def test_its_prose_names_no_layer_that_the_bundled_encoder_lacks(path):
    layers = load_encoder("wav2vec2-mini").num_states - 1
    prose = [cell["source"] for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "markdown"]
    named = re.findall(r"layers? (\d+)(?:(?:,| and| to) (\d+))?", "\n".join("".join(lines) for lines in prose))
    assert all(int(number) <= layers for pair in named for number in pair if number)


@pytest.mark.parametrize("name", ["layers", "unfreezing", "domains"])
def test_a_picture_of_the_readme_is_one_of_the_notebook_that_it_stands_under(name):
    readme = (HOME.parent / "README.md").read_text("utf-8")
    (notebooks,) = re.findall(r"^\|(?: \[\w+\]\(notebooks/\w+\.ipynb\) \|)+$", readme, re.MULTILINE)
    (pictures,) = re.findall(r"^\|(?: !\[[^]]*\]\(docs/pictures/\w+\.png\) \|)+$", readme, re.MULTILINE)
    paths = re.findall(r"\((notebooks/\w+\.ipynb)\)", notebooks)
    above = dict(zip(re.findall(r"pictures/(\w+)\.png", pictures), paths, strict=True))
    shown = [base64.b64decode(picture) for picture in outputs_of(HOME.parent / above[name], "image/png")]
    assert (HOME.parent / "docs" / "pictures" / f"{name}.png").read_bytes() in shown


@each_notebook
def test_it_calls_a_recipe_and_computes_nothing_alone(path):
    code = "".join(f"{source}\n" for source in sources(path, "code"))
    assert re.search(r"\w+, Options, _ = load_recipe\(\"[a-z-]+\"\)", code)
    assert not re.search(
        r"runpy|recipes/|sys\.path|import (numpy|torch|sklearn|matplotlib|scipy)|^def |^class ", code, re.M
    )


@each_notebook
def test_it_asks_a_question_answers_it_and_names_the_page_that_goes_deeper(path):
    first, *_, last = sources(path, "markdown")
    assert re.match(r"# .*\?\n", first)
    pages = re.findall(r"\]\(\.\./(docs/\w+\.md)\)", first)
    assert pages
    assert all((HOME.parent / page).is_file() for page in pages)
    assert last.startswith("## Answer\n")


@pytest.mark.slow
@each_notebook
def test_its_commands_and_what_it_shows_have_options_that_there_are(path):
    every = {
        flag for name in {recipe for recipe, _ in RECIPES.values()} for flag in recipe_flags(name)
    } | strategy_flags()
    for command, name, recipe, flags in commands("\n".join(sources(path, "markdown"))):
        assert recipe is None, f"{command}: say ser-tl, which an installation has"
        known = recipe_flags(RECIPES[name][0]) | strategy_flags() if name in RECIPES else every
        assert not {flag for flag in flags - known if not within_a_dictionary(flag, known)}, command
    shown = "\n".join([*outputs_of(path, "text/markdown"), *sources(path, "markdown")])
    flags = set(re.findall(r"(?<!\S)`?(--[a-z_]+(?:\.[a-z_]+)*)", shown))
    assert not {flag for flag in flags - every if not within_a_dictionary(flag, every)}


def sources(path, kind):
    """The cells of one kind."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]
