"""The benchmark of augmentation, end to end on tones and features without weights."""

import re

import pytest

import ser_tl as ser
from tests.benchmarks import augmentation
from tests.recipe_samples import tone_manifest
from tests.training.samples import train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.mark.exhaustive
def test_the_benchmark_tells_the_share_of_a_step_and_the_speed_of_each_transform(tmp_path, capsys):
    options = augmentation.Options(
        encoder="mfcc",
        strategy="frozen",
        corpus="csv",
        root=tone_manifest(tmp_path, takes=1),
        augment=ser.AugmentConfig("ser", {"mask": {}}),
        train=train_config(),
        rounds=1,
        clips=12,
    )
    augmentation.main(options)
    told = capsys.readouterr().out
    assert re.search(r"seconds a step: \d\.\d{3} without, \d\.\d{3} with: [+-]\d+\.\d %", told)
    names = re.findall(r"^([\w-]+) +\d+ seconds of audio a second$", told, re.MULTILINE)
    assert names == ["stretch", "pitch", "noise"]
