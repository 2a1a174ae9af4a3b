"""Trainings that push: best epochs beside the training; model, card and what failed at its end."""

import json
import threading

import pytest
import yaml
from huggingface_hub import ModelCard

import ser_tl as ser
from ser_tl.data.splits import SplitConfig
from ser_tl.errors import ConfigError, HubError
from ser_tl.hub import background
from ser_tl.model import KnownSpeakers
from ser_tl.options import parse
from ser_tl.outputs import make_publisher
from ser_tl.publish import Publisher, push_summary
from ser_tl.training import Trainer
from ser_tl.training.parts.publishing import Callbacks
from ser_tl.transfer import Full
from tests.hub.server import TOKEN
from tests.test_recipe import options, recipe  # noqa: F401 - fixtures
from tests.training.samples import tiny_model, tone_split, train_config

pytestmark = pytest.mark.slow

REPO = "team/tones"


@pytest.fixture
def trained(hub, tmp_path):
    """A trainer that pushes, its split, and its publisher."""
    split = tone_split(tmp_path / "tones")
    publisher = Publisher(REPO, tmp_path / "run")
    model = tiny_model(dropout=0.0)
    trainer = Trainer(model, Full(), train_config(epochs=6), tmp_path / "run", parts=[publisher], on_best=[])
    return trainer, split, publisher


@pytest.mark.exhaustive
def test_every_best_epoch_is_pushed_as_a_model_that_loads(trained, hub):
    trainer, split, publisher = trained
    best = []
    trainer.part(Callbacks).functions.append(lambda model, record: best.append(record["epoch"]))
    trainer.fit(split.train, split.dev)
    assert publisher.pushes.finish() == []
    assert len(best) > 1
    messages = [message for _, message in hub.repos[REPO]["log"][1:]]
    assert [message.split(",")[0] for message in messages] == [f"Best epoch so far: {epoch}" for epoch in best]
    pulled = ser.EmotionModel.from_pretrained(REPO)
    for name, tensor in trainer.model.state_dict().items():
        if not name.startswith("outliers."):  # measured when the training has ended
            assert tensor.equal(pulled.state_dict()[name])
    assert pulled.known_speakers == KnownSpeakers.from_names({*split.train["speaker"], *split.dev["speaker"]})
    assert "The training goes on" in (pulled.home / "README.md").read_text()
    assert not (trainer.folder / "to_push").exists()


@pytest.mark.exhaustive
def test_the_training_does_not_wait_for_the_hub(trained, monkeypatch):
    trainer, split, publisher = trained
    push, gate, arrived = background.push_folder, threading.Event(), []
    monkeypatch.setattr(
        background, "push_folder", lambda *a, **k: (gate.wait(60), arrived.append(1), push(*a, **k))[-1]
    )
    trainer.fit(split.train, split.dev)
    assert arrived == []  # the training has ended, and not one push has got through the gate
    gate.set()
    assert publisher.pushes.finish() == []
    assert len(arrived) > 1


@pytest.mark.exhaustive
def test_a_hub_that_refuses_neither_stops_nor_changes_a_training(trained, hub, tmp_path, capsys):
    trainer, split, publisher = trained
    hub.refuse = lambda method, path: 403
    history = trainer.fit(split.train, split.dev)
    untouched = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=6)).fit(split.train, split.dev)
    assert [record["dev_loss"] for record in history] == [record["dev_loss"] for record in untouched]
    failed = publisher.pushes.finish()
    assert failed
    assert all(one.startswith("Best epoch so far: ") and "the token may not do this" in one for one in failed)


