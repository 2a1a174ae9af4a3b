"""The files under recipes/accelerate are ones that `accelerate launch` reads, and tell nothing it doesn't know."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file

HOME = Path(__file__).parents[1] / "recipes" / "accelerate"
FILES = sorted(HOME.glob("*.yaml"))


def test_there_are_configs():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_accelerate_reads_it(path):
    config = load_config_from_file(str(path))
    assert config.distributed_type == "MULTI_GPU"
    assert config.num_processes >= config.num_machines
    assert set(yaml.safe_load(path.read_text())) <= {field.name for field in fields(ClusterConfig)}
