"""`ser-tl augment`: what each transform does to a recording, to hear and to see."""

import numpy as np
import pytest
import soundfile

from ser_tl import cli
from tests.training.samples import tone_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A recording."""
    folder = tmp_path_factory.mktemp("tones")
    tone_corpus(folder, speakers=1, takes=1)
    return folder / "anger_0_0.wav"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--seed", "-1"], "--seed is -1: expected 0 or more"),
        (["--max_seconds", "0"], "--max_seconds is 0.0: clips need at least 0.1 s"),
        (["--max_seconds", "-3"], "--max_seconds is -3.0: clips need at least 0.1 s"),
    ],
)
def test_augment_refuses_numbers_without_sense(file, tmp_path, options, told, capsys):
    command = ["augment", str(file), "--output", str(tmp_path), *options]
    assert cli.main(command) == 1
    assert f"error: {told}" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_augment_writes_each_transform_to_hear_and_a_picture(file, tmp_path, capsys):
    assert cli.main(["augment", str(file), "--output", str(tmp_path / "heard")]) == 0
    told = capsys.readouterr().out.splitlines()
    names = {path.stem.partition("_")[2] for path in (tmp_path / "heard").glob("*.flac")}
    assert names == {
        *("original", "babble", "background", "crop", "gain", "mixup", "noise", "pitch", "reverb", "speed", "stretch"),
        *("telephone", "silence", "clipping", "codec"),
    }
    assert any("frames" in line and "bands blank" in line for line in told)
    assert (tmp_path / "heard" / "augmentation.png").stat().st_size > 20_000
    original, rate = soundfile.read(tmp_path / "heard" / "00_original.flac")
    assert rate == 16_000
    for path in (tmp_path / "heard").glob("*.flac"):
        heard, _ = soundfile.read(path)
        assert path.stem == "00_original" or len(heard) != len(original) or np.abs(heard - original).max() > 1e-3


def test_augment_shows_a_preset_its_changes_and_its_chain(file, tmp_path, capsys):
    command = ["augment", str(file), "--output", str(tmp_path), "--seed", "3"]
    command += ["--augment.preset", "ser", "--augment.transforms", "{noise: {snr: 7}, pitch: null}"]
    assert cli.main(command) == 0
    assert "SNR in dB 7, colour white" in capsys.readouterr().out
    names = [path.stem for path in sorted(tmp_path.glob("*.flac"))]
    chains = [f"{number:02}_whole_chain_{number - 2}" for number in (3, 4, 5)]
    assert names == ["00_original", "01_stretch", "02_noise", *chains]


def test_augment_tells_what_there_is_not(file, tmp_path, capsys):
    command = ["augment", str(file), "--output", str(tmp_path), "--augment.preset", "sre"]
    assert cli.main(command) == 1
    assert "error: there is no augmentation preset called 'sre': did you mean 'ser'?" in capsys.readouterr().err
