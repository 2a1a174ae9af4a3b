"""What `ser-tl push` takes to a hub, what it refuses, and what it asks before everyone can see it."""

import io
import json
import shutil
import sys

import pytest
import soundfile

import ser_tl as ser
from ser_tl import cli
from ser_tl.errors import CheckpointError
from ser_tl.model import CONFIG_FILE
from ser_tl.model.serialization import write_remote
from tests.encoders.tiny import clip, save
from tests.model.test_saved_before import SAVED
from tests.test_model import build

pytestmark = pytest.mark.slow

CARD = "---\nlibrary_name: ser_tl\n---\n# A model\n"


@pytest.fixture
def run(tmp_path):
    """A run's folder, its model with card and picture in it."""
    shutil.copytree(SAVED / "run", tmp_path / "run")
    build().save_pretrained(tmp_path / "run" / "model")
    write_remote(tmp_path / "run" / "model")
    (tmp_path / "run" / "model" / "README.md").write_text(CARD)
    (tmp_path / "run" / "model" / "confusion.png").write_bytes(b"\x89PNG")
    return tmp_path / "run"


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "hub").mkdir()
    return f"file://{tmp_path}/hub/me/model"


def push(folder, repo, *options):
    return cli.main(["push", str(folder), repo, *options])


def test_a_model_an_adapter_and_a_card_alone_go_to_a_hub(run, repo, tmp_path):
    assert push(run / "model", repo) == 0
    assert ser.EmotionModel.from_pretrained(repo).labels == build().labels
    base = ser.EmotionModel.from_pretrained(SAVED / "wav2vec2").encoder
    ser.save_adapter(ser.load_adapter(SAVED / "adapter", base), tmp_path / "adapter")
    assert push(tmp_path / "adapter", f"{repo}_adapter") == 0
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "README.md").write_text(CARD)
    (tmp_path / "card" / "confusion.png").write_bytes(b"\x89PNG")
    assert push(tmp_path / "card", f"{repo}_card") == 0


def test_a_run_is_refused_and_its_model_is_named(run, repo, capsys, tmp_path):
    assert push(run, repo) == 1
    said = capsys.readouterr().err
    assert "neither a model nor an adapter, so it isn't pushed; this is a run's folder. Push its model:" in said
    assert f"\n  {run / 'model'}\n" in said
    assert list((tmp_path / "hub").iterdir()) == []


def test_the_models_of_folds_and_adapters_of_seeds_are_named(tmp_path, repo, capsys):
    for name in ("run/fold_1/model", "run/fold_2/model"):
        build().save_pretrained(tmp_path / name)
    assert push(tmp_path / "run", repo) == 1
    said = capsys.readouterr().err
    assert all(str(tmp_path / "run" / fold / "model") in said for fold in ("fold_1", "fold_2"))
    shutil.copytree(SAVED / "adapter", tmp_path / "other" / "seed_0" / "adapter")
    assert push(tmp_path / "other", repo) == 1
    assert f"Push its adapter:\n  {tmp_path / 'other' / 'seed_0' / 'adapter'}" in capsys.readouterr().err


def test_a_run_that_has_no_model_yet_says_so(run, repo, capsys):
    shutil.rmtree(run / "model")
    assert push(run, repo) == 1
    assert "it has no model: has its training ended?" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--public"], ["--public", "--yes"]], ids=" ".join)
def test_recordings_are_refused_whatever_is_asked(options, tmp_path, repo, capsys):
    (tmp_path / "voices").mkdir()
    for number in range(3):
        soundfile.write(tmp_path / "voices" / f"{number}.wav", clip(4000).numpy(), 16_000)
    assert push(tmp_path / "voices", repo, *options) == 1
    assert "neither a model nor an adapter, so it isn't pushed" in capsys.readouterr().err
    assert list((tmp_path / "hub").iterdir()) == []


@pytest.mark.parametrize("name", ["voices/1.wav", "predictions.csv", "config.yaml", "pictures/a.png", "notes.txt"])
def test_what_lies_in_a_model_s_folder_by_mistake_is_named(name, run, repo, capsys):
    (run / "model" / name).parent.mkdir(exist_ok=True)
    (run / "model" / name).write_text("mine")
    assert push(run / "model", repo) == 1
    assert "holds a model and 1 other files, which aren't pushed by mistake: move them elsewhere" in (
        said := capsys.readouterr().err
    )
    assert f"\n  {name}\n" in said


def test_an_encoder_and_a_damaged_model_are_refused(run, repo, tmp_path, capsys):
    assert push(save("wav2vec2", tmp_path / "encoder"), repo) == 1
    assert "this is not a model of ser_tl" in capsys.readouterr().err
    (run / "model" / CONFIG_FILE).write_text("{")
    assert push(run / "model", repo) == 1
    assert "damaged, not JSON" in capsys.readouterr().err
    (tmp_path / "readme").mkdir()
    (tmp_path / "readme" / "README.md").write_text("# My diary")
    assert push(tmp_path / "readme", repo) == 1
    assert push(tmp_path / "nowhere", repo) == 1
    assert "no such folder" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "status"), [("yes\n", 0), (" YES \n", 0), ("y\n", 1), ("\n", 1), ("", 1)])
def test_what_everyone_may_see_is_asked_about_on_a_terminal(answer, status, run, repo, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert push(run / "model", repo, "--public") == status
    said = capsys.readouterr().err
    assert "MiB  model.safetensors" in said
    assert "May everyone see it? Type yes" in said


def test_without_a_terminal_it_takes_another_word(run, repo, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert push(run / "model", repo, "--public") == 1
    assert "add --yes to --public if everyone may see it" in capsys.readouterr().err
    assert push(run / "model", repo, "--public", "--yes") == 0


def test_speakers_names_are_in_no_file_that_is_pushed(run, repo):
    model = build()
    model.known_speakers = ["Ann Lee", "Jürgen Ohm"]
    model.save_pretrained(run / "model")
    assert push(run / "model", repo) == 0
    for path in ser.pull_folder(repo).iterdir():
        assert not any(name.encode() in path.read_bytes() for name in ("Ann", "Lee", "rgen", "Ohm"))
    assert ser.EmotionModel.from_pretrained(repo).known_speakers.among(["Ann Lee", "x"]) == ["Ann Lee"]


@pytest.mark.parametrize(("name", "count"), [("wav2vec2", 3), ("adapter", 1)])
def test_names_that_an_earlier_version_saved_are_not_pushed(name, count, repo, capsys):
    assert push(SAVED / name, repo) == 1
    said = capsys.readouterr().err
    assert f"with the names of {count} training speakers, which everyone could read: save it again" in said


def test_the_package_shows_its_names():
    shown = dir(ser)
    assert {"EmotionModel", "Trainer", "load_corpus", "__version__"} <= set(shown)
    assert set(ser.__all__) <= set(shown)
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"pooling": "mine"}, "no pooling called 'mine'"),
        ({"encoder": {"family": "mine", "config": {}, "name": ""}}, "no encoder family called 'mine'"),
        ({"model": {"network": "mine"}}, "no network called 'mine'"),
    ],
    ids=["pooling", "encoder", "network"],
)
def test_a_model_that_needs_a_plug_in_says_so(change, what, run):
    config = json.loads((run / "model" / CONFIG_FILE).read_text())
    (run / "model" / CONFIG_FILE).write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=f"{what}.*plug-in.*import it before the model is loaded") as caught:
        ser.EmotionModel.from_pretrained(run / "model")
    assert "save the model again" not in str(caught.value)
