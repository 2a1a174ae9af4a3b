"""Killed at any step, resumed, and as if nothing had happened."""

import json
import random
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from ser_tl.errors import CheckpointError, ConfigError, StorageError
from ser_tl.training import Trainer
from ser_tl.training.checkpoint import TrainingStates
from ser_tl.transfer import Frozen, Full
from tests.combinations import with_default
from tests.forked import forked_python
from tests.training.samples import BRIEF, interrupted, split_tones, tiny_model, tone_corpus, train_config, untimed

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]


def run(root: Path, output: Path, *options: str) -> int:
    command = [forked_python(), "-m", "tests.training.samples", str(root), str(output), *options]
    return subprocess.run(command, cwd=HERE, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), takes=1)


@pytest.fixture(scope="module")
def split(corpus):
    return split_tones(corpus)


def fit(split, folder, strategy=None, *, resume=False, **changes):
    """A history of two epochs of five steps."""
    trainer = Trainer(tiny_model(), strategy or Full(), train_config(**(BRIEF | changes)), folder)
    return trainer.fit(split.train, split.dev, resume=resume)


@pytest.fixture(scope="module")
def whole(split, tmp_path_factory):
    """The history of a training that nothing disturbs."""
    return untimed(fit(split, tmp_path_factory.mktemp("whole")))


@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
def test_resuming_in_the_middle_of_an_epoch_gives_the_same_history(split, whole, stopped):
    saved = [path.name for path in (stopped.folder / "states").iterdir()]
    assert saved == ["step_00000007"]  # two steps into the second epoch of five
    assert untimed(fit(split, stopped.folder, resume=True)) == whole


@pytest.mark.exhaustive
def test_resume_without_a_state_begins_at_the_beginning(split, tmp_path):
    assert len(fit(split, tmp_path / "run", resume=True, epochs=1)) == 1


@pytest.fixture(scope="module")
def finished(split, tmp_path_factory):
    """A finished training of one epoch for each `keep`: its folder, history and weights."""

    @cache
    def train(keep):
        folder = tmp_path_factory.mktemp(keep)
        trainer = Trainer(tiny_model(), Full(), train_config(**(BRIEF | {"epochs": 1}), keep=keep), folder)
        return folder, trainer.fit(split.train, split.dev), trainer.model.state_dict()

    return train


@pytest.mark.parametrize("keep", with_default(["best", "last"], ["last"]))
def test_a_finished_training_resumes_to_its_end_without_a_step(split, finished, keep):
    folder, history, weights = finished(keep)

    class Never(Full):
        def penalty(self, output, batch):
            raise AssertionError("no step was due")

    model = tiny_model()
    with torch.no_grad():
        for weight in model.head.parameters():  # the state has it; another encoder would be refused
            weight.zero_()
    again = Trainer(model, Never(), train_config(**(BRIEF | {"epochs": 1}), keep=keep), folder)
    assert again.fit(split.train, split.dev, resume=True) == history
    assert all(tensor.equal(weights[name]) for name, tensor in again.model.state_dict().items())


@pytest.mark.parametrize("damaged", ["progress.json", "optimizer.bin", "random_states_0.pkl"])
def test_a_damaged_state_is_refused_with_the_way_out(split, finished, tmp_path, damaged):
    shutil.copytree(finished("last")[0], tmp_path / "run")
    (state,) = (tmp_path / "run" / "states").iterdir()
    (state / damaged).write_bytes((state / damaged).read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"delete .*states to train from the beginning"):
        fit(split, tmp_path / "run", resume=True, epochs=1)


def test_a_half_written_state_is_not_taken_for_a_state(split, tmp_path):
    (tmp_path / "run" / "states" / "step_00000099.part").mkdir(parents=True)
    assert len(fit(split, tmp_path / "run", resume=True, epochs=1)) == 1


def test_a_state_never_takes_the_place_of_the_only_other_one(split, tmp_path, monkeypatch):
    """Where states are saved in the last step of an epoch too, the epoch's own state is another one."""
    saved, save = [], TrainingStates.save

    def noted(states, progress, best):
        before = states._list_complete()
        save(states, progress, best)
        saved.append(states._list_complete()[-1].name)
        assert states._list_complete()[-1] not in before

    monkeypatch.setattr(TrainingStates, "save", noted)
    fit(split, tmp_path / "run", save_every=5)
    assert saved == ["step_00000005", "step_00000005_epoch", "step_00000010", "step_00000010_finished"]


def test_a_training_that_diverges_says_so(split):
    class Wild(Full):
        def penalty(self, output, batch):
            return output.logits.sum() * 1e30

    with pytest.raises(ConfigError, match=r"epoch 1, step \d: the loss isn't a number any more.*lower train\.learning"):
        fit(split, None, Wild(), learning_rate=1e30, encoder_learning_rate=1e30, clip=0.0)


