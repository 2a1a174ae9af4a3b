"""What goes wrong around a run: resuming it otherwise, full and read-only disks, Ctrl-C, odd terminals and files."""

import errno
import io
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

import ser_tl as ser
from ser_tl import cli, files, program, terminal
from ser_tl.cache import cache_folder
from ser_tl.cache.extraction import extract_features
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.errors import ConfigError, StorageError
from ser_tl.options import Options, parse
from ser_tl.program import run_main
from ser_tl.resume import CHANGEABLE
from ser_tl.run import run_splits, start_run
from ser_tl.runtime.launcher import launch_command
from ser_tl.training import TrainConfig
from ser_tl.training.compatibility import check_machine
from ser_tl.transfer import Frozen
from ser_tl.user_cache import find_cache_folder
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import tiny_model, tone_split, train_config, untimed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture
def recipe():
    return load_recipe("finetune_wav2vec2")


@pytest.fixture(autouse=True)
def started(monkeypatch):
    monkeypatch.setattr(program, "STARTED", [])
    monkeypatch.setattr("ser_tl.run.STARTED", program.STARTED)
    return program.STARTED


def begin(folder, **changes):
    return start_run(Options(output=folder, **changes))


CHANGES = [{"epochs": 5}, {"workers": 2}, {"threads": 1}, {"save_every": 3}, {"cache_gib": 1.0}, {"tracker": "none"}]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_run_is_resumed_with_other_options_that_change_no_result(tmp_path, changes):
    begin(tmp_path / "run")
    assert begin(tmp_path / "run", resume=True, train=TrainConfig(**changes)) == tmp_path / "run"
    assert set(CHANGEABLE) == {f"train.{name}" for one in CHANGES for name in one}


def test_what_can_not_be_changed_is_named_with_both_values(tmp_path):
    begin(tmp_path / "run")
    other = TrainConfig(learning_rate=1.0, workers=2, precision="bf16")
    with pytest.raises(ConfigError, match=r"values of train\.learning_rate, train\.precision: go on") as told:
        begin(tmp_path / "run", resume=True, train=other)
    assert "train.learning_rate: 0.0003 then, 1.0 now" in str(told.value)
    assert "train.workers" in str(told.value)  # as one that may


def test_epochs_are_not_added_to_folds_that_have_ended(tmp_path):
    begin(tmp_path / "run")
    (tmp_path / "run" / "fold_1").mkdir()
    (tmp_path / "run" / "fold_1" / "report.json").write_text("{}")
    assert begin(tmp_path / "run", resume=True)
    with pytest.raises(ConfigError, match=r"train\.epochs 10, and .*fold_1 has ended with them.*train\.epochs 12"):
        begin(tmp_path / "run", resume=True, train=TrainConfig(epochs=12))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[1]"], ids=str)
@pytest.mark.parametrize("name", ["config.yaml", "split.json"])
def test_a_file_that_an_older_kill_left_damaged_is_named_with_the_way_out(tmp_path, name, content):
    folder = begin(tmp_path / "run")
    (folder / "split.json").write_text("{}")
    (folder / name).write_bytes(content)
    if name == "config.yaml":
        with pytest.raises(ConfigError, match=r"config\.yaml (is damaged|can't be read)(.|\n)*[sS]tart a new run"):
            begin(folder, resume=True)
    else:
        with pytest.raises(ConfigError, match=r"split\.json (is damaged.*delete it|is of other utterances)"):
            run_splits([_Ids()], lambda *_: pytest.fail("ran"), begin(folder, resume=True))


class _Ids:
    name, ids = "holdout", {"train": ["a"]}


@pytest.mark.parametrize("name", ["config.yaml", "split.json"])
def test_a_kill_while_a_file_is_written_leaves_the_old_one(tmp_path, monkeypatch, name):
    class Killed(BaseException):
        pass

    folder = begin(tmp_path / "run")
    (folder / "split.json").write_text(json.dumps(_Ids.ids))
    before = (folder / name).read_bytes()
    write = Path.write_bytes

    def killed(path, content):
        if name in path.name:
            write(path, content[:10])
            raise Killed
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", killed)
    monkeypatch.setattr(files.Path, "unlink", lambda *_, **__: None)  # a killed process cleans nothing up
    with pytest.raises(Killed):
        run_splits([_Ids()], lambda *_: pytest.fail("ran"), begin(folder, resume=True))
    monkeypatch.undo()
    assert (folder / name).read_bytes() == before
    assert len(list(folder.glob("*.part"))) == 1
    begin(folder, resume=True)
    for path in folder.glob("*.json"):
        path.unlink()
    begin(folder)  # what a kill left is no run


