"""Trainings in shares equal those of whole models, and what can't be trained so says why."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.training import TrainConfig, Trainer
from ser_tl.training.compatibility import check_shardable
from ser_tl.transfer import Frozen, Full
from tests.forked import forked_python
from tests.training.samples import tiny_model, tone_split, train_config

HERE = Path(__file__).parents[2]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_shares_of_two_processes_train_the_same_model(tmp_path):
    command = [forked_python(), "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.runtime.sharded", str(tmp_path / "tones"), str(tmp_path / "made"), "progressive"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads((tmp_path / "made" / "result.json").read_text())

    apart = made["differences"]
    assert apart["progressive"] < 1e-6
    assert apart["adamw"] < 3e-4  # six steps of up to 3e-3
    assert apart["resumed"] < 1e-7
    assert made["held"] < 0.6  # of a tensor with an odd number of rows, one process has the larger half
    whole, resumed = made["histories"]
    assert resumed == [pytest.approx(record) if isinstance(record, float) else record for record in whole]
    model = EmotionModel.from_pretrained(tmp_path / "made" / "model")  # by one process: all of it is there
    report = Trainer(model, Frozen(), train_config(cache=False)).evaluate(tone_split(tmp_path / "tones", takes=1).test)
    assert np.allclose(report.predictions.probabilities, made["probabilities"], atol=1e-6)


def test_one_process_has_nobody_to_share_with():
    with pytest.raises(ConfigError, match=r"there is one: .*torchrun .*leave train\.shard out"):
        Trainer(tiny_model(), Full(), train_config(shard=True))


@pytest.mark.parametrize(
    ("config", "strategy", "way_out"),
    [
        (TrainConfig(shard=True, precision="fp16"), Full(), "choose bf16 or no"),
        (TrainConfig(shard=True, compile=True), Full(), "leave it or train.shard out"),
        (TrainConfig(shard=True), Full(l2sp=0.1), "leave one of the two out"),
    ],
)
def test_what_needs_whole_weights_is_refused(config, strategy, way_out):
    with pytest.raises(ConfigError, match=way_out):
        check_shardable(config, strategy, processes=2)
