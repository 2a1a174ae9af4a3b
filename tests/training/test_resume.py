"""Killed at any step, resumed, and as if nothing had happened."""

import json
import random
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from ser_tl.errors import CheckpointError, ConfigError, StorageError
from ser_tl.training import Trainer
from ser_tl.training.checkpoint import TrainingStates
from ser_tl.transfer import Frozen, Full
from tests.forked import forked_python
from tests.training.samples import interrupted, split_tones, tiny_model, tone_corpus, tone_split, train_config, untimed

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]


def run(root: Path, output: Path, *options: str) -> int:
    command = [forked_python(), "-m", "tests.training.samples", str(root), str(output), *options]
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

    model = tiny_model()
    with torch.no_grad():
        for weight in model.head.parameters():  # the state has it; another encoder would be refused
            weight.zero_()
    again = Trainer(model, Never(), config, tmp_path / "run")
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
        before = states._list_complete()
        save(states, progress, best)
        saved.append(states._list_complete()[-1].name)
        assert states._list_complete()[-1] not in before

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


@pytest.fixture
def stopped(tmp_path):
    """The folder of a training that ended in its second epoch, and what resumes it."""
    corpus = tone_corpus(tmp_path / "tones")
    split = split_tones(corpus)
    with pytest.raises(InterruptedError):
        Trainer(tiny_model(), interrupted(Full(), 9), train_config(), tmp_path / "run").fit(split.train, split.dev)

    def resume(*, model=None, corpus=corpus, **changes):
        split = split_tones(corpus)
        trainer = Trainer(model or tiny_model(), Full(), train_config(**changes), tmp_path / "run")
        return trainer, trainer.fit(split.train, split.dev, resume=True)

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
    one, other = (Path(row["audio"]["path"]) for row in split.dev.select([0, 5]))
    one.write_bytes(other.read_bytes())
    with pytest.raises(CheckpointError, match="the dev part's audio changed"):
        stopped()


def test_resume_refuses_an_encoder_whose_weights_were_replaced(stopped):
    with pytest.raises(CheckpointError, match="since this training began the encoder's weights changed"):
        stopped(model=tiny_model(seed=1))


def test_resume_refuses_classes_in_another_order(stopped):
    with pytest.raises(CheckpointError, match="the classes"):
        stopped(model=tiny_model(labels=["sadness", "anger", "neutral"]))


def test_resume_takes_the_same_inputs_and_other_rows_of_the_test_part(stopped):
    trainer, history = stopped(corpus=column(stopped.corpus, "language", lambda *_: "de"))
    assert len(history) == 3
    assert trainer.notes == []


def test_epochs_can_be_added_to_a_training_that_ended_or_was_stopped(tmp_path, stopped):
    trainer, history = stopped(epochs=4)
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert "resumed with another number of epochs (3, then 4)" in " ".join(trainer.notes)
    trainer, history = stopped(epochs=5)  # it has ended after its fourth
    assert len(history) == 5
    assert "(3, then 4, then 5)" in " ".join(trainer.notes)
    trainer, again = stopped(epochs=5)
    assert again == history
    assert "(3, then 4, then 5)" in " ".join(trainer.notes)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 1088 vs 982"),
        RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"),
    ],
)
def test_a_full_disk_is_a_sentence_and_resume_goes_on_once_there_is_room(tmp_path, monkeypatch, error):
    split = tone_split(tmp_path / "tones")
    whole = Trainer(tiny_model(), Full(), train_config(), tmp_path / "whole").fit(split.train, split.dev)
    save, left = Accelerator.save_state, [3]

    def full(self, folder):
        left[0] -= 1
        if left[0] < 0:
            Path(folder, "model.safetensors").write_bytes(b"half")
            raise error
        return save(self, folder)

    monkeypatch.setattr(Accelerator, "save_state", full)
    with pytest.raises(StorageError, match=r"states: the training state can't be written .*MiB are free.*`resume`"):
        Trainer(tiny_model(), Full(), train_config(), tmp_path / "run").fit(split.train, split.dev)
    monkeypatch.undo()
    again = Trainer(tiny_model(), Full(), train_config(), tmp_path / "run").fit(split.train, split.dev, resume=True)
    assert untimed(again) == untimed(whole)


def test_an_error_that_is_no_full_disk_stays_what_it_is(tmp_path, monkeypatch):
    split = tone_split(tmp_path / "tones")

    def broken(self, folder):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Accelerator, "save_state", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        Trainer(tiny_model(), Full(), train_config(), tmp_path / "run").fit(split.train, split.dev)


@pytest.mark.parametrize("strategy", ["frozen", Frozen, None, {"strategy": "full"}])
def test_what_is_no_strategy_is_refused_at_once(strategy):
    with pytest.raises(ConfigError, match=r"which is no Strategy: give an object.*Lora\(rank=8\)"):
        Trainer(tiny_model(), strategy)
