"""Every file goes through the one atomic write, and is readable by whom the umask says, whoever writes it."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
import torch

import ser_tl
from ser_tl.cache.entry import write_state, write_state_summary
from ser_tl.cli import main
from ser_tl.distill import save_student
from ser_tl.encoders import convert_sound8
from ser_tl.export.folder import replace_folder
from ser_tl.generate import WaveGan, write_synthetic
from ser_tl.hub import pull_folder, push_folder
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.distill.test_students import small_student
from tests.encoders.test_soundnet import sound8 as sound8
from tests.generate.samples import tiny_config
from tests.source import tree_of
from tests.training.samples import TONES, tiny_model, tone_split, train_config

pytestmark = pytest.mark.slow

PACKAGE = Path(ser_tl.__file__).parent
METHODS = {"write_text", "write_bytes", "savefig", "to_parquet", "save_to_disk", "save_state", "write_table", "tofile"}
LIBRARIES = {"soundfile.write", "torch.save", "json.dump", "onnx.save", "parquet.write_table"}
LIBRARIES |= {f"np.{name}" for name in ("save", "savez", "savez_compressed", "savetxt")}
LIBRARIES |= {f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree")}
ELSEWHERE = {
    "archive/listing.py": "a folder that takes its name when all of it is written",
    "archive/shard.py": "into the part that its caller opened",
    "augment/codec.py": "memory",
    "augment/corpus_noise.py": "memory",
    "augment/telephone.py": "memory",
    "cache/cache_folder.py": "a probe, deleted at once",
    "cli/embed.py": "into the part that its caller opened",
    "cli/rows.py": "rows are appended to an output that goes on",
    "estimator.py": "memory",
    "export/folder.py": "a folder that takes its name when all of it is written",
    "export/onnx.py": "likewise",
    "export/openvino.py": "likewise",
    "export/quantize.py": "likewise",
    "export/storage.py": "likewise",
    "export/tflite.py": "likewise",
    "export/remote_session.py": "memory, for a pipe",
    "export/scripts/tflite_quantize.py": "in a folder of its own, from which the export takes it",
    "export/scripts/tflite_run.py": "answers to the process that asks",
    "hub/directory.py": "a version, which takes its name when all of it is written; a line is appended to its history",
    "reporting/plots/canvas.py": "memory, where the target is no path",
    "robustness/check_page.py": "memory",
    "runtime/state_file.py": "a line is appended to a log, and cut off on resume",
    "training/checkpoint.py": "a folder that takes its name when all of it is written",
}
"""What writes otherwise, and where to."""


def is_write(call: ast.Call) -> bool:
    """Whether a call is one of those that write a file by its path."""
    name = ast.unparse(call.func)
    if name == "save_file" or name in LIBRARIES:
        return True
    if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
        return True
    if name != "open" and not name.endswith(".open"):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(len(mode) < 4 and set(mode) & set("wxa") for mode in modes)


def plain_writes(tree: ast.AST, *, inside: bool = False) -> Iterator[ast.Call]:
    """The calls that write outside of any `with write_atomically(...)`."""
    if isinstance(tree, ast.With):
        inside |= any("write_atomically" in ast.unparse(item.context_expr) for item in tree.items)
    if isinstance(tree, ast.Call) and is_write(tree) and not inside:
        yield tree
    for child in ast.iter_child_nodes(tree):
        yield from plain_writes(child, inside=inside)


def test_the_search_finds_what_writes():
    code = """
with write_atomically(path) as part:
    save_file(tensors, part)
    with part.open("w") as file: file.write("")