@pytest.fixture(scope="module")
def stopped_run(split, tmp_path_factory):
    """The folder of a training that ended in the eighth of ten steps; read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(InterruptedError):
        fit(split, folder, interrupted(Full(), 8))
    return folder


@pytest.fixture
def stopped(corpus, stopped_run, tmp_path):
    """A copy of that folder, and what resumes it."""

    def resume(*, model=None, corpus=corpus, **changes):
        split = split_tones(corpus)
        trainer = Trainer(model or tiny_model(), Full(), train_config(**(BRIEF | changes)), resume.folder)
        return trainer, trainer.fit(split.train, split.dev, resume=True)

    resume.folder = shutil.copytree(stopped_run, tmp_path / "run")
    resume.corpus = corpus
    return resume


def column(corpus, name, change):
    values = [change(row, value) for row, value in enumerate(corpus[name][:])]
    return corpus.remove_columns(name).add_column(name, values)


def test_resume_refuses_labels_that_were_changed_meanwhile(stopped):
    other = {"anger": "sadness", "sadness": "anger", "neutral": "anger"}
    first = split_tones(stopped.corpus).train["id"][0]
    row = stopped.corpus["id"][:].index(first)
    changed = column(stopped.corpus, "emotion", lambda number, name: other[name] if number == row else name)
    with pytest.raises(CheckpointError, match=r"the training part's labels or speakers changed.*start anew"):
        stopped(corpus=changed)


def test_resume_refuses_audio_that_was_replaced_under_its_name(stopped):
    split = split_tones(stopped.corpus)
    one, other = (Path(row["audio"]["path"]) for row in split.dev.select([0, 2]))
    before = one.read_bytes()
    one.write_bytes(other.read_bytes())
    try:
        with pytest.raises(CheckpointError, match="the dev part's audio changed"):
            stopped()
    finally:
        one.write_bytes(before)


def test_resume_refuses_an_encoder_whose_weights_were_replaced(stopped):
    with pytest.raises(CheckpointError, match="since this training began the encoder's weights changed"):
        stopped(model=tiny_model(seed=1))


@pytest.mark.exhaustive
def test_resume_refuses_classes_in_another_order(stopped):
    with pytest.raises(CheckpointError, match="the classes"):
        stopped(model=tiny_model(labels=["sadness", "anger", "neutral"]))


def test_resume_takes_the_same_inputs_and_other_rows_of_the_test_part(stopped):
    trainer, history = stopped(corpus=column(stopped.corpus, "language", lambda *_: "de"))
    assert len(history) == 2
    assert trainer.notes == []


@pytest.mark.exhaustive
def test_epochs_can_be_added_to_a_training_that_ended_or_was_stopped(stopped):
    trainer, history = stopped(epochs=3)
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert "resumed with another number of epochs (2, then 3)" in " ".join(trainer.notes)
    trainer, history = stopped(epochs=4)  # it has ended after its third
    assert len(history) == 4
    assert "(2, then 3, then 4)" in " ".join(trainer.notes)
    trainer, again = stopped(epochs=4)
    assert again == history
    assert "(2, then 3, then 4)" in " ".join(trainer.notes)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        *[
            pytest.param(RuntimeError(message), marks=pytest.mark.exhaustive)
            for message in (
                "[enforce fail at inline_container.cc:664] . unexpected pos 1088 vs 982",
                "PytorchStreamWriter failed writing file data/3: file write failed",
            )
        ],
    ],
)
def test_a_full_disk_is_a_sentence_and_resume_goes_on_once_there_is_room(split, whole, tmp_path, monkeypatch, error):
    save, left = Accelerator.save_state, [3]

    def full(self, folder):
        left[0] -= 1
        if left[0] < 0:
            Path(folder, "model.safetensors").write_bytes(b"half")
            raise error
        return save(self, folder)

    monkeypatch.setattr(Accelerator, "save_state", full)
    with pytest.raises(StorageError, match=r"states: the training state can't be written .*MiB are free.*`resume`"):
        fit(split, tmp_path / "run")
    monkeypatch.undo()
    assert untimed(fit(split, tmp_path / "run", resume=True)) == whole


def test_an_error_that_is_no_full_disk_stays_what_it_is(split, tmp_path, monkeypatch):
    def broken(self, folder):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Accelerator, "save_state", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        fit(split, tmp_path / "run")


@pytest.mark.parametrize("strategy", ["frozen", Frozen, None, {"strategy": "full"}])
def test_what_is_no_strategy_is_refused_at_once(strategy):
    with pytest.raises(ConfigError, match=r"which is no Strategy: give an object.*Lora\(rank=8\)"):
        Trainer(tiny_model(), strategy)
