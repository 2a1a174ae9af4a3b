"""An exported model predicts where neither torch nor anything else of the core is installed, and sends nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import ser_tl
from ser_tl.encoders import FAMILIES
from ser_tl.export import export_model
from tests.encoders.tiny import KINDS, clip
from tests.export.samples import sample_model
from tests.export.test_families import model_on

pytestmark = pytest.mark.slow

RUNTIME = {"numpy", "soundfile", "soxr", "onnxruntime"}
"""What predicting with an exported model needs: requirements of docs/exporting.md."""

# Whatever else the core depends on can't be found, as where it isn't installed.
BLOCKER = """
import importlib.machinery, sys

class Blocker:
    names = {blocked!r}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
BLOCKED = {
    *("torch", "torchaudio", "transformers", "datasets", "accelerate", "evaluate", "huggingface_hub", "jsonargparse"),
    *("matplotlib", "peft", "yaml", "safetensors", "sklearn", "tensorboard", "tqdm", "scipy", "pandas", "pyarrow"),
    *("onnx", "onnxscript", "onnx_ir", "librosa", "requests", "httpx", "sympy"),
}


def run(program, *arguments, prefix=(), interpreter=sys.executable):
    script = BLOCKER.format(blocked=BLOCKED) + program
    environment = {**os.environ, "PYTHONPATH": str(Path(ser_tl.__file__).parents[1])}
    return subprocess.run(
        [*prefix, interpreter, "-c", script, *map(str, arguments)], capture_output=True, text=True, env=environment
    )


@pytest.fixture
def file(tmp_path):
    soundfile.write(tmp_path / "clip.wav", 0.5 * clip(24_000).numpy(), 16_000)
    return tmp_path / "clip.wav"


PREDICT = """
from ser_tl.inference import Predictor
predictor = Predictor(sys.argv[1])
found, = predictor.predict(sys.argv[2])
import json
print(json.dumps([found.to_dict(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_predicting_needs_the_runtime_alone(exported, file):
    done = run(PREDICT, exported, file)
    assert done.returncode == 0, done.stderr
    found, modules = json.loads(done.stdout)
    expected = sample_model().predict(file)
    assert found["label"] == expected.label
    assert list(found["probabilities"].values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-5)
    assert set(modules) & BLOCKED == set()
    assert set(modules) >= RUNTIME


COMMAND = """
from ser_tl.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_line_predicts_with_the_runtime_alone(exported, file, tmp_path):
    done = run(COMMAND, "predict", exported, file, "--format", "csv", "--output", tmp_path / "rows.csv")
    assert done.returncode == 0, done.stderr
    header, row = (tmp_path / "rows.csv").read_text().splitlines()
    assert header.startswith("file,start,end,label,anger,neutral,sadness,arousal,valence")
    assert row.startswith(f"{file},,,{sample_model().predict(file).label},")
    (line,) = run(COMMAND, "predict", exported, file).stdout.splitlines()
    assert json.loads(line)["file"] == str(file)


@pytest.mark.exhaustive
def test_what_needs_torch_says_so(file, tmp_path):
    done = run(COMMAND, "predict", file)
    assert done.returncode == 1
    assert "pip install ser_tl, or name the folder of an exported model" in done.stderr
    assert "Traceback" not in done.stderr
    for folder, found in ((tmp_path, "no exported model"), (tmp_path / "nowhere", "no such folder")):
        done = run(COMMAND, "predict", file, "--model", folder)
        assert done.returncode == 1
        assert f"error: {folder}: {found}; a model that isn't exported needs torch" in done.stderr
    for command in ("evaluate", "export", "compress", "serve", "train"):
        done = run(COMMAND, command, tmp_path)
        assert done.returncode == 1
        assert f"error: ser-tl {command}: the package jsonargparse isn't installed" in done.stderr
        assert "pip install ser_tl" in done.stderr
    done = run(COMMAND, "no-such-command")
    assert done.returncode == 2
    assert "invalid choice: 'no-such-command'" in done.stderr


FAMILY_KINDS = (
    *("wav2vec2", "hubert-group", "wavlm", "unispeech-sat", "data2vec-audio", "whisper", "moonshine"),
    *("soundnet", "vggish", "logmel-64", "mfcc", "fused"),
)


def test_every_family_that_can_be_exported_is_walked_through():
    families = {KINDS[kind].make(0).family for kind in FAMILY_KINDS}
    assert set(FAMILIES) - families == {"prosody", "egemaps"}  # whose pitch is a loop over frames


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", FAMILY_KINDS)
def test_every_family_predicts_by_the_command_line_without_torch(kind, file, tmp_path):
    """SER_TL_RUNTIME names the interpreter of an environment with the four packages of the runtime, and no others."""
    model = model_on(kind)
    export_model(model, tmp_path / "out")
    interpreter = os.environ.get("SER_TL_RUNTIME", sys.executable)
    done = run(COMMAND, "predict", tmp_path / "out", file, interpreter=interpreter)
    assert done.returncode == 0, done.stderr
    (row,) = map(json.loads, done.stdout.splitlines())
    expected = model.predict(file)
    assert row["label"] == expected.label
    assert list(row["probabilities"].values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-4)


ORDER = """
import importlib.abc, os
class Witness(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Witness())
from ser_tl.inference import Predictor
Predictor(sys.argv[1])
"""


def test_telemetry_is_off_before_the_runtime_is_imported(exported):
    assert run(ORDER, exported).stdout == "1\n"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to see what a process opens")
def test_no_connection_is_ever_opened(exported, file, tmp_path):
    trace = tmp_path / "trace"
    done = run(PREDICT, exported, file, prefix=("strace", "-f", "-qq", "-e", "trace=network", "-o", trace))
    if done.returncode and not trace.exists():
        pytest.skip(f"strace can't trace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    opened = [line for line in trace.read_text().splitlines() if "AF_INET" in line or "sendto" in line]
    assert opened == []


def test_only_one_place_imports_the_runtime():
    home = Path(ser_tl.__file__).parent
    importers = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        if re.search(r"^ *(import|from) onnxruntime", path.read_text(), flags=re.MULTILINE)
    }
    assert importers <= {"inference/onnx_session.py", "export/quantize.py"}
    if "export/quantize.py" in importers:
        text = (home / "export/quantize.py").read_text()
        assert text.index("load_onnxruntime()") < text.index("from onnxruntime")


@pytest.mark.exhaustive
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_and_time_stay_small(exported, file):
    program = """
import re, time
begin = time.process_time()
from ser_tl.inference import Predictor
predictor = Predictor(sys.argv[1])
loaded = time.process_time() - begin
predictor.predict(sys.argv[2])
print(loaded, int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
"""
    loaded, memory = map(float, run(program, exported, file).stdout.split())
    assert memory < 120  # MiB
    assert loaded < 3.0  # seconds of CPU, on a busy machine too; 0.5 on an idle one
