"""A folder that is the hub: versions, what a cut-off push leaves, and what is refused."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from ser_tl.errors import HubError
from ser_tl.hub import branch_name, directory, pull_folder, push_folder
from ser_tl.hub.address import check_revision


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "deep").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 300)
    (made / "config.json").write_text("1")
    (made / "deep" / "notes.txt").write_text("deep\n")
    (made / "model.safetensors.part").write_bytes(b"half")
    return made


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "team hub").mkdir()
    return f"file://{tmp_path}/team%20hub/me/tones"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_comes_back_is_what_was_pushed_by_url_and_by_path(folder, repo, tmp_path):
    push_folder(folder, repo)
    (folder / "model.safetensors.part").unlink()
    assert contents(pull_folder(repo)) == contents(folder)
    assert pull_folder(str(tmp_path / "team hub" / "me" / "tones")) == pull_folder(repo)


def test_branches_tags_and_commits_each_name_their_own_version(folder, repo):
    first = push_folder(folder, repo, tag="v1", commit_message="first")
    (folder / "config.json").write_text("2")
    push_folder(folder, repo)
    (folder / "config.json").write_text("3")
    push_folder(folder, repo, revision="trial/a")
    named = ("main", "trial/a", "v1", first.commit, first.commit[:9])
    found = {name: (pull_folder(repo, revision=name) / "config.json").read_text() for name in named}
    assert list(found.values()) == ["2", "3", "1", "1", "1"]
    assert (pull_folder(f"{repo}@v1") / "config.json").read_text() == "1"
    history = [json.loads(line) for line in (pull_folder(repo).parents[1] / "history.jsonl").read_text().splitlines()]
    assert [(line["branch"], line["tag"]) for line in history] == [("main", "v1"), ("main", None), ("trial/a", None)]
    assert history[0]["message"] == "first"
    with pytest.raises(HubError, match=r"the tag v1 is taken, and tags never move: choose another one"):
        push_folder(folder, repo, tag="v1")
    with pytest.raises(HubError, match=r"no revision 'v9': there are main, trial/a, v1, and commits"):
        pull_folder(repo, revision="v9")


def test_files_that_a_branch_has_stay_and_unchanged_ones_take_no_room(folder, repo, tmp_path):
    first = pull_folder(repo) if push_folder(folder, repo) else None
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "README.md").write_text("# card")
    push_folder(tmp_path / "card", repo)
    second = pull_folder(repo)
    assert set(contents(second)) == {*contents(first), "README.md"}
    assert (second / "model.safetensors").samefile(first / "model.safetensors")


def test_where_the_disk_has_no_hard_links_files_are_copied(folder, repo, monkeypatch):
    push_folder(folder, repo)
    (folder / "config.json").write_text("2")
    monkeypatch.setattr(directory.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    push_folder(folder, repo)
    assert contents(pull_folder(repo))["model.safetensors"] == (folder / "model.safetensors").read_bytes()


def test_the_same_folder_again_is_the_same_version_and_files_in_it_are_not_writable(folder, repo):
    assert push_folder(folder, repo).commit == push_folder(folder, repo).commit
    assert not (pull_folder(repo) / "config.json").stat().st_mode & 0o222


def test_a_push_that_was_cut_off_is_not_seen_and_goes_on_with_the_next_file(folder, repo, monkeypatch):
    copied, copy = [], shutil.copyfile

    def full(source, target):
        if len(copied) == 2:
            raise OSError("no space left on device")
        copied.append(source.name)
        return copy(source, target)

    monkeypatch.setattr(directory.shutil, "copyfile", full)
    with pytest.raises(HubError, match=r"no space left on device.*What was copied whole is kept: push again"):
        push_folder(folder, repo)
    with pytest.raises(HubError):
        pull_folder(repo)
    monkeypatch.setattr(
        directory.shutil, "copyfile", lambda source, target: copied.append(source.name) or copy(source, target)
    )
    push_folder(folder, repo)
    assert sorted(copied) == ["config.json", "model.safetensors", "notes.txt"]
    assert len(contents(pull_folder(repo))) == 3
    assert not [path for path in pull_folder(repo).parents[1].rglob("*") if path.name.endswith(".part")]


def test_many_pushes_at_once_leave_whole_versions(folder, repo, tmp_path):
    others = [shutil.copytree(folder, tmp_path / f"copy{number}") for number in range(6)]
    for number, other in enumerate(others):
        (other / "config.json").write_text(str(number % 3))
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda other: push_folder(other, repo), others))
    assert {(pull_folder(repo, revision=one.commit) / "config.json").read_text() for one in done} == {"0", "1", "2"}
    assert all(len(contents(pull_folder(repo, revision=one.commit))) == 3 for one in done)


def test_the_same_push_with_the_same_tag_again_is_no_mistake(folder, repo):
    assert push_folder(folder, repo, tag="v1").commit == push_folder(folder, repo, tag="v1").commit


def test_of_pushes_at_once_one_gets_the_tag_and_the_others_are_told(folder, repo, tmp_path):
    others = [shutil.copytree(folder, tmp_path / f"copy{number}") for number in range(6)]
    for number, other in enumerate(others):
        (other / "config.json").write_text(str(number))

    with ThreadPoolExecutor(6) as pool:
        pushes = [pool.submit(push_folder, other, repo, tag="v1") for other in others]
    failures = [str(push.exception()) for push in pushes if push.exception()]
    assert len(failures) == 5
    assert all("tags never move" in failure for failure in failures)
    done = next(push.result().commit for push in pushes if not push.exception())
    assert pull_folder(repo, revision="v1").name == done


def test_a_push_joins_one_that_has_just_begun_to_make_the_repository(folder, tmp_path):
    (tmp_path / "hub" / "me" / "tones" / "snapshots").mkdir(parents=True)  # as far as another has come
    done = push_folder(folder, f"file://{tmp_path}/hub/me/tones", tag="v1")
    assert pull_folder(f"file://{tmp_path}/hub/me/tones", revision="v1").name == done.commit


def test_a_tag_is_made_where_the_disk_has_no_hard_links(folder, repo, monkeypatch):
    monkeypatch.setattr(directory.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    done = push_folder(folder, repo, tag="v1")
    assert pull_folder(repo, revision="v1").name == done.commit
    (folder / "config.json").write_text("else")
    with pytest.raises(HubError, match="tags never move"):
        push_folder(folder, repo, tag="v1")


def test_a_tag_and_a_branch_cannot_have_one_name(folder, repo):
    with pytest.raises(HubError, match=r"v0 is a branch, and can't be a tag too"):
        push_folder(folder, repo, revision="v0", tag="v0")
    push_folder(folder, repo, tag="v1")
    with pytest.raises(HubError, match=r"v1 is a tag, and can't be a branch too: choose another name"):
        push_folder(folder, repo, revision="v1")
    with pytest.raises(HubError, match=r"main is a branch, and can't be a tag too"):
        push_folder(folder, repo, tag="main")


def test_marks_that_mean_something_in_other_urls_are_part_of_the_name(folder, tmp_path):
    (tmp_path / "hub").mkdir()
    for name in ("exp#1", "exp#2", "exp?3"):
        (folder / "config.json").write_text(name)
        push_folder(folder, f"file://{tmp_path}/hub/me/{name}")
    read = {name: pull_folder(f"file://{tmp_path}/hub/me/{name}") / "config.json" for name in ("exp#1", "exp#2")}
    assert {name: path.read_text() for name, path in read.items()} == {"exp#1": "exp#1", "exp#2": "exp#2"}


@pytest.mark.parametrize("text", ["Ann Lee", "spk(1)", "a+b", "..", "José", "a..b", "-x", "fold/ü"])
def test_any_text_has_a_branch_of_its_own(text):
    check_revision(branch_name(text))
    assert branch_name(text) != branch_name(f"{text} ")


def test_a_text_that_can_name_a_branch_does():
    assert [branch_name(text) for text in ("fold_1", "01/seed_0/fold_1", "")] == ["fold_1", "01-seed_0-fold_1", ""]


@pytest.mark.parametrize(
    ("address", "way_out"),
    [
        ("repo", r"'repo' is no repository: expected an id on the hub \(name/repo\), or a folder"),
        ("a/b/c", "is no repository"),
        ("file://server/share/repo", "expected three slashes and a whole path"),
        ("me/tones@a b", r"'a b' can't name a branch or tag"),
        ("me/tones@../../etc", r"can't name a branch or tag"),
        ("/no/such/hub/me/tones", r"there is no hub /no/such/hub; make that folder first"),
    ],
)
def test_what_is_no_repository_is_told(folder, address, way_out):
    with pytest.raises(HubError, match=way_out):
        push_folder(folder, address)


def test_a_folder_with_other_things_in_it_is_left_alone(folder, tmp_path):
    with pytest.raises(HubError, match=r"holds other files than a repository's: choose another name"):
        push_folder(folder, str(folder))
    with pytest.raises(HubError, match="no repository there; push one first"):
        pull_folder(str(tmp_path / "nothing"))
