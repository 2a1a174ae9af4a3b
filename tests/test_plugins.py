"""Parts of somebody else: found where their package is installed, imported by --import where it isn't."""

import subprocess
import sys
from pathlib import Path

import pytest

from ser_tl.cli import main
from ser_tl.errors import ConfigError, UnknownNameError
from ser_tl.options import Options, parse
from ser_tl.plugins import import_plugin
from ser_tl.registry import Registry, installed
from tests.forked import forked_python
from tests.plugin import GROUPS, SOURCE, install

pytestmark = pytest.mark.slow

HOME = Path(__file__).parents[1]

PROGRAM = """
from ser_tl.augment import TRANSFORMS
from ser_tl.corpora import CORPORA
from ser_tl.encoders import ENCODERS, FAMILIES
from ser_tl.export.base import EXPORTERS
from ser_tl.modules.pooling import POOLINGS
from ser_tl.options import Options, parse
from ser_tl.run import build_model, build_strategy, build_trainer
from ser_tl.training import PARTS
from ser_tl.transfer import STRATEGIES
import sys, tempfile
from pathlib import Path

assert "tiny_ser" not in sys.modules
for registry in (ENCODERS, FAMILIES, CORPORA, POOLINGS, STRATEGIES, PARTS, TRANSFORMS, EXPORTERS):
    print(*[name for name in registry if name.startswith("tiny")])
assert "tiny_ser" not in sys.modules  # names alone import nothing
arguments = ["--encoder", "tiny-mfcc", "--pooling", "tiny-mean", "--strategy", "tiny-frozen"]
arguments += ["--parts", "{tiny-part: {share: 0.25}}", "--train.tracker", "none"]
arguments += ["--augment.transforms", "{tiny-flip: {probability: 1.0}}"]
options = parse(Options, "", arguments)
model = build_model(options, ["anger", "neutral"])
trainer = build_trainer(options, model, Path(tempfile.mkdtemp()))
print(type(model.pooling).__name__, type(trainer.strategy).__name__, trainer.facts["tiny"], trainer.facts["augment"])
with tempfile.TemporaryDirectory() as folder:
    model.save_pretrained(folder)
    print(type(type(model).from_pretrained(folder).encoder).__name__)
"""


def test_an_installed_package_adds_to_every_registry_and_its_model_loads(tmp_path):
    program = f"import sys; sys.path.insert(0, {str(install(tmp_path / 'site'))!r}){PROGRAM}"
    done = subprocess.run([forked_python(), "-c", program], capture_output=True, text=True, cwd=HOME, check=False)
    assert done.returncode == 0, done.stderr
    *names, built, loaded = done.stdout.splitlines()
    assert names == [GROUPS[group] for group in GROUPS]
    assert built == "TinyMean TinyFrozen 0.25 {'tiny-flip': {'probability': 1.0}}"
    assert loaded == "TinyMFCC"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Installs a package of some source for one test."""
    installed.cache_clear()

    def make(module, source, name="mine"):
        monkeypatch.syspath_prepend(install(tmp_path, module, source, {"tests": name}))
        return Registry("thing", "ser_tl.tests")

    return make


def test_a_package_that_cannot_be_imported_is_named(site):
    things = site("broken_ser", "import no_such_module_at_all\n")
    assert list(things) == ["mine"]
    with pytest.raises(ConfigError, match=r"'mine' comes from the module broken_ser .*no_such_module.*uninstall"):
        things["mine"]


def test_a_package_that_registers_nothing_is_named(site):
    with pytest.raises(ConfigError, match=r"module idle_ser .* registers no thing of that name"):
        site("idle_ser", "")["mine"]


def test_a_name_that_is_taken_is_refused_and_both_are_named(site):
    things = site("second_ser", "")
    things.register("mine")(Options)
    with pytest.raises(ConfigError, match=r"adds the thing 'mine' \(module second_ser\), .* taken by ser_tl\.options"):
        list(things)


def test_a_package_imported_before_its_names_are_asked_for_is_no_clash(site, monkeypatch):
    things = site("early_ser", "")
    monkeypatch.setitem(sys.modules, "early_ser", sys)
    things.register("mine")("an instance")
    assert things["mine"] == "an instance"


def test_an_unknown_name_is_still_unknown(site):
    with pytest.raises(UnknownNameError, match="known are mine"):
        site("plain_ser", "")["yours"]


POOLING = """
from ser_tl.modules.pooling import POOLINGS, Max

@POOLINGS.register("{name}")
class Own(Max):
    pass
"""


@pytest.mark.parametrize("spelling", ["--import {}", "--import={}"])
def test_a_file_is_imported_by_the_recipes_and_kept_in_their_configuration(tmp_path, spelling):
    name = "own_equals" if "=" in spelling else "own_space"
    path = tmp_path / f"{name}.py"
    path.write_text(POOLING.format(name=name))
    options = parse(Options, "", [*spelling.format(path).split(), "--pooling", name])
    assert options.imports == [str(path)]
    (tmp_path / "config.yaml").write_text(options.as_yaml())
    again = parse(Options, "", ["--config", str(tmp_path / "config.yaml")])
    assert again == options
    import_plugin(str(path))  # once more is no second registration


def test_two_imports_are_two(tmp_path):
    for name in ("first_own", "second_own"):
        (tmp_path / f"{name}.py").write_text("")
    paths = [str(tmp_path / f"{name}.py") for name in ("first_own", "second_own")]
    assert parse(Options, "", ["--import", paths[0], "--import", paths[1]]).imports == paths


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("nowhere.py", None, "there is no such file"),
        ("wrong.py", "1 / 0", "ZeroDivisionError: division by zero. Expected is the name of a module"),
        ("json.py", "", "a module called json is imported already, from .*give the file another name"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path, name, source, message):
    if source is not None:
        (tmp_path / name).write_text(source)
    with pytest.raises(ConfigError, match=message):
        import_plugin(str(tmp_path / name))


def test_a_module_that_is_not_there_says_why():
    with pytest.raises(ConfigError, match="--import no_such_module_at_all: ModuleNotFoundError"):
        import_plugin("no_such_module_at_all")


def test_the_command_imports_and_lists_it(tmp_path, capsys):
    path = tmp_path / "listed.py"
    path.write_text(SOURCE.replace("tiny-", "listed-").replace("Tiny", "Listed"))
    command = [
        forked_python(),
        "-m",
        "ser_tl",
        "encoders",
        "--import",
        str(path),
    ]  # in a process whose names go with it
    assert "listed-mfcc" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert main(["encoders", "--import"]) == 1
    assert "--import needs the name of a module" in capsys.readouterr().err
