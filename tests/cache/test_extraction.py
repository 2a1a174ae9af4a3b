"""A cache filled ahead of training: whole after any kill, shared out over processes, and what a training looks for."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import torch

from ser_tl import cli
from ser_tl.cache.entry import read_state
from ser_tl.cache.extraction import extract_features
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.data.audio import AudioConfig
from ser_tl.data.audio_config import NEW_MODELS
from ser_tl.data.batching import UtteranceDataset
from ser_tl.encoders import load_encoder
from ser_tl.errors import CacheError, ConfigError
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.training import TrainConfig, Trainer
from ser_tl.transfer import Frozen, Partial
from tests.encoders.tiny import LAYERS, save
from tests.forked import forked_python
from tests.training.samples import TONES, tone_corpus

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]
STATES = LAYERS + 1

# Dies while an entry is half written, after so many whole ones.
KILLED = """
import os, signal, sys
from pathlib import Path
from ser_tl import cli
from ser_tl.cache import entry
whole, left = entry.save_file, int(sys.argv[1])
def dying(tensors, path, metadata):
    global left
    left -= 1
    whole(tensors, path, metadata)
    if left < 0:
        Path(path).write_bytes(Path(path).read_bytes()[:100])
        os.kill(os.getpid(), signal.SIGKILL)
entry.save_file = dying
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """An encoder's folder and a manifest of tones."""
    folder = tmp_path_factory.mktemp("tones")
    lines = ["path,emotion,speaker,id"]
    for row in tone_corpus(folder / "audio", speakers=3):
        lines.append(f"{row['audio']['path']},{row['emotion']},{row['speaker']},{row['id']}")
    (folder / "tones.csv").write_text("\n".join(lines))
    save("whisper", folder / "whisper")
    return folder


def command(tones, *more):
    encoder, corpus = str(tones / "whisper"), ["--corpus", "csv", "--root", str(tones / "tones.csv")]
    return ["extract", "--encoder", encoder, *corpus, "--batch_seconds", "4", *more]


def run(cache, *program):
    environment = os.environ | {"SER_TL_CACHE": str(cache)}
    return subprocess.run(
        [forked_python(), *program], cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )


def entries(cache):
    return {str(path.relative_to(cache)): path for path in cache.glob("*/*/*.safetensors")}


def same(one, other):
    return all(
        torch.allclose(mine.mean + mine.residual, its.mean + its.residual, atol=2e-3)
        for mine, its in ((read_state(one[name]), read_state(other[name])) for name in one)
    )


@pytest.fixture(scope="module")
def whole(tones, tmp_path_factory):
    """The entries that a job leaves which nothing disturbs."""
    cache = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_TL_CACHE", str(cache))
        assert cli.main(command(tones)) == 0
    return entries(cache)


def test_a_job_killed_in_the_middle_goes_on_where_it_was(tones, whole, tmp_path, monkeypatch):
    assert len(whole) == 27 * STATES
    killed = run(tmp_path / "killed", "-c", KILLED, "50", *command(tones))
    assert killed.returncode == -signal.SIGKILL
    before = {name: path.stat().st_ino for name, path in entries(tmp_path / "killed").items()}
    assert len(before) == 50
    assert len(list((tmp_path / "killed").glob("*/*/*.part"))) == 1
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "killed"))
    assert cli.main(command(tones)) == 0
    after = entries(tmp_path / "killed")
    assert {name: after[name].stat().st_ino for name in before} == before
    assert after.keys() == whole.keys()
    assert same(after, whole)
    assert FeatureCache(tmp_path / "killed").verify() == []


@pytest.mark.exhaustive
def test_two_processes_share_the_work(tones, whole, tmp_path):
    program = tmp_path / "watched.py"  # progress bars are for terminals
    program.write_text("import sys\nfrom ser_tl import cli\nsys.stderr.isatty = lambda: True\nsys.exit(cli.main())\n")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(program)]
    done = run(tmp_path / "two", *launch, *command(tones))
    assert done.returncode == 0, done.stderr[-3000:]
    two = entries(tmp_path / "two")
    assert two.keys() == whole.keys()
    assert same(two, whole)
    assert done.stdout.count("27 clips of csv") == 1
    encoded = re.findall(r"encoding: +\d+%\D*\d+/(\d+) ", done.stderr)
    assert set(encoded) == {"3"}  # of five batches; the other process shows no bar for its two


@pytest.mark.exhaustive
def test_a_training_finds_what_was_extracted_whatever_it_uses_of_it(tones, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    assert cli.main(command(tones)) == 0
    found = entries(tmp_path)
    size = sum(path.stat().st_size for path in found.values()) / 2**20
    assert f"{tmp_path}: layers 0 1 2 3 of {tones / 'whisper'} for 27 clips of csv, 0.00 h, {size:.1f} MiB" in (
        capsys.readouterr().out
    )
    corpus = tone_corpus(tones / "audio", speakers=3)
    for strategy, layers in ((Frozen(), [1, 3]), (Partial(1), None)):
        config = ModelConfig(layers=layers)
        model = EmotionModel(load_encoder(str(tones / "whisper")), list(TONES), config=config, audio=NEW_MODELS)
        trainer = Trainer(model, strategy, TrainConfig(tracker="none"))
        trainer.features.load_training_clips(corpus)
    assert entries(tmp_path).keys() == found.keys()
    assert cli.main(command(tones, "--layers", "[2]")) == 0
    assert entries(tmp_path).keys() == found.keys()
    assert cli.main(command(tones, "--audio.normalise", "rms", "--layers", "[-1]")) == 0
    assert len(entries(tmp_path)) == 27 * (STATES + 1)


@pytest.mark.exhaustive
def test_states_too_many_for_the_cache_are_refused_with_the_way_out(tones, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    assert cli.main(command(tones, "--cache_gib", "0.00001")) == 1
    message = capsys.readouterr().err
    assert re.search(
        r"may hold 1e-05 GiB, too little for layers 0 1 2 3 of 27 clips: allow more \(--cache_gib\)", message
    )
    corpus = tone_corpus(tones / "audio", speakers=3)
    encoder = load_encoder(str(tones / "whisper"))
    with pytest.raises(CacheError, match="fewer `layers`"):
        extract_features(encoder, corpus, config=TrainConfig(cache_gib=1e-5))
    with pytest.raises(ConfigError, match="numbered 0 to 3"):
        extract_features(encoder, corpus, layers=[4])


@pytest.mark.exhaustive
def test_windows_of_long_clips_are_those_of_training_and_evaluation(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    corpus, audio = tone_corpus(tones / "audio", speakers=3), AudioConfig(max_seconds=0.2)
    found = extract_features(load_encoder(str(tones / "whisper")), corpus, layers=[0], audio=audio)
    assert found.clips == len(UtteranceDataset(corpus, [], audio, training=False)) == len(entries(tmp_path)) > 27
    model = EmotionModel(load_encoder(str(tones / "whisper")), list(TONES), config=ModelConfig(layers=[0]), audio=audio)
    feed = Trainer(model, Frozen(), TrainConfig(tracker="none")).features
    for clips_of in (feed.load_training_clips, feed.load_clips):
        clips_of(corpus)
    assert len(entries(tmp_path)) == found.clips
