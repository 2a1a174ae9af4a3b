"""A server of a model that isn't in torch needs neither torch nor anything that comes with training."""

import subprocess
import sys
from pathlib import Path

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.inference import Predictor
from ser_tl.serving.models import find_bundled

pytestmark = pytest.mark.slow

ABSENT = "torch torchaudio transformers datasets huggingface_hub accelerate peft sklearn matplotlib pandas pyarrow"

PROGRAM = f"""
import sys

for name in {ABSENT.split()}:
    sys.modules[name] = None  # importing it fails

import ser_tl.cli
from tests.serving.running import Running, encode, tone

with Running() as server:
    answered = server.post(encode(tone()))
print(answered.status, answered.json["label"])
"""


def test_a_server_without_torch_answers():
    home = Path(__file__).parents[2]
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["200", "loud"]


BUNDLED_PROGRAM = f"""
import sys

for name in {ABSENT.split()}:
    sys.modules[name] = None

from ser_tl.serving.models import ModelStore

(model,) = ModelStore({{}}).models
print(model.name, type(model.session).__name__)
"""


@pytest.mark.exhaustive
def test_the_bundled_model_is_served_without_torch():
    pytest.importorskip("onnxruntime", reason='needs pip install "ser_tl[serve]"')
    home = Path(__file__).parents[2]
    command = [sys.executable, "-c", BUNDLED_PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["emodb_model", "OnnxSession"]


@pytest.mark.exhaustive
def test_the_bundled_export_is_of_the_bundled_model():
    pytest.importorskip("onnxruntime", reason='needs pip install "ser_tl[serve]"')
    ours, exported = Predictor(), Predictor(find_bundled())
    assert exported.labels == ours.labels
    assert exported.session.calibration == ours.session.calibration  # whose figures no other training has
    rows = load_corpus("emodb-mini").select(range(0, 530, 20))
    same = [one.label == other.label for one, other in zip(ours.predict(rows), exported.predict(rows), strict=True)]
    assert sum(same) >= 25  # of 27
    assert find_bundled("cuda").name == "emodb_model"
