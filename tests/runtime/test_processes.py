"""Two processes on CPU: torchrun starts both, and their evaluation is that of one process."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.runtime.processes import build_accelerator, share_cores
from ser_tl.training import Trainer
from ser_tl.training.loop import score_dev
from ser_tl.transfer import Frozen
from tests.forked import forked_python
from tests.training.samples import tone_split, train_config, training_clips

HERE = Path(__file__).parents[2]


@pytest.mark.slow
def test_two_processes_train_together_and_score_like_one(tmp_path):
    command = [forked_python(), "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.training.samples", str(tmp_path / "tones"), str(tmp_path / "run")]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    two = json.loads((tmp_path / "run" / "result.json").read_text())

    split = tone_split(tmp_path / "tones")
    model = EmotionModel.from_pretrained(tmp_path / "run" / "model")
    trainer = Trainer(model, Frozen(), train_config(cache=False))
    one = trainer.evaluate(split.test)

    assert two["report"]["support"] == len(split.test)
    assert np.allclose(one.predictions.probabilities, two["probabilities"], atol=1e-6)
    assert one.as_json()["confusion"] == two["report"]["confusion"]
    training_clips(trainer, split)
    dev = score_dev(trainer.training)
    best = next(record for record in two["history"] if record["best"])
    assert dev["dev_loss"] == pytest.approx(best["dev_loss"], abs=1e-5)
    assert dev["dev_uar"] == pytest.approx(best["dev_uar"])


@pytest.mark.parametrize(
    ("environment", "asked", "threads"),
    [
        ({"ACCELERATE_MIXED_PRECISION": "no", "OMP_NUM_THREADS": "1"}, 0, 6),  # accelerate launch, left alone
        ({"ACCELERATE_MIXED_PRECISION": "no", "OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": "4"}, 0, 1),
        ({"ACCELERATE_MIXED_PRECISION": "no", "OMP_NUM_THREADS": "3"}, 0, None),  # accelerate launch, told otherwise
        ({"OMP_NUM_THREADS": "1"}, 0, None),  # torchrun, or a user's own choice
        ({"ACCELERATE_MIXED_PRECISION": "no", "OMP_NUM_THREADS": "1"}, 2, 2),
    ],
)
def test_cores_are_shared_out_where_accelerate_launch_would_use_one(monkeypatch, environment, asked, threads):
    for name in ("ACCELERATE_MIXED_PRECISION", "OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)))
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    chosen = []
    monkeypatch.setattr("torch.set_num_threads", chosen.append)
    share_cores(asked)
    assert chosen == ([] if threads is None else [threads])


def test_a_launcher_that_shards_the_model_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match=r"asks for FSDP.*recipes/accelerate/gpus\.yaml"):
        build_accelerator(train_config(), None)
