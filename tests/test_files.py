"""Files are whole or not there, follow the umask, and say in a sentence why they can't be written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_tl.errors import StorageError
from ser_tl.files import follow_umask, write_atomically, write_text
from ser_tl.generate.gan import WaveGan
from ser_tl.generate.wavegan_config import WaveGanConfig
from tests.forked import forked_python


def names(folder):
    return sorted(path.name for path in folder.iterdir())


POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions of files are POSIX")


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@POSIX
def test_files_follow_the_umask_whoever_writes_them(umask, tmp_path):
    with write_atomically(tmp_path / "weights.safetensors") as part:
        save_file({"a": torch.ones(3)}, part)  # by itself leaves mode 600
    write_text(tmp_path / "text.json", "{}")
    (tmp_path / "plain").touch()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("weights.safetensors", "text.json", "plain"), 0o666 & ~umask)
    assert load_file(tmp_path / "weights.safetensors")["a"].sum() == 3


@POSIX
def test_what_a_library_wrote_its_way_follows_the_umask_afterwards(umask, tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "model.safetensors")
    (tmp_path / "folder").mkdir(mode=0o700)
    follow_umask(tmp_path)
    assert names(tmp_path) == ["folder", "model.safetensors"]
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    with pytest.raises(StorageError, match="there is no folder"):
        follow_umask(tmp_path / "nowhere")


@POSIX
def test_a_generator_follows_the_umask_and_is_whole(umask, tmp_path):
    gan = WaveGan(WaveGanConfig(), ["anger", "sadness"], level=0.5)
    gan.save(tmp_path / "generator.safetensors")
    assert names(tmp_path) == ["generator.safetensors"]
    assert (tmp_path / "generator.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask


@POSIX
def test_the_name_is_taken_only_once_the_file_is_whole_and_readable(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with write_atomically(path) as part:
        part.write_text("new")
        assert part.parent == tmp_path
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_an_error_leaves_the_old_file_and_nothing_beside_it(error, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with write_atomically(path) as part:
            part.write_text("half")
            raise error("of what is written, not of the writing")

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_process_killed_in_between_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    program = (
        "import os, signal, sys; from ser_tl.files import write_atomically\n"
        "with write_atomically(sys.argv[1]) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], cwd=Path(__file__).parents[1])
    assert done.returncode == -9
    assert path.read_text() == "old"
    assert [name for name in names(tmp_path) if not name.endswith(".part")] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
def test_a_full_disk_is_one_sentence(tmp_path):
    with (
        pytest.raises(StorageError, match=r"weights: can't be written \(No space left .* MiB are free.* another disk"),
        write_atomically(tmp_path / "weights"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")
    assert names(tmp_path) == []


@pytest.mark.slow
@POSIX
def test_a_limit_is_one_sentence_from_safetensors_too(tmp_path):
    program = (
        "import resource, sys, torch; from safetensors.torch import save_file; from ser_tl.errors import StorageError\n"
        "from ser_tl.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with write_atomically(sys.argv[1]) as part: save_file({'a': torch.ones(9999)}, part)\n"
        "except StorageError as error: print(error)"
    )
    command = [forked_python(), "-c", program, tmp_path / "weights"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'weights'}: can't be written (File too large): the process may write no larger" in done.stdout
    assert names(tmp_path) == []


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path):
    with (
        pytest.raises(StorageError, match=r"weights: 1048576000000\.0 MiB are to be written and .* MiB are free"),
        write_atomically(tmp_path / "weights", size=10**6 * 2**40),
    ):
        pytest.fail("the block must not run")


def test_where_it_cant_be_written_is_said(tmp_path):
    with pytest.raises(StorageError, match=r"file: can't be written .*there is no folder .*nowhere: make it first"):
        write_text(tmp_path / "nowhere" / "file", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"folder: can't be written \(Is a directory\)"):
        write_text(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]


def test_errors_of_reading_pass_as_they_are(tmp_path):
    with pytest.raises(PermissionError), write_atomically(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "of another file")


def test_long_names_fit(tmp_path):
    name = "ü" * 120 + ".json"
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]
