"""The search of hyperparameters: chosen on dev, scored once on test, resumed where it was killed."""

import csv
import json
from dataclasses import replace

import pytest

import ser_tl as ser
from ser_tl.errors import ConfigError
from tests.recipe_samples import load_recipe
from tests.test_recipe import options  # noqa: F401 - a fixture
from tests.training.samples import train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]

SPACE = {"pooling": ["mean", "stats"], "train.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}


@pytest.fixture
def make(options):  # noqa: F811
    pytest.importorskip("optuna")
    usual = {name: getattr(options(), name) for name in ("corpus", "root", "output", "strategy", "train")}
    return lambda trials, space=SPACE, **changes: ser.SearchOptions(
        **{**usual, **changes, "search": ser.SearchConfig(space=space, trials=trials)}
    )


def test_the_best_on_dev_is_scored_once_on_test(make, tmp_path, monkeypatch):
    tested, trained = [], []
    fit, evaluate = ser.Trainer.fit, ser.Trainer.evaluate
    monkeypatch.setattr(ser.Trainer, "fit", lambda self, *a, **k: trained.append(a) or fit(self, *a, **k))
    monkeypatch.setattr(ser.Trainer, "evaluate", lambda self, t, **k: tested.append(t) or evaluate(self, t, **k))
    report = load_recipe("search").main(make(2))
    assert len(tested) == 1
    test = set(tested[0]["speaker"][:])
    assert all(not test & {*train["speaker"][:], *dev["speaker"][:]} for train, dev in trained)
    with (tmp_path / "run" / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    best = max(rows, key=lambda row: float(row["dev"]))
    assert report.facts["setting"]["pooling"] == best["pooling"]
    assert report.facts["setting"]["train.learning_rate"] == float(best["train.learning_rate"])
    assert report.facts["pooling"] == best["pooling"]
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert max(record["dev_uar"] for record in history) == float(best["dev"])  # the same training once more
    assert any("best of 2 on dev speakers" in note for note in report.notes)
    assert not (tmp_path / "run" / "trials" / "000").exists()


@pytest.mark.exhaustive
def test_a_killed_search_goes_on_with_the_trial_it_was_in(make, tmp_path, monkeypatch):
    recipe, fit, count = load_recipe("search"), ser.Trainer.fit, []

    def killed(self, *arguments, **options):  # noqa: F811
        count.append(self.folder.name)
        if len(count) == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments, **options)

    monkeypatch.setattr(ser.Trainer, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.main(make(3))
    with (tmp_path / "run" / "trials.csv").open(encoding="utf-8") as file:
        (finished,) = csv.DictReader(file)  # that of the killed one isn't there, the others are
    assert 0 <= float(finished["dev"]) <= 1
    recipe.main(replace(make(3), resume=True))
    assert count == ["000", "001", "001", "002", "run"]
    with (tmp_path / "run" / "trials.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file)) == finished


@pytest.mark.exhaustive
def test_a_setting_that_cannot_be_trained_does_not_end_the_search(make, tmp_path):
    space = {"strategy.blocks": [1, 9]}
    report = load_recipe("search").main(make(4, space, strategy="partial"))
    assert report.facts["setting"] == {"strategy.blocks": 1}
    (tmp_path / "run").rename(tmp_path / "before")
    with pytest.raises(ConfigError, match=r"none of 2 settings could be trained(.|\n)*3 blocks that reach"):
        load_recipe("search").main(make(2, {"strategy.blocks": [8, 9]}, strategy="partial"))


@pytest.mark.parametrize("space", [{}, {"pooling": "mean"}, {"pooling": []}, {"a": {"low": 2, "high": 1}}])
def test_a_space_of_another_form_is_refused(space):
    with pytest.raises(ConfigError, match=r"search\.space"):
        ser.SearchConfig(space=space)


def test_an_option_that_is_not_there_is_named_before_anything_is_trained(make):
    with pytest.raises(ConfigError, match=r"no option 'train\.rate'"):
        load_recipe("search").main(make(2, {"train.rate": [1]}))


CLOSED = {"model.layers": [[0, 1], [1, 2]], "train.refit": ["discriminant", "layer-discriminants"]}


@pytest.mark.exhaustive
def test_settings_in_closed_form_are_judged_on_training_speakers_held_out(make, tmp_path):
    closed = train_config(epochs=0, refit="discriminant")
    report = load_recipe("search").main(make(6, CLOSED, strategy="frozen", pooling="stats", train=closed))
    with (tmp_path / "run" / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["model.layers"] for row in rows} <= {"[0, 1]", "[1, 2]"}
    setting = report.facts["setting"]
    assert setting["model.layers"] in CLOSED["model.layers"]
    assert report.facts["refit"]["held_out_uar"] == max(float(row["dev"]) for row in rows)
    assert any("training and dev speakers held out in turn" in note for note in report.notes)


@pytest.mark.exhaustive
def test_a_killed_search_in_closed_form_goes_on_with_the_same_result(make, tmp_path, monkeypatch):
    closed = {"strategy": "frozen", "pooling": "stats", "train": train_config(epochs=0, refit="discriminant")}
    recipe, fit, count = load_recipe("search"), ser.Trainer.fit, []
    whole = recipe.main(make(3, CLOSED, **closed))
    table = (tmp_path / "run" / "trials.csv").read_text(encoding="utf-8")
    (tmp_path / "run").rename(tmp_path / "whole")

    def killed(self, *arguments, **given):
        count.append(self.folder.name)
        if len(count) == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments, **given)

    monkeypatch.setattr(ser.Trainer, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.main(make(3, CLOSED, **closed))
    resumed = recipe.main(replace(make(3, CLOSED, **closed), resume=True))
    assert count[:3] == ["000", "001", "001"]
    assert resumed.facts["setting"]["train.refit"] in CLOSED["train.refit"]
    first = [text.splitlines()[1] for text in (table, (tmp_path / "run" / "trials.csv").read_text(encoding="utf-8"))]
    assert first[0] == first[1]
    assert resumed.facts["trials"] == whole.facts["trials"] == 3


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"train.refit": ["discriminant", "none"]}, "a classifier which the refit replaces"),
        ({"train.epochs": [0, 2]}, "search them one after the other"),
        ({"train.epochs": {"low": 0, "high": 2}}, "search them one after the other"),
    ],
)
def test_scores_that_do_not_compare_are_refused_before_anything_is_trained(make, space, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("search").main(make(2, space))
