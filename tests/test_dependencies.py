"""Where torchaudio can't be loaded, all that doesn't need it works, and what does says in a line how to mend it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ser_tl import dependencies
from ser_tl.cli.loading import try_imports
from ser_tl.dependencies import explain, mend, require_torchaudio
from ser_tl.errors import DependencyError
from ser_tl.user_cache import find_cache_folder
from tests.forked import forked_python

pytestmark = pytest.mark.slow

doctor_module = importlib.import_module("ser_tl.cli.doctor")  # ser_tl.cli has a function of its name

DOCTOR = """
import importlib, sys
from ser_tl.cli import main
doctor = importlib.import_module("ser_tl.cli.doctor")
doctor.NEEDED, doctor.EXTRAS, doctor.OWN = {"torch": "torch", "torchaudio": "torchaudio"}, {}, "ser_tl.errors"  # quick
sys.exit(main(["doctor"]))
"""
HOME = Path(__file__).parents[1]
SYMBOL = "libtorchaudio.so: undefined symbol: torch_exception_get_what_without_backtrace"


def break_torchaudio(folder):
    """A torchaudio that fails as 2.11.1 does beside torch 2.11.0; returns the path on which Python finds it first."""
    package = folder / "broken" / "torchaudio"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").write_text(f"raise OSError({SYMBOL!r} + '\\nmore lines')")
    return f"{package.parent}:{HOME}"


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A folder of a torchaudio that fails, for programs that are started from here."""
    monkeypatch.setenv("PYTHONPATH", break_torchaudio(tmp_path))
    return tmp_path / "broken"


