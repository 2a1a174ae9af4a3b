"""The example in JavaScript reads the folder and gives the same answer: the format is described well enough for others.

Needs node and onnxruntime-web: npm install onnxruntime-web, and SER_TL_NODE_MODULES names the node_modules.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile

from ser_tl.inference import Predictor
from tests.encoders.tiny import clip

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "predict.mjs"


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 40


@pytest.mark.parametrize("seconds", [0.1, 9.3])  # less than the shortest, three windows
def test_the_example_gives_the_same_answer(exported, tmp_path, seconds):
    modules = Path(os.environ.get("SER_TL_NODE_MODULES", "node_modules")).resolve()
    if shutil.which("node") is None or not (modules / "onnxruntime-web").is_dir():
        pytest.skip("needs node, and onnxruntime-web in SER_TL_NODE_MODULES")
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "node_modules").symlink_to(modules)
    soundfile.write(tmp_path / "clip.wav", 0.5 * clip(int(seconds * 16_000)).numpy(), 16_000, subtype="PCM_16")
    command = ["node", "predict.mjs", str(exported), "clip.wav"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (expected,) = Predictor(exported).predict(tmp_path / "clip.wav")
    assert json.loads(done.stdout) == pytest.approx(expected.probabilities, abs=1e-5)
