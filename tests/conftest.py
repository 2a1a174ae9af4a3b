"""What all tests share: no network, one thread, and a feature cache of their own.

Tiny tensors on two threads are ten times slower than on one where the cores are busy: the threads spin while they wait.
"""

import gc
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.parts import is_in_part, parse_part

SHARED = Path(__file__).parents[2] / "shared"

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before huggingface_hub is imported: nothing here may need a network
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the programs that tests start

# Tests start a hundred programs, each of which would compile the same modules anew, as every run of pytest would.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job in the background: programs would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.fsync = lambda _: None  # no test cuts the power, and a disk takes longer than what is written to it

_cache = tempfile.TemporaryDirectory(prefix="ser_tl_cache_")  # the user's own stays as it is
os.environ["SER_TL_CACHE"] = _cache.name


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """A path in ../shared; skips the test where it isn't there."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs ../shared/{name}, which isn't beside this checkout")
        return path

    return find


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running hub on this machine (tests/hub/server.py), and huggingface_hub's own client logged in to it.

    The client reads these values when a call is made, so that setting them works.
    """
    from huggingface_hub import constants

    from tests.hub.server import TOKEN, Hub

    with Hub() as running:
        url = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


@pytest.fixture(scope="module")
def quick_pictures():
    """Pictures are blank: drawing takes a third of a quick run. tests/reporting/plots look at them as they are."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    save = Figure.savefig

    def save_blank(figure, target, **options):
        save(Figure(figure.get_size_inches()), target, **(options | {"dpi": 20}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
        patch.setattr(Figure, "savefig", save_blank)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--part",
        type=parse_part,
        metavar="NUMBER/COUNT",
        help="run one part of the tests, such as 2/5; all parts together are all tests",
    )


def pytest_xdist_auto_num_workers() -> int:
    """A process more than cores: some tests wait for minutes, for brokers and for servers that start."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list) -> None:
    """Makes the processes of `pytest -n` forks of one that has imported torch and its like."""
    from tests.forked import forked_python

    for spec in specs:
        if spec.popen and not spec.python:
            spec.python = forked_python()


def pytest_collectstart() -> None:
    """Looks for no garbage while tests are imported, as there is none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Takes what was imported and collected out of the garbage collector's hands, and copies no columns' types.

    Each training of `accelerate` collects garbage, and would go through two million objects for a second; what tests
    import follows below. Each row that is read of a `Dataset` copies the types of all its columns, a tenth of what a
    training on a few clips takes.
    """
    if "datasets" in sys.modules:
        sys.modules["datasets"].Value.__deepcopy__ = lambda self, _: self  # nobody changes one
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Takes what a file's tests have imported and cached out of the garbage collector's hands, after their fixtures."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves a file that is slow as a whole unread where slow tests are left out: imports take half of that time."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    marked = re.search(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", collection_path.read_text("utf-8"), re.MULTILINE)
    return True if marked else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out exhaustive tests but where `-m` or a name asks for them (`pytest FILE::TEST`), and other parts.

    What reads the whole package's source comes first: what comes last is shared out, and each process would read it.
    """
    items.sort(key=lambda item: item.path.name not in ("test_layering.py", "test_language.py"))
    asked_for = "exhaustive" in config.option.markexpr or any("::" in argument for argument in config.args)
    part = config.option.part
    kept, left_out = [], []
    for item in items:
        wanted = asked_for or not item.get_closest_marker("exhaustive")
        (kept if wanted and (part is None or is_in_part(item.nodeid, part)) else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_unconfigure():
    _cache.cleanup()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of tests.export.samples.sample_model() as ONNX; read it and leave it as it is."""
    from tests.export.samples import export_once, sample_model

    return export_once(sample_model, "exported", tmp_path_factory)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of tests.training.samples.write_run(); read it and leave it as it is."""
    from tests.training.samples import write_run

    return write_run(tmp_path_factory.mktemp("small_run"))
