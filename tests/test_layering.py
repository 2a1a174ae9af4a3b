"""The layers of the package, its recipes and its manners, read from the source."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import ser_tl
from tests.source import nodes_of, tree_of

HOME = Path(ser_tl.__file__).parent
MODULES = sorted(HOME.rglob("*.py"))
RECIPES = sorted((HOME.parent / "recipes").glob("*.py"))

# Rooms by rank, and the packages that each rank adds. A room is a module or a folder at the package's top.
LAYERS: list[tuple[str, str]] = [
    ("errors", ""),
    ("registry assets files terminal user_cache dependencies plugins old_options", ""),
    ("audio_support", ""),
    ("data", "numpy torch torchaudio soundfile soxr librosa datasets"),
    ("augment modules", ""),
    (
        "corpora encoders evaluation hub",
        "transformers huggingface_hub safetensors sklearn evaluate opensmile audformat iso639",
    ),
    ("comparison", ""),
    ("reporting", "matplotlib"),
    ("card", "yaml"),  # the head of a card
    ("model", "peft"),  # a saved model has its adapters folded in
    ("inference", "tqdm onnxruntime openvino ai_edge_litert"),
    ("export", "onnx nncf litert_torch ai_edge_quantizer"),
    ("robustness", ""),
    ("streaming", "sounddevice"),  # an extra, imported where it is used
    # fsspec, Ray and lhotse are extras, imported where they are used
    (
        "serving archive",
        "fastapi starlette pydantic uvicorn python_multipart prometheus_client celery confluent_kafka pyarrow fsspec "
        "ray lhotse",
    ),
    ("runtime", "accelerate"),
    ("cache", ""),
    ("transfer", ""),
    ("training", "imblearn"),
    ("compress", ""),
    ("analysis", ""),
    ("generate", ""),
    ("estimator", ""),
    ("distill", "threadpoolctl"),  # scikit-learn's
    ("help_format", "jsonargparse"),
    ("arguments", ""),
    ("construction", ""),
    ("parsing", ""),
    ("options", ""),
    ("program", ""),
    ("publish resume", ""),
    ("outputs", ""),
    ("run systems load", ""),
    ("final rehearsal hyperparameters", "optuna"),
    ("experiments", ""),
    ("cli", "packaging"),
    ("__main__", ""),
]
# Imports against the direction, made when they are called: `model.predict` is a convenience of its users.
UPWARD = {"model/emotion.py": {"inference", "export"}, "model/modeling_ser_tl.py": {"inference"}}
# `report.save(folder)` and `print(report)` are conveniences likewise: what writes and draws is above.
UPWARD["evaluation/report.py"] = UPWARD["comparison/comparison.py"] = {"reporting"}
UPWARD["export/versions.py"] = UPWARD["archive/package_versions.py"] = {""}  # the package's own version
RANK = {room: rank for rank, (rooms, _) in enumerate(LAYERS) for room in rooms.split()}
PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
# SoundNet's weights were published as a pickle: one module, which holds an unpickler that knows nothing but arrays.
# Another names the error by which torch refuses a checkpoint that holds more than tensors.
UNPICKLERS = {
    "encoders/numpy_pickle.py": {"pickle.Unpickler", "pickle.UnpicklingError"},
    "encoders/pretrained.py": {"pickle.UnpicklingError"},
}


def each(paths):
    """Turns a check of one file into a test of all files, which names every file that fails."""

    def collect(check):
        def test():
            failures = []
            for path in paths:
                try:
                    check(path)
                except AssertionError as error:
                    failures.append(f"{path.relative_to(HOME.parent)}: {error}")
            assert not failures, "\n".join(failures)

        return test

    return collect


each_module, each_recipe = each(MODULES), each(RECIPES)


def room_of(path):
    """The room of a module; empty for the package itself."""
    first = path.relative_to(HOME).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def only_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@cache
def imports(path, *, types=True):
    """Dotted names of what a module imports, wherever in it; without the blocks for type checkers if not `types`."""
    found, nodes = [], [tree_of(path)]
    while nodes:
        node = nodes.pop()
        if only_for_types(node) and not types:
            nodes.extend(node.orelse)
            continue
        nodes.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative; write the whole name"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def calls(path, *names):
    """Lines that call one of the builtins."""
    return [
        node.lineno
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]


def test_a_check_names_every_file_that_fails():
    def nothing_is_long(path):
        assert len(path.name) < 12

    with pytest.raises(AssertionError) as caught:
        each([HOME / "registry.py", HOME / "dependencies.py", HOME / "audio_support.py"])(nothing_is_long)()
    named = str(caught.value)
    assert "ser_tl/dependencies.py: assert" in named
    assert "ser_tl/audio_support.py: assert" in named
    assert "registry" not in named


def test_there_is_something_to_read():
    assert len(MODULES) > 30
    assert RECIPES


@each_module
def test_every_module_has_a_rank(path):
    assert room_of(path) in {"", *RANK}, "give the new room a rank, here and in the architecture"


@pytest.mark.slow
@each_module
def test_modules_import_from_lower_ranks_or_their_own_room(path):
    room = room_of(path)
    own = [name.split(".") for name in imports(path, types=room != "") if name.split(".")[0] == "ser_tl"]
    inner = {parts[1] if len(parts) > 1 else "" for parts in own} - UPWARD.get(path.relative_to(HOME).as_posix(), set())
    assert {other for other in inner - {room} if RANK.get(other, 99) >= RANK.get(room, -1)} == set()


@each_module
def test_third_party_packages_come_in_at_their_rank(path):
    room = room_of(path)
    allowed = {name for _, names in LAYERS[: RANK.get(room, -1) + 1] for name in names.split()}
    outside = {name.split(".")[0] for name in imports(path, types=room != "")} - sys.stdlib_module_names - {"ser_tl"}
    assert outside - allowed == set()


def test_the_reading_finds_imports_wherever_they_hide(tmp_path):
    path = tmp_path / "hidden.py"
    path.write_text(
        "import l\nfrom typing import TYPE_CHECKING\nimport a.b, c as d\n"
        "if TYPE_CHECKING:\n    import e\nelse:\n    import f\n"
        "def late():\n    from g.h import i as j\nclass K:\n    try:\n        import m\n    except E:\n        pass\n"
    )
    everything = {"typing.TYPE_CHECKING", "a.b", "c", "e", "f", "g.h.i", "l", "m"}
    assert set(imports(path)) == everything
    assert set(imports(path, types=False)) == everything - {"e"}


@each_module
def test_input_is_refused_by_errors_and_not_by_assert(path):
    assert [node.lineno for node in nodes_of(path) if isinstance(node, ast.Assert)] == []


@each_module
def test_no_error_is_swallowed_whole(path):
    handlers = [node for node in nodes_of(path) if isinstance(node, ast.ExceptHandler)]
    bare = [node.lineno for node in handlers if node.type is None or ast.unparse(node.type) == "BaseException"]
    assert bare == []


@each_module
def test_only_the_command_line_prints(path):
    assert room_of(path) == "cli" or calls(path, "print") == []


@each_module
def test_nothing_is_evaluated_or_unpickled(path):
    assert calls(path, "eval", "exec", "compile", "__import__") == []
    picklers = {name for name in imports(path) if name.split(".")[0] in PICKLERS}
    assert picklers == UNPICKLERS.get(path.relative_to(HOME).as_posix(), set())


@each_recipe
def test_recipes_know_one_name(path):
    own = [
        line for line in path.read_text("utf-8").splitlines() if line.lstrip().startswith(("import ser_", "from ser_"))
    ]
    assert own == ["import ser_tl as ser"]


def test_a_recipe_shows_its_own_subject_in_forty_lines():
    """What recipes share is in `ser_tl.experiments`."""
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in (HOME.parent / "recipes").glob("*.py")}
    assert len(lengths) > 10
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}


@each_recipe
def test_recipes_use_public_names_only(path):
    used = {
        node.attr
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ser"
    }
    assert used - set(ser_tl.__all__) == set()


@pytest.mark.slow
def test_the_public_names_are_those_that_type_checkers_see():
    tree = ast.parse((HOME / "__init__.py").read_text("utf-8"))
    block = next(node for node in tree.body if only_for_types(node))
    aliases = [(node.module, alias) for node in block.body for alias in node.names]
    assert all(alias.name == alias.asname for _, alias in aliases)
    assert {alias.name: module for module, alias in aliases} == ser_tl._HOMES
    assert all(getattr(ser_tl, name) is not None for name in ser_tl.__all__)
    with pytest.raises(AttributeError, match="module 'ser_tl' has no attribute 'nothing'"):
        _ = ser_tl.nothing


HEAVY = {"torch", "torchaudio", "transformers", "datasets", "numpy", "scipy", "pandas", "accelerate", "peft"}
HEAVY |= {"sklearn", "matplotlib", "librosa"}


def test_importing_the_package_loads_nothing_heavy():
    program = "import sys, ser_tl; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HOME.parent)
    assert set(done.stdout.split()) & HEAVY == set()
    assert "ser_tl" in done.stdout.split()
    assert done.stderr == ""


def loaded_by(*modules):
    """What a fresh interpreter has loaded after importing modules."""
    program = f"import sys, {', '.join(modules)}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HOME.parent)
    return set(done.stdout.split())


@pytest.mark.slow
def test_the_model_is_a_network_and_no_more():
    loaded = loaded_by("ser_tl.model")
    assert len({name for name in loaded if name.startswith("ser_tl")}) < 60
    assert loaded & {"datasets", "peft", "evaluate", "accelerate", "matplotlib", "sklearn"} == set()


def test_a_predictor_needs_no_torch_until_it_has_a_model_in_torch():
    loaded = loaded_by("ser_tl.inference", "ser_tl.streaming", "ser_tl.serving.service")
    assert loaded & (HEAVY - {"numpy"}) == set()
    assert not any(name.startswith(("ser_tl.training", "ser_tl.model", "ser_tl.encoders")) for name in loaded)


def test_the_trainer_names_no_technique_and_few_of_its_neighbours():
    names = imports(HOME / "training" / "trainer.py")
    own = {".".join(name.split(".")[:3]) for name in names if name.startswith("ser_tl.training.")}
    assert len(own) <= 8, sorted(own)
    assert [name for name in names if name.startswith("ser_tl.training.parts.") and name.count(".") > 3] == []


def test_no_file_is_longer_than_a_reader_holds():
    longest = {str(path.relative_to(HOME)): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in longest.items() if lines > 300} == {}


@pytest.mark.slow
def test_figures_are_made_without_pictures():
    loaded = loaded_by("ser_tl.comparison")
    assert loaded & {"matplotlib", "evaluate", "peft", "accelerate"} == set()
    assert not any(name.startswith("ser_tl.reporting") for name in loaded)


def test_no_public_name_is_a_module_too():
    """Importing ser_tl.NAME would put the module in the place of the name."""
    assert {path.stem for path in HOME.glob("*.py")} & set(ser_tl.__all__) == set()
    assert {path.name for path in HOME.iterdir() if path.is_dir()} & set(ser_tl.__all__) == set()
