"""A folder's way to a hub and back, by huggingface_hub's client: versions, resuming, refusals, no token told."""

import pytest
from huggingface_hub import HfApi, constants

from ser_tl.errors import HubError
from ser_tl.hub import pull_folder, push_folder
from tests.hub.server import READER, TOKEN

pytestmark = pytest.mark.slow

REPO = "team/tones"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "deep").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 300)
    (made / "confusion.png").write_bytes(b"\x89PNG" + bytes(500))
    (made / "config.json").write_text('{"labels": ["anger", "Ärger"]}', encoding="utf-8")
    (made / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (made / "deep" / "notes.txt").write_text("deep\n")
    (made / "model.safetensors.part").write_bytes(b"half")
    (made / ".secret").write_text("stays here")
    return made


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(folder):
    return {
        name: content for name, content in contents(folder).items() if name not in ("model.safetensors.part", ".secret")
    }


def test_what_comes_back_is_what_was_pushed_byte_by_byte(hub, folder):
    done = push_folder(folder, REPO, commit_message="first")
    assert (done.repo, done.branch, done.url) == (REPO, "main", f"{hub.url}/{REPO}/tree/main")
    pulled = contents(pull_folder(REPO))
    assert pulled.pop(".gitattributes")
    assert pulled == kept(folder)
    assert hub.repos[REPO]["log"][-1] == ("main", "first")


def test_a_new_repository_is_private_unless_asked_otherwise_and_an_old_one_stays(hub, folder):
    push_folder(folder, REPO)
    push_folder(folder, "team/open", private=False)
    push_folder(folder, "team/open", private=True)
    assert hub.repos[REPO]["private"]
    assert not hub.repos["team/open"]["private"]


def test_branches_tags_and_commits_each_name_their_own_version(hub, folder):
    first = push_folder(folder, REPO, tag="v1")
    (folder / "config.json").write_text("{}")
    second = push_folder(folder, REPO)
    (folder / "config.json").write_text("[]")
    push_folder(folder, f"{REPO}@trial/a", tag="v2")
    found = {name: (pull_folder(REPO, revision=name) / "config.json").read_text() for name in ("main", "trial/a", "v2")}
    assert found == {"main": "{}", "trial/a": "[]", "v2": "[]"}
    assert "Ärger" in (pull_folder(f"{REPO}@v1") / "config.json").read_text(encoding="utf-8")
    assert "Ärger" in (pull_folder(REPO, revision=first.commit) / "config.json").read_text(encoding="utf-8")
    assert first.commit != second.commit
    with pytest.raises(HubError, match=r"team/tones: .*Tag v1 exists already.*never moves: choose another"):
        push_folder(folder, REPO, tag="v1")


def test_a_push_that_failed_is_resumed_and_sends_only_what_is_missing(hub, folder):
    hub.refuse = lambda method, path: 403 if method == "PUT" and len(hub.sent("PUT")) > 1 else None
    with pytest.raises(HubError, match=r"team/tones: .*may not do this.*uploading '.*' to the Hub"):
        push_folder(folder, REPO)
    assert len(hub.large) == 1  # one of the two large files arrived
    assert "config.json" not in hub.files(REPO)  # and no half commit
    hub.refuse, arrived = lambda method, path: None, set(hub.large)
    hub.requests.clear()
    push_folder(folder, REPO)
    assert len(hub.sent("PUT")) == 1
    assert not any(path.endswith(tuple(arrived)) for path in hub.sent("PUT"))
    assert kept(folder).items() <= hub.files(REPO).items()


def test_a_refused_commit_is_resumed_without_sending_a_large_file_again(hub, folder):
    hub.refuse = lambda method, path: 400 if "/commit/" in path else None
    with pytest.raises(HubError, match=r"disk of the hub is full.*Pushing again sends only what is missing"):
        push_folder(folder, REPO)
    hub.refuse = lambda method, path: None
    hub.requests.clear()
    push_folder(folder, REPO)
    assert hub.sent("PUT") == []
    assert kept(folder).items() <= hub.files(REPO).items()


def test_the_same_folder_again_makes_no_new_version(hub, folder):
    first = push_folder(folder, REPO)
    log = list(hub.repos[REPO]["log"])
    assert push_folder(folder, REPO).commit == first.commit
    assert hub.repos[REPO]["log"] == log


def test_a_wrong_token_is_told_without_being_told(hub, folder):
    hub.create(REPO, private=True)
    wrong = "hf_" + "wrong" * 7
    way_out = r"knows no such token, or it has expired.*hf auth login.*HF_TOKEN"
    for call in (push_folder, lambda *_, **options: pull_folder(REPO, **options)):
        with pytest.raises(HubError, match=way_out) as caught:
            call(folder, REPO, token=wrong)
        assert wrong not in str(caught.value)


def test_a_token_that_may_only_read_reads_and_is_told_what_it_lacks(hub, folder):
    push_folder(folder, REPO)
    assert pull_folder(REPO, token=READER).is_dir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(HubError, match=r"the token may not do this .*needs the right to write to team") as caught:
        push_folder(folder, REPO, token=READER)
    assert READER not in str(caught.value)


def test_a_repository_that_is_not_there_or_not_for_all_names_both(hub, folder, monkeypatch):
    with pytest.raises(HubError, match=r"no such repository on .*or a private one that this token can see"):
        pull_folder("team/nothing")
    push_folder(folder, REPO)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match=r"a private one that nobody without a token can see.*hf auth login"):
        pull_folder(REPO)
    assert pull_folder(REPO, token=TOKEN).is_dir()


def test_an_unknown_revision_is_refused(hub, folder):
    push_folder(folder, REPO)
    with pytest.raises(HubError, match="there is no revision 'v9'"):
        pull_folder(REPO, revision="v9")


def test_without_network_what_was_pulled_is_found_and_a_push_names_the_folder_hub(hub, folder, monkeypatch):
    push_folder(folder, REPO)
    before = pull_folder(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull_folder(REPO) == before
    with pytest.raises(HubError, match=r"can't be reached, and revision main isn't in the cache(.|\n)*file:///teamhub"):
        pull_folder("team/other")
    with pytest.raises(HubError, match=r"HF_HUB_OFFLINE forbids the network here: unset it, or push to a folder"):
        push_folder(folder, REPO)


def test_a_hub_that_is_down_is_named(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(HubError, match=r"team/tones: .*Connection refused.*Pushing again sends only what is missing"):
        push_folder(folder, REPO, token=TOKEN)


def test_what_is_pushed_is_a_plain_model_repository(hub, folder):
    push_folder(folder, REPO)
    info = HfApi().model_info(REPO)
    assert info.private
    assert {file.rfilename for file in info.siblings} == {*kept(folder), ".gitattributes"}


def test_nothing_to_push_is_refused_before_the_hub_is_asked(hub, tmp_path):
    (tmp_path / "empty").mkdir()
    for place, why in ((tmp_path / "empty", "no files in it"), (tmp_path / "absent", "no such folder")):
        with pytest.raises(HubError, match=f"{why}: nothing to push"):
            push_folder(place, REPO)
    assert hub.requests == []
