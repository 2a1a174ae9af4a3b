"""Pushes beside a training: they don't block, keep their order, and failures wait for the end."""

import threading
import time

import pytest
from safetensors import SafetensorError

from ser_tl.errors import HubError
from ser_tl.hub import BackgroundPushes, background, pull_folder


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "hub").mkdir()
    return str(tmp_path / "hub" / "me" / "tones")


def saving(text):
    def save(folder):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(text)

    return save


def test_start_returns_at_once_and_every_version_arrives_in_order(repo, tmp_path, monkeypatch):
    gate, push = threading.Event(), background.push_folder
    monkeypatch.setattr(background, "push_folder", lambda *a, **k: gate.wait(20) and push(*a, **k))
    pushes = BackgroundPushes(repo, revision="main", scratch=tmp_path / "scratch")
    begin = time.perf_counter()
    for text in "123":
        pushes.start(saving(text), f"version {text}")
    assert time.perf_counter() - begin < 5  # while the first waits at the gate
    gate.set()
    assert pushes.finish() == []
    history = (tmp_path / "hub" / "me" / "tones" / "history.jsonl").read_text()
    assert [history.index(f"version {text}") for text in "123"] == sorted(history.index(f"version {t}") for t in "123")
    assert (pull_folder(repo) / "config.json").read_text() == "3"
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("problem", [OSError("no space"), SafetensorError("no space"), HubError("no space")])
def test_a_copy_that_cannot_be_written_is_told_too_and_stops_nothing(repo, tmp_path, problem):
    def save(folder):
        raise problem

    pushes = BackgroundPushes(repo, revision="main", scratch=tmp_path / "scratch")
    pushes.start(save, "best")
    assert pushes.finish() == ["best: no space"]


def test_failures_are_told_at_the_end_and_later_pushes_still_go(repo, tmp_path, monkeypatch):
    push = background.push_folder

    def flaky(folder, *arguments, **options):
        if (folder / "config.json").read_text() == "1":
            raise HubError("the hub is on fire")
        return push(folder, *arguments, **options)

    monkeypatch.setattr(background, "push_folder", flaky)
    pushes = BackgroundPushes(repo, revision=None, scratch=tmp_path / "scratch")
    pushes.start(saving("1"), "first")
    pushes.start(lambda folder: (_ for _ in ()).throw(OSError("disk full")), "second")
    pushes.start(saving("3"), "third")
    assert sorted(pushes.finish()) == ["first: the hub is on fire", "second: disk full"]
    assert (pull_folder(repo) / "config.json").read_text() == "3"
