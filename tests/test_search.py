"""The search of hyperparameters: chosen on dev, scored once on test, resumed where it was killed."""

import csv
import json
from dataclasses import replace

import pytest

import ser_tl as ser
from ser_tl.errors import ConfigError
from tests.recipe_samples import load_recipe
from tests.test_recipe import options  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]

SPACE = {"pooling": ["mean", "stats"], "train.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}


@pytest.fixture
def make(options):  # noqa: F811
    pytest.importorskip("optuna")
    recipe = load_recipe("search")
    usual = {name: getattr(options(), name) for name in ("corpus", "root", "output", "strategy", "train")}
    return lambda trials, space=SPACE, **changes: recipe.Options(
        **{**usual, **changes, "search": ser.SearchConfig(space=space, trials=trials)}
    )


def test_the_best_on_dev_is_scored_once_on_test(make, tmp_path, monkeypatch):
    tested, trained = [], []
    fit, evaluate = ser.Trainer.fit, ser.Trainer.evaluate
    monkeypatch.setattr(ser.Trainer, "fit", lambda self, *a, **k: trained.append(a) or fit(self, *a, **k))
    monkeypatch.setattr(ser.Trainer, "evaluate", lambda self, t, **k: tested.append(t) or evaluate(self, t, **k))
    report = load_recipe("search").main(make(3))
    assert len(tested) == 1
    test = set(tested[0]["speaker"][:])
    assert all(not test & {*train["speaker"][:], *dev["speaker"][:]} for train, dev in trained)
    with (tmp_path / "run" / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    best = max(rows, key=lambda row: float(row["dev"]))
    assert report.facts["setting"]["pooling"] == best["pooling"]
    assert report.facts["setting"]["train.learning_rate"] == float(best["train.learning_rate"])
    assert report.facts["pooling"] == best["pooling"]
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert max(record["dev_uar"] for record in history) == float(best["dev"])  # the same training once more
    assert any("best of 3 on dev speakers" in note for note in report.notes)
    assert not (tmp_path / "run" / "trials" / "000").exists()


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
    recipe.main(replace(make(3), resume=True))
    assert count == ["000", "001", "001", "002", "run"]


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
