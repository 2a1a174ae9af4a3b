"""Killed at any step, resumed, and as if nothing had happened."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.training import Trainer
from ser_tl.training.checkpoint import TrainingStates
from ser_tl.transfer import Full
from tests.training.samples import interrupted, tiny_model, tone_split, train_config, untimed

HERE = Path(__file__).parents[2]


def run(root: Path, output: Path, *options: str) -> int:
    command = [sys.executable, "-m", "tests.training.samples", str(root), str(output), *options]
    return subprocess.run(command, cwd=HERE, capture_output=True, check=False).returncode


def test_a_training_killed_at_a_random_step_ends_like_one_never_killed(tmp_path):
    step = random.SystemRandom().randrange(1, 14)
    whole = run(tmp_path / "tones", tmp_path / "whole")
    killed = run(tmp_path / "tones", tmp_path / "killed", "--kill-at", str(step))
    assert (whole, killed) == (0, -signal.SIGKILL), f"at step {step}"
    assert not (tmp_path / "killed" / "result.json").exists()

    resumed = run(tmp_path / "tones", tmp_path / "killed", "--resume")

    assert resumed == 0, f"at step {step}"
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "killed")]
    assert results[0] == results[1], f"killed at step {step}"
    assert len(results[0]["history"]) == 3


def test_resuming_in_the_middle_of_an_epoch_gives_the_same_history(tmp_path):
    split = tone_split(tmp_path / "tones")

    def fit(folder, strategy, *, resume=False):
        return Trainer(tiny_model(), strategy, train_config(), folder).fit(split.train, split.dev, resume=resume)

    whole = fit(tmp_path / "whole", Full())
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Full(), 10))
    saved = [path.name for path in (tmp_path / "stopped" / "states").iterdir()]
    assert saved == ["step_00000009"]  # two steps into the second epoch of seven
    resumed = fit(tmp_path / "stopped", Full(), resume=True)

    assert untimed(resumed) == untimed(whole)


def test_resume_without_a_state_begins_at_the_beginning(tmp_path):
    split = tone_split(tmp_path / "tones")
    trainer = Trainer(tiny_model(), Full(), train_config(epochs=1), tmp_path / "run")
    assert len(trainer.fit(split.train, split.dev, resume=True)) == 1


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_finished_training_resumes_to_its_end_without_a_step(tmp_path, keep):
    split = tone_split(tmp_path / "tones")
    config = train_config(epochs=1, keep=keep)
    trainer = Trainer(tiny_model(), Full(), config, tmp_path / "run")
    history = trainer.fit(split.train, split.dev)
    weights = trainer.model.state_dict()

    class Never(Full):
        def penalty(self, output, batch):
            raise AssertionError("no step was due")

    again = Trainer(tiny_model(seed=1), Never(), config, tmp_path / "run")
    assert again.fit(split.train, split.dev, resume=True) == history
    assert all(tensor.equal(weights[name]) for name, tensor in again.model.state_dict().items())


@pytest.mark.parametrize("damaged", ["progress.json", "optimizer.bin", "random_states_0.pkl"])
def test_a_damaged_state_is_refused_with_the_way_out(tmp_path, damaged):
    split = tone_split(tmp_path / "tones")
    Trainer(tiny_model(), Full(), train_config(epochs=1), tmp_path / "run").fit(split.train, split.dev)
    (state,) = (tmp_path / "run" / "states").iterdir()
    (state / damaged).write_bytes((state / damaged).read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"delete .*states to train from the beginning"):
        Trainer(tiny_model(), Full(), train_config(epochs=1), tmp_path / "run").fit(split.train, split.dev, resume=True)


def test_a_half_written_state_is_not_taken_for_a_state(tmp_path):
    split = tone_split(tmp_path / "tones")
    (tmp_path / "run" / "states" / "step_00000099.part").mkdir(parents=True)
    trainer = Trainer(tiny_model(), Full(), train_config(epochs=1), tmp_path / "run")
    assert len(trainer.fit(split.train, split.dev, resume=True)) == 1


def test_a_state_never_takes_the_place_of_the_only_other_one(tmp_path, monkeypatch):
    """Where states are saved in the last step of an epoch too, the epoch's own state is another one."""
    split = tone_split(tmp_path / "tones")
    saved, save = [], TrainingStates.save

    def noted(states, progress, best):
        before = states._whole()
        save(states, progress, best)
        saved.append(states._whole()[-1].name)
        assert states._whole()[-1] not in before

    monkeypatch.setattr(TrainingStates, "save", noted)
    Trainer(tiny_model(), Full(), train_config(epochs=2, save_every=7), tmp_path / "run").fit(split.train, split.dev)
    assert saved == ["step_00000007", "step_00000007_epoch", "step_00000014", "step_00000014_finished"]


def test_a_training_that_diverges_says_so(tmp_path):
    split = tone_split(tmp_path)

    class Wild(Full):
        def penalty(self, output, batch):
            return output.logits.sum() * 1e30

    trainer = Trainer(tiny_model(), Wild(), train_config(learning_rate=1e30, encoder_learning_rate=1e30, clip=0.0))
    with pytest.raises(ConfigError, match=r"epoch 1, step \d: the loss isn't a number any more.*lower train\.learning"):
        trainer.fit(split.train, split.dev)