def test_a_run_pushes_its_model_with_the_card_and_leaves_no_token(recipe, options, hub, tmp_path, capsys):  # noqa: F811
    report = recipe.main(options(push_to_hub=REPO, train=train_config(epochs=2)))
    run = tmp_path / "run"
    pulled = ser.EmotionModel.from_pretrained(REPO)
    assert {path.name for path in pulled.home.iterdir()} >= {"README.md", "confusion.png", "ser_tl_remote.py"}
    card = ModelCard.load(pulled.home / "README.md")
    card.validate()
    assert card.data.eval_results[0].metric_value == pytest.approx(report.uar, abs=1e-4)
    assert (run / "model" / "README.md").read_text() == (pulled.home / "README.md").read_text()
    for said in (f'from_pretrained("{REPO}")', "protocol holdout", "| strategy | full |", "tones"):
        assert said in str(card)
    assert f"pushed to {hub.url}/{REPO}/tree/main" in capsys.readouterr().out
    assert hub.repos[REPO]["private"]
    assert yaml.safe_load((run / "config.yaml").read_text())["push_to_hub"] == REPO
    assert not [path for path in run.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


@pytest.mark.exhaustive
def test_a_push_that_failed_is_told_at_the_end_with_the_command_that_mends_it(recipe, options, hub, tmp_path, capsys):  # noqa: F811
    hub.refuse = lambda method, path: 403 if method == "PUT" else None
    report = recipe.main(options(push_to_hub=REPO))
    told = capsys.readouterr().out
    assert f"UAR {100 * report.uar:.1f}" in told
    model = tmp_path / "run" / "model"
    assert f"NOT PUSHED. All is safe in {model}" in told
    assert f"    ser-tl push {model} {REPO}\n" in told
    assert "the token may not do this" in told
    assert json.loads((tmp_path / "run" / "push.json").read_text())["commit"] is None
    assert (tmp_path / "run" / "report.json").is_file()
    hub.refuse = lambda method, path: None
    assert ser.push_folder(model, REPO).repo == REPO
    assert ser.EmotionModel.from_pretrained(REPO).labels == ["anger", "neutral", "sadness"]


@pytest.mark.exhaustive
def test_folds_have_a_branch_each_and_main_has_the_scores_of_all(recipe, options, tmp_path):  # noqa: F811
    (tmp_path / "teamhub").mkdir()
    repo = f"file://{tmp_path}/teamhub/team/tones"
    report = recipe.main(options(push_to_hub=repo, protocol="kfold", split=SplitConfig(k=3)))
    tested = set()
    for fold in ("fold_1", "fold_2", "fold_3"):
        pulled = ser.EmotionModel.from_pretrained(repo, revision=fold)
        everyone = {f"speaker_{number}" for number in range(6)}
        tested |= everyone - set(pulled.known_speakers.among(everyone))
        assert f'from_pretrained("{repo}", revision="{fold}")' in (pulled.home / "README.md").read_text()
    assert len(tested) == 6
    card = (ser.pull_folder(repo) / "README.md").read_text()
    assert f"**UAR {100 * report.uar:.1f} %** pooled over 3 folds" in card
    assert "each in a branch of its own: fold_1, fold_2, fold_3" in card


@pytest.mark.exhaustive
def test_a_run_without_a_hub_has_its_card_too(recipe, options, tmp_path):  # noqa: F811
    recipe.main(options())
    model = tmp_path / "run" / "model"
    assert 'from_pretrained("./model")' in (model / "README.md").read_text()
    assert not (tmp_path / "run" / "push.json").exists()
    (tmp_path / "teamhub").mkdir()
    repo = str(tmp_path / "teamhub" / "team" / "tones")
    ser.EmotionModel.from_pretrained(model).push_to_hub(repo)
    assert (ser.pull_folder(repo) / "README.md").read_bytes() == (model / "README.md").read_bytes()


def test_a_wrong_address_is_told_before_the_training_and_dashes_are_fine(capsys):
    assert parse(ser.Options, "", ["--push-to-hub", REPO]).push_to_hub == REPO
    with pytest.raises(HubError, match="'tones' is no repository: expected an id"):
        ser.Options(push_to_hub="tones")
    with pytest.raises(SystemExit):
        parse(ser.Options, "", ["--push_to_hub", "tones"])
    assert "is no repository" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_a_resumed_run_may_push_elsewhere_and_pushes_what_is_trained_then(recipe, options, tmp_path):  # noqa: F811
    (tmp_path / "teamhub").mkdir()
    recipe.main(options())
    (tmp_path / "run" / "report.json").unlink()  # as if killed before the end
    repo = f"file://{tmp_path}/teamhub/team/tones"
    recipe.main(options(resume=True, push_to_hub=repo))
    assert "main" in json.loads((tmp_path / "run" / "push.json").read_text())["branch"]
    assert ser.EmotionModel.from_pretrained(repo).known_speakers
    with pytest.raises(ConfigError, match="other values of seed"):
        recipe.main(options(resume=True, push_to_hub=repo, seed=9))


def test_a_fold_of_a_seed_of_a_compared_system_belongs_to_the_comparison(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"push_to_hub": REPO, "corpus": "csv"}))
    place = tmp_path / "01" / "seed_0" / "fold_1"
    (publisher,) = make_publisher(ser.Options(push_to_hub=REPO), place)
    assert publisher.branch == "01-seed_0-fold_1"


def test_speakers_whose_names_cannot_be_branches_have_branches(tmp_path):
    assert Publisher(REPO, tmp_path, fold="Ann Lee").branch.startswith("Ann-Lee-")
    assert Publisher(REPO, tmp_path, fold="spk(1)").branch != Publisher(REPO, tmp_path, fold="spk 1").branch


def test_the_command_that_sends_what_is_missing_can_be_pasted(tmp_path):
    known = {"repo": "/team hub/me/tones", "branch": "fold_1", "commit": None, "pushed": "runs/a b/model", "failed": []}
    (tmp_path / "push.json").write_text(json.dumps(known))
    assert "    ser-tl push 'runs/a b/model' '/team hub/me/tones' --revision fold_1\n" in push_summary(tmp_path)
