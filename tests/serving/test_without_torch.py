"""A server of a model that isn't in torch needs neither torch nor anything that comes with training."""

import subprocess
import sys
from pathlib import Path

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