def run(program, *arguments, python=None):
    """Runs a program where torch is imported already, or by another Python."""
    command = [python or forked_python(), "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=HOME, check=False)


ROOMS = [
    "ser_tl.model",
    "ser_tl.transfer.adapter_targets peft",  # which it imports with the first adapters
    "ser_tl.evaluation.metrics",
    "ser_tl.modules.networks",
]

WITHOUT_TORCHAUDIO = """
import os, sys, transformers, numpy, soundfile  # transformers has looked for torchaudio by now, and found it
import torch, datasets, sklearn.linear_model
assert "torchaudio" not in sys.modules  # though it has not loaded it
folder, audio, *rooms = sys.argv[1:]
failed = []
for name in rooms:
    child = os.fork()
    if not child:
        status = 1
        try:
            for module in name.split():
                __import__(module)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
print(failed, flush=True)
from ser_tl.cli import main
from ser_tl.encoders import load_encoder
from ser_tl.errors import DependencyError
from ser_tl.model import EmotionModel, ModelConfig
EmotionModel(load_encoder("wav2vec2-mini"), ["anger", "sadness"], config=ModelConfig()).save_pretrained(folder)
soundfile.write(audio, numpy.random.default_rng(0).normal(0, 0.1, 16000), 16000)
assert main(["predict", folder, audio]) == 0
from ser_tl.augment import build_transform
from ser_tl.modules.networks import NETWORKS
refusals = [lambda name=name: build_transform(name, {}) for name in ("speed", "telephone")]
for refused in [*refusals, lambda: NETWORKS["conformer"](8)]:
    try:
        refused()
    except DependencyError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def without_torchaudio(tmp_path_factory):
    """What a program says that imports rooms, predicts and asks for what needs torchaudio."""
    folder = tmp_path_factory.mktemp("without")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", break_torchaudio(folder))
        # A fresh interpreter: where programs are forked, transformers has imported a torchaudio that works.
        return run(WITHOUT_TORCHAUDIO, folder / "model", folder / "clip.wav", *ROOMS, python=sys.executable)


@pytest.mark.exhaustive
def test_every_room_can_be_imported_without_torchaudio(without_torchaudio):
    assert without_torchaudio.stdout.splitlines()[0] == "[]", without_torchaudio.stderr


@pytest.mark.exhaustive
def test_predicting_works_without_torchaudio_and_the_rest_says_the_way_out(without_torchaudio):
    lines = without_torchaudio.stdout.splitlines()[1:]
    assert len(lines) == 4, without_torchaudio.stderr
    assert json.loads(lines[0])["label"] in ("anger", "sadness")
    for line, purpose in zip(
        lines[1:], ("the transform speed", "the transform telephone", "the conformer"), strict=True
    ):
        assert line.startswith(f"{purpose} needs torchaudio. torchaudio ")
        assert SYMBOL in line
        assert "pip install" in line
    assert "Traceback" not in without_torchaudio.stderr


@pytest.mark.parametrize(
    ("torch", "torchaudio", "expected"),
    [
        ("2.11.0", "2.11.1", "torchaudio 2.11.0 fits it: pip install --no-deps torchaudio==2.11.0"),
        ("2.14.1", None, "torchaudio 2.11.0 fits it: pip install --no-deps torchaudio==2.11.0"),
        ("2.15.0", "2.11.0", "torchaudio 2.11.1 fits it: pip install --no-deps torchaudio==2.11.1"),
        ("2.11.0", "2.11.0", "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0"),
        ("2.9.1", "2.11.1", "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0"),
        (None, "2.11.0", "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0"),
        ("2.13.0+cpu", "2.11.1", "take torchaudio from where this build of torch came from"),
    ],
)
def test_the_way_out_names_the_pair_that_fits(torch, torchaudio, expected):
    assert expected in mend(torch, torchaudio)
    assert "\n" not in mend(torch, torchaudio)


def test_an_error_names_the_installed_pair_in_one_line(monkeypatch):
    versions = {"torch": "2.11.0", "torchaudio": "2.11.1"}
    monkeypatch.setattr(dependencies, "installed_version", versions.get)
    monkeypatch.setattr(dependencies, "torchaudio_failure", lambda: OSError(f"{SYMBOL}\nmore"))
    with pytest.raises(DependencyError) as caught:
        require_torchaudio("the conformer")
    assert str(caught.value) == (
        f"the conformer needs torchaudio. torchaudio 2.11.1 can't be loaded beside torch 2.11.0 ({SYMBOL}): torchaudio "
        "2.11.0 fits it: pip install --no-deps torchaudio==2.11.0"
    )
    versions["torchaudio"] = None
    assert explain(ImportError("no module")).startswith(
        "It isn't installed beside torch 2.11.0: torchaudio 2.11.0 fits"
    )


def test_the_locks_and_the_ranges_hold_the_tested_pair():
    torch, torchaudio = dependencies.TESTED
    for lock in ("default", "dev"):
        lines = (HOME / "requirements" / f"{lock}.txt").read_text().splitlines()
        assert {f"torch=={torch} \\", f"torchaudio=={torchaudio} \\"} <= set(lines)
        assert not [line for line in lines if "://" in line], "a lock names no index"
        packages = [line for line in lines if line[:1].isalnum()]
        assert all("==" in line and line.endswith("\\") for line in packages), "each is pinned, with hashes"
    default, dev = ((HOME / "requirements" / f"{lock}.txt").read_text() for lock in ("default", "dev"))
    pins = [{line.split()[0] for line in lock.splitlines() if "==" in line} for lock in (default, dev)]
    assert pins[0] <= pins[1]  # the same versions; what a package is for may widen where it is needed
    ranges = (HOME / "pyproject.toml").read_text()
    assert f'"torchaudio=={torchaudio}"' in ranges, "one of the pair is exact: two ranges allow pairs that don't fit"


def test_imports_go_on_behind_one_that_kills_its_process(tmp_path, monkeypatch):
    (tmp_path / "killer.py").write_text(
        "import os, signal; print('{half a line'); os.kill(os.getpid(), signal.SIGSEGV)"
    )
    (tmp_path / "quitter.py").write_text("import os; os._exit(3)")
    (tmp_path / "talker.py").write_text("print('hello')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{HOME}")
    attempts = try_imports(["json", "killer", "nowhere_at_all", "quitter", "talker"])
    errors = {name: attempt.error for name, attempt in attempts.items()}
    assert errors == {
        "json": None,
        "killer": "the process was ended by SIGSEGV while it was imported",
        "nowhere_at_all": "ModuleNotFoundError: No module named 'nowhere_at_all'",
        "quitter": "the process ended with status 3 while it was imported",
        "talker": None,
    }


@pytest.mark.exhaustive
def test_doctor_tells_what_is_there(monkeypatch, capsys):
    monkeypatch.setattr(doctor_module, "NEEDED", {"numpy": "numpy", "torch": "torch", "torchaudio": "torchaudio"})
    monkeypatch.setattr(doctor_module, "EXTRAS", {})
    monkeypatch.setattr(doctor_module, "OWN", "ser_tl.errors")
    monkeypatch.setattr(doctor_module, "_outside_ranges", list)
    assert doctor_module.doctor(None) == 0
    told = capsys.readouterr().out
    for word in (
        "numpy",
        "devices",
        "CPU",
        "threads",
        "precision",
        "cache",
        str(find_cache_folder()),
        "free disk",
        "well",
    ):
        assert word in told


def test_doctor_works_where_torch_and_torchaudio_do_not_load(broken, capsys):
    (broken / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    done = run(DOCTOR, python=sys.executable)
    assert done.returncode == 1, done.stderr
    assert "problem: torch can't be loaded (ImportError: libcudart.so.13" in done.stdout
    assert "problem: torchaudio can't be loaded" in done.stdout
    assert "unknown, as torch does not load" in done.stdout
    assert f"cache      {find_cache_folder()}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_doctor_says_one_line_of_a_broken_torchaudio(broken):
    done = run(DOCTOR)
    assert done.returncode == 1, done.stderr
    problems = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
    assert len(problems) == 1
    assert SYMBOL in problems[0]
    assert "pip install" in problems[0]
    assert "Traceback" not in done.stdout + done.stderr


def test_doctor_names_versions_outside_the_ranges(monkeypatch):
    monkeypatch.setattr(
        doctor_module.metadata, "requires", lambda _: ["numpy<1", "nowhere-at-all", 'extra-x; extra=="y"']
    )
    first, second = doctor_module._outside_ranges()
    assert first.startswith("numpy is ")
    assert "ser_tl asks for <1" in first
    assert second.startswith("nowhere-at-all isn't installed: pip install")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("SER_TL_CACHE")
    monkeypatch.setenv("HOME", "/nobody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert find_cache_folder() == Path("/nobody/.cache/ser_tl")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_cache_folder() == tmp_path / "ser_tl"
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "mine"))
    assert find_cache_folder() == tmp_path / "mine"
