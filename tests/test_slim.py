"""`deploy/slim.py`: takes out what predicting never loads, and nothing else."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.inference.test_without_torch import run

SCRIPT = Path(__file__).parents[1] / "deploy" / "slim.py"


@pytest.fixture(scope="module")
def slim():
    spec = importlib.util.spec_from_file_location("slim", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GONE = (
    "onnxruntime/capi/libonnxruntime.so.1.32.0",
    "onnxruntime/transformers/models/gpt2/x.py",
    "numpy/linalg/tests/test_linalg.py",
    "numpy/__pycache__/x.pyc",
    "ser_tl/assets/emodb_mini/03a01Fa.opus",
)
LEFT = (
    "onnxruntime/capi/libonnxruntime_providers_shared.so",
    "onnxruntime/capi/onnxruntime_pybind11_state.so",
    "numpy/testing/__init__.py",
    "ser_tl/assets/silero_vad/model.onnx",
    "ser_tl/inference/predictor.py",
)


def environment(folder, *more):
    for name in (*GONE, *LEFT, *more):
        path = folder / "lib" / "python3.11" / "site-packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    return folder


def test_what_is_never_loaded_goes_and_all_else_stays(slim, tmp_path, capsys):
    packages = environment(tmp_path / "env") / "lib" / "python3.11" / "site-packages"
    outside = tmp_path / "numpy" / "tests"
    outside.mkdir(parents=True)
    before = slim.size(packages)
    assert slim.main([str(tmp_path / "env")]) == 0
    assert not any((packages / name).exists() for name in GONE)
    assert all((packages / name).exists() for name in LEFT)
    assert (before, slim.size(packages)) == (10_000, 5000)
    assert outside.is_dir()
    assert slim.main([str(tmp_path / "env")]) == 0  # again, which changes nothing
    assert "0 MB, now 0 MB" in capsys.readouterr().out


def test_an_environment_for_training_is_refused(slim, tmp_path):
    with pytest.raises(SystemExit, match="has torch"):
        slim.main([str(environment(tmp_path / "env", "torch/__init__.py"))])
    with pytest.raises(SystemExit, match="is no virtual environment"):
        slim.main([str(tmp_path)])
    (tmp_path / "bare" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    with pytest.raises(SystemExit, match="has no onnxruntime"):
        slim.main([str(tmp_path / "bare")])


LOADED = """
from ser_tl.inference import Predictor
Predictor(sys.argv[1]).predict(sys.argv[2])
import json, pathlib
files = [str(one.__file__) for one in list(sys.modules.values()) if getattr(one, "__file__", None)]
maps = pathlib.Path("/proc/self/maps")
files += [line.split()[-1] for line in maps.read_text().splitlines() if ".so" in line] if maps.exists() else []
print(json.dumps(sorted(set(files))))
"""


@pytest.mark.slow
def test_predicting_loads_nothing_of_what_goes(slim, exported, tmp_path):
    import onnxruntime
    import soundfile

    from tests.encoders.tiny import clip

    soundfile.write(tmp_path / "clip.wav", 0.5 * clip(24_000).numpy(), 16_000)
    done = run(LOADED, exported, tmp_path / "clip.wav")
    assert done.returncode == 0, done.stderr
    loaded = {Path(name) for name in json.loads(done.stdout.splitlines()[-1])}
    assert any("onnxruntime_pybind11_state" in path.name for path in loaded)
    packages = Path(onnxruntime.__file__).parents[1]
    touched = loaded | {parent for path in loaded for parent in path.parents}
    compiled = "**/__pycache__"  # of which Python makes what it needs
    assert touched.isdisjoint(slim.unneeded(packages, [one for one in slim.PATTERNS if one != compiled]))
