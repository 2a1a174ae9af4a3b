"""A model's way to a hub and back: the same predictions to the last bit, its card along, and no token anywhere."""

from pathlib import Path

import pytest
import soundfile
import torch
from huggingface_hub import ModelCard

from ser_tl.cli import main
from ser_tl.errors import CheckpointError, HubError
from ser_tl.model import EmotionModel, KnownSpeakers
from tests.encoders.tiny import clip, padded
from tests.hub.server import TOKEN
from tests.test_model import build

pytestmark = pytest.mark.slow

REPO = "team/tones"


@pytest.fixture(params=["hub", "folder"])
def repo(request, tmp_path):
    """A repository on a hub, and one in a folder."""
    if request.param == "hub":
        request.getfixturevalue("hub")
        return REPO
    (tmp_path / "teamhub").mkdir()
    return f"file://{tmp_path}/teamhub/team/tones"


def files_under(folder: Path):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_pulled_model_predicts_the_same_to_the_last_bit(repo):
    model, clips = build(), padded([clip(4000), clip(9000, seed=1)])
    model.known_speakers = ["one", "two"]
    model.push_to_hub(repo)
    pulled = EmotionModel.from_pretrained(repo)
    assert torch.equal(pulled(*clips).logits, model(*clips).logits)
    assert pulled.known_speakers == KnownSpeakers.from_names(["one", "two"])
    assert pulled.predict(clip(9000).numpy()) == model.predict(clip(9000).numpy())


def test_revisions_are_models_of_their_own(repo):
    first, second = build(), build("hubert")
    first.push_to_hub(repo, tag="v1", commit_message="the first")
    second.push_to_hub(repo, commit_message="the second")
    first.push_to_hub(repo, revision="trial")
    found = {name: EmotionModel.from_pretrained(repo, revision=name).encoder.family for name in ("v1", "main", "trial")}
    assert found == {"v1": "wav2vec2", "main": "hubert", "trial": "wav2vec2"}
    assert EmotionModel.from_pretrained(f"{repo}@v1").encoder.family == "wav2vec2"


def test_a_model_without_a_run_has_a_card_that_claims_nothing(repo):
    build().push_to_hub(repo)
    card = (EmotionModel.from_pretrained(repo).home / "README.md").read_text()
    assert "this model comes without an evaluation" in card
    assert f'from_pretrained("{repo}")' in card
    assert "model-index" not in card


def test_the_card_in_its_folder_goes_along_while_the_model_is_still_that_one(repo, tmp_path):
    model = build()
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    (tmp_path / "model" / "confusion.png").write_bytes(b"\x89PNG")
    EmotionModel.from_pretrained(tmp_path / "model").push_to_hub(repo)
    home = EmotionModel.from_pretrained(repo).home
    assert "# Mine" in (home / "README.md").read_text()
    assert (home / "confusion.png").read_bytes() == b"\x89PNG"
    changed = EmotionModel.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        changed.head.layers[0].bias.add_(1.0)
    changed.push_to_hub(repo)
    assert "# Mine" not in (EmotionModel.from_pretrained(repo).home / "README.md").read_text()


def test_no_token_is_in_any_file(hub, tmp_path, capfd, caplog):
    caplog.set_level("DEBUG")
    model = build()
    model.save_pretrained(tmp_path / "model")
    model.push_to_hub(REPO, token=TOKEN, tag="v1")
    EmotionModel.from_pretrained(REPO, token=TOKEN)
    hub.refuse = lambda method, path: 403 if "/commit/" in path else None
    with pytest.raises(HubError) as caught:
        build("hubert").push_to_hub(REPO, token=TOKEN)
    told = capfd.readouterr()
    assert TOKEN not in str(caught.value) + caplog.text + told.out + told.err
    pushed = b"".join(content for files in hub.repos[REPO]["commits"].values() for content in files.values())
    assert TOKEN.encode() not in pushed
    assert len(files_under(tmp_path)) > 5
    assert not [path for path in files_under(tmp_path) if TOKEN.encode() in path.read_bytes()]


def test_what_is_neither_folder_nor_repository_names_both(hub, tmp_path, monkeypatch):
    with pytest.raises(
        HubError, match=r"team/none: no such folder here; and on the hub, team/none: no such repository"
    ):
        EmotionModel.from_pretrained("team/none")
    with pytest.raises(CheckpointError, match="no such folder"):
        EmotionModel.from_pretrained(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="no such folder"):
        EmotionModel.from_pretrained(Path("team/none"))  # a path is a path
    with pytest.raises(HubError, match="three slashes"):
        EmotionModel.from_pretrained("file://server/model")
    build().save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match="a plain folder has no revision 'v1': leave it out"):
        EmotionModel.from_pretrained(tmp_path / "model", revision="v1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "team").mkdir()
    (tmp_path / "model").rename(tmp_path / "team" / "tones")
    assert EmotionModel.from_pretrained("team/tones").home == Path("team/tones")  # a folder that is there comes first


def test_a_repository_of_another_kind_is_no_model(hub, tmp_path):
    from ser_tl.hub import push_folder

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("---\nlicense: mit\n---\n")
    push_folder(tmp_path / "other", REPO)
    with pytest.raises(CheckpointError, match=r"no model here, config.json and model.safetensors missing"):
        EmotionModel.from_pretrained(REPO)


def test_the_card_on_the_hub_is_valid(hub):
    build().push_to_hub(REPO)
    card = ModelCard.load(EmotionModel.from_pretrained(REPO).home / "README.md")
    card.validate()
    assert (card.data.library_name, card.data.pipeline_tag) == ("ser_tl", "audio-classification")
    hub.refuse = lambda method, path: None
    card.data.language = ["Deutsch!"]
    with pytest.raises(ValueError, match="bad metadata"):
        card.validate()


def test_the_command_line_pushes_and_predicts_from_a_hub(hub, tmp_path, capfd):
    build().save_pretrained(tmp_path / "model")
    soundfile.write(tmp_path / "clip.wav", clip(9000).numpy(), 16_000)
    assert main(["push", str(tmp_path / "model"), REPO, "--tag", "v1", "--message", "by hand"]) == 0
    assert main(["predict", f"{REPO}@v1", str(tmp_path / "clip.wav"), "--format", "table"]) == 0
    out, err = capfd.readouterr()
    assert f"{hub.url}/{REPO}/tree/main" in out
    assert build().predict(tmp_path / "clip.wav").label in out
    assert hub.repos[REPO]["log"][-1] == ("main", "by hand")
    assert TOKEN not in out + err