path.write_text("a"); open(path, "wb"); open(path, mode="a"); open(path); path.open("rb"); write_text(path, "")
soundfile.write(path, wave, 16000); shutil.copyfile(a, b); np.savez(path, a=1); image.open("wide")
"""
    assert [call.lineno for call in plain_writes(ast.parse(code))] == [5, 5, 5, 6, 6, 6]


def test_every_write_is_atomic_or_says_why_it_neednt_be():
    found = {
        path.relative_to(PACKAGE).as_posix(): [call.lineno for call in plain_writes(tree_of(path))]
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    plain = {name: lines for name, lines in found.items() if lines}
    assert plain.keys() - {"files.py"} == ELSEWHERE.keys(), f"write_atomically is for these: {plain}"


# One that allows more than the usual 0o022, one that allows less.
@pytest.fixture(params=[0o002, pytest.param(0o077, marks=pytest.mark.exhaustive)], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of all files and folders below one."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def expected(folder: Path, umask: int) -> dict[str, int]:
    """Those that `open` and `mkdir` would give them."""
    return {
        path.relative_to(folder).as_posix(): (0o777 if path.is_dir() else 0o666) & ~umask for path in folder.rglob("*")
    }


posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")


@posix
@pytest.mark.exhaustive
@pytest.mark.parametrize("umask", [0o002], ids=oct, indirect=True)
def test_what_a_training_leaves_follows_the_umask(umask, tmp_path, monkeypatch):
    split = tone_split(tmp_path / "tones")
    folder = tmp_path / "all"
    folder.mkdir()
    monkeypatch.setenv("SER_TL_CACHE", str(folder / "cache"))
    trainer = Trainer(tiny_model(), Frozen(), train_config(epochs=1), folder=folder / "run")
    trainer.fit(split.train, split.dev)
    trainer.model.save_pretrained(folder / "model")
    trainer.evaluate(split.test).save(folder / "report")
    with replace_folder(folder / "export") as scratch:
        (scratch / "graph.onnx").write_bytes(b"graph")
    found = modes(folder)
    assert {"model/model.safetensors", "report/report.json", "report/predictions.csv"} <= set(found)
    assert "export/graph.onnx" in found
    assert any(name.startswith("cache/") and name.endswith(".safetensors") for name in found)
    private = {name for name in found if "random_states" in name or "/state" in name}  # Accelerate's own
    assert {name: mode for name, mode in found.items() if name not in private} == {
        name: mode for name, mode in expected(folder, umask).items() if name not in private
    }


@pytest.mark.exhaustive
@posix
def test_what_else_is_written_follows_the_umask(umask, tmp_path, sound8):
    folder = tmp_path / "all"
    split = tone_split(tmp_path / "tones")
    save_student(small_student(), folder / "student", torch.float32)
    convert_sound8(sound8[0], folder / "soundnet")
    write_state(folder / "layer" / "aa" / "frames.safetensors", torch.ones(3, 4))
    write_state_summary(folder / "layer" / "aa" / "summary.safetensors", torch.ones(3, 4))
    gan = WaveGan(tiny_config(), list(TONES), level=0.5)
    write_synthetic(gan, split, folder / "gan")
    soundfile.write(tmp_path / "clip.wav", torch.rand(16000).numpy(), 16000)
    assert main(["augment", str(tmp_path / "clip.wav"), "--output", str(folder / "examples")]) == 0
    found = modes(folder)
    assert sum(name.endswith(".wav") for name in found) == len(gan.labels) * gan.config.clips
    assert sum(name.endswith(".flac") for name in found) > 3
    assert found == expected(folder, umask)


@posix
def test_a_folder_that_is_a_hub_follows_the_umask_and_isnt_writable(umask, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("1")
    (tmp_path / "hub").mkdir()
    push_folder(tmp_path / "model", f"file://{tmp_path}/hub/me/model", tag="v1")
    found, plain = modes(tmp_path / "hub"), expected(tmp_path / "hub", umask)
    version = {name for name in plain if name.endswith("config.json")}
    assert {name: mode for name, mode in found.items() if name not in version} == {
        name: mode for name, mode in plain.items() if name not in version
    }
    assert {found[name] for name in version} == {0o444 & ~umask}
    assert (pull_folder(f"file://{tmp_path}/hub/me/model", revision="v1") / "config.json").read_text() == "1"


def test_synthetic_clips_that_were_cut_off_have_no_manifest(tmp_path, monkeypatch):
    split = tone_split(tmp_path / "tones")
    gan = WaveGan(tiny_config(), list(TONES), level=0.5)
    manifest = write_synthetic(gan, split, tmp_path / "gan")
    written = []

    def stop(path, *_, **__):
        written.append(path)
        if len(written) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("ser_tl.generate.clips.soundfile.write", stop)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic(gan, split, tmp_path / "gan")
    assert not manifest.exists()
    assert len([path for path in (tmp_path / "gan").rglob("*") if path.is_file()]) == 3