def test_all_that_a_run_writes_is_whole_or_not_there(tmp_path, monkeypatch, recipe):
    """Every file took its name from a finished part: nothing is ever half written under its own name."""
    manifest = tone_manifest(tmp_path / "tones", takes=2)
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
    taken = set()
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: taken.add(Path(target).name) or replace(path, target))
    recipe.main(Options(corpus="csv", root=manifest, output=tmp_path / "run", train=train_config(epochs=1)))
    left = {path.name for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert left >= {"config.yaml", "split.json", "report.json", "predictions.csv", "history.json", "confusion.png"}
    assert left <= taken
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir() if path.is_file()}
    umask = os.umask(0)
    os.umask(umask)
    assert modes == {0o666 & ~umask}


def test_a_cache_that_can_not_be_written_to_is_refused_before_any_audio_is_read(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(sys, "argv", ["recipe", "--strategy", "frozen"])
    with pytest.raises(SystemExit) as ended:
        run_main(lambda _: pytest.fail("read audio"), Options, "Tries.")
    assert "file/cache can't be written to (Not a directory)" in str(ended.value)
    assert "--train.cache false" in str(ended.value)
    ran = []
    monkeypatch.setattr(sys, "argv", ["recipe", "--strategy", "frozen", "--train.cache", "false"])
    run_main(ran.append, Options, "Tries.")
    assert len(ran) == 1


def test_trainers_without_options_refuse_it_too_and_go_on_without_a_cache(tmp_path, monkeypatch):
    from ser_tl.transfer import Frozen, Full

    (tmp_path / "file").touch()
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match=r"feature cache .*file can't be written to"):
        ser.Trainer(tiny_model(), Frozen(), train_config())
    ser.Trainer(tiny_model(), Frozen(), train_config(cache=False))
    ser.Trainer(tiny_model(), Full(), train_config())  # nothing would be kept


def test_a_full_or_read_only_disk_under_the_cache_is_found_by_a_probe(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_folder.Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"\(No space left on device\): name a folder .*\$SER_TL_CACHE"):
        FeatureCache(tmp_path / "cache").check_writable()


@pytest.fixture
def read_only(monkeypatch):
    """Makes a folder one that nothing can be written to: root may write to any, whatever its permissions."""

    def seal(folder):
        open_file, mkdir = os.open, Path.mkdir

        def refuse(path):
            if str(path).startswith(str(folder)):
                raise OSError(errno.EROFS, "Read-only file system")

        def refusing_open(path, flags, *rest, **options):
            if flags & os.O_CREAT:
                refuse(path)
            return open_file(path, flags, *rest, **options)

        def refusing_mkdir(self, *rest, **options):
            if not self.is_dir():
                refuse(self)
            mkdir(self, *rest, **options)

        monkeypatch.setattr(os, "open", refusing_open)
        monkeypatch.setattr(Path, "mkdir", refusing_mkdir)
        monkeypatch.setattr(Path, "write_bytes", lambda self, _: refuse(self))
        monkeypatch.setattr(Path, "unlink", lambda self, *_, **__: refuse(self))
        monkeypatch.setattr(os, "utime", lambda path, *_, **__: refuse(path))

    return seal


@pytest.mark.exhaustive
def test_a_read_only_cache_that_has_everything_is_used(tmp_path, monkeypatch, read_only):
    split, other = tone_split(tmp_path / "tones"), tone_split(tmp_path / "others")
    folder = tmp_path / "cache"
    monkeypatch.setenv("SER_TL_CACHE", str(folder))
    before = ser.Trainer(tiny_model(), Frozen(), train_config(epochs=1)).fit(split.train, split.dev)
    read_only(folder)
    check_machine(train_config(), cached=True)
    trainer = ser.Trainer(tiny_model(), Frozen(), train_config(epochs=1))
    assert untimed(trainer.fit(split.train, split.dev)) == untimed(before)
    extract_features(tiny_model().encoder, split.dev, audio=tiny_model().audio, config=train_config())
    with pytest.raises(StorageError, match=r"feature cache .*cache can't be written to \(Read-only"):
        ser.Trainer(tiny_model(seed=1), Frozen(), train_config(epochs=1)).fit(other.train, other.dev)


def test_a_read_only_cache_with_nothing_in_it_is_refused_before_audio_is_read(tmp_path, monkeypatch, read_only):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    read_only(tmp_path / "cache")
    with pytest.raises(StorageError, match=r"can't be written to \(Read-only"):
        ser.Trainer(tiny_model(), Frozen(), train_config())
    with pytest.raises(StorageError, match=r"can't be written to \(Read-only"):
        check_machine(train_config(), cached=True)


def test_without_a_home_folder_only_a_cache_needs_one(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SER_TL_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache_folder.Path, "home", homeless)
    cache = FeatureCache()
    with pytest.raises(StorageError, match="there is no home folder"):
        cache.check_writable()
    monkeypatch.setenv("SER_TL_CACHE", "/somewhere")
    assert find_cache_folder() == Path("/somewhere")


@pytest.mark.parametrize("trained", [False, True])
def test_a_refused_run_leaves_no_dated_folder_and_a_begun_one_does(tmp_path, monkeypatch, trained):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recipe", "--strategy", "full"])

    def main(given):
        folder = start_run(given)
        (folder / "fold_1").mkdir()
        (folder / "fold_1" / "split.json").touch()
        if trained:
            (folder / "fold_1" / "history.json").touch()
        raise ConfigError("no")

    with pytest.raises(SystemExit, match="error: no"):
        run_main(main, Options, "Tries.")
    assert bool(list((tmp_path / "runs").iterdir())) == trained


def test_a_refused_run_leaves_the_folder_that_was_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["recipe", "--strategy", "full", "--output", str(tmp_path / "run")])

    def main(given):
        start_run(given)
        raise ConfigError("no")

    with pytest.raises(SystemExit, match="error: no"):
        run_main(main, Options, "Tries.")
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["strategy"] == "full"


def test_ctrl_c_says_how_to_go_on_and_is_no_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recipe", "--strategy", "full", "--output", str(tmp_path / "run")])

    def main(given):
        start_run(given)
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_main(main, Options, "Tries.")
    assert ended.value.code == 130
    config = tmp_path / "run" / "config.yaml"
    assert f"interrupted; to go on:\n    python recipe --config {config} --resume\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "environment", "command"),
    [
        ("recipes/lora.py", {}, "python recipes/lora.py"),
        ("ser-tl train", {}, "ser-tl train"),
        ("a b/lora.py", {"ACCELERATE_MIXED_PRECISION": "no"}, "accelerate launch 'a b/lora.py'"),
        (
            "ser-tl train",
            {"ACCELERATE_MIXED_PRECISION": "no", "TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"},
            "accelerate launch --num_processes 2 -m ser_tl.cli train",
        ),
        (
            "ser-tl lora",
            {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"},
            "torchrun --standalone --nproc_per_node 2 -m ser_tl.cli lora",
        ),
    ],
)
def test_the_line_that_resumes_is_the_one_that_started(program, environment, command):
    assert launch_command(environment, program) == command


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_commands_end_quietly_on_ctrl_c_and_where_nobody_reads(monkeypatch, capsys, error):
    def command(_):
        raise error

    monkeypatch.setattr("ser_tl.cli.lists.cache", command)
    assert cli.main(["cache"]) == (130 if error is KeyboardInterrupt else 141)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("more", "goes_on"), [([], False), (["--output", "rows.jsonl"], True)])
def test_ctrl_c_says_whether_the_same_command_goes_on(monkeypatch, capsys, more, goes_on):
    def command(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ser_tl.cli.predict.predict", command)
    assert cli.main(["predict", "clip.wav", *more]) == 130
    assert ("interrupted; the same command goes on" in capsys.readouterr().err) == goes_on


def test_a_pipe_that_is_closed_early_is_noticed_before_python_ends(monkeypatch):
    """As `ser-tl cache | head -1` does: the table fits in a buffer, and only flushing it fails."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert cli.main(["cache"]) == 141
        pipe.flush()  # into the null device: as Python does when it ends
        monkeypatch.undo()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_output_that_an_encoding_lacks_is_escaped(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    terminal.escape_unprintable()
    sys.stdout.write("\u03b1 = 0.5 \udcff")
    sys.stdout.flush()
    assert raw.getvalue() == (b"\xce\xb1" if encoding == "utf-8" else b"\\u03b1") + b" = 0.5 \\udcff"


@pytest.mark.parametrize("kind", ["run", "command"])
def test_programs_set_up_their_output(monkeypatch, kind):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    if kind == "run":
        monkeypatch.setattr(sys, "argv", ["recipe", "--strategy", "full"])
        run_main(lambda _: sys.stdout.write("\u4e2d"), Options, "Tries.")
    else:
        monkeypatch.setattr("ser_tl.cli.lists.cache", lambda _: sys.stdout.write("\u4e2d") * 0)
        assert cli.main(["cache"]) == 0


BINARY = [b"\x93NUMPY\x01\x00v\x00{\xff", b"encoder: \x00x", "encoder: \u00e9".encode("utf-16")]


@pytest.mark.parametrize("content", BINARY, ids=str)
def test_a_config_that_is_no_text_is_refused_by_name(tmp_path, capsys, content):
    path = tmp_path / "model.npy"
    path.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        parse(Options, "Tries.", ["--config", str(path)])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err
