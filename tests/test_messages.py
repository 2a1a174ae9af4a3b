"""What a run says while it works: bars with the time that is left, epochs with their fold, and silence where asked."""

from contextlib import nullcontext

import pytest

from ser_tl import terminal
from ser_tl.inference import clips
from ser_tl.run import build_trainer
from ser_tl.training import Trainer
from ser_tl.transfer import Full
from tests.test_recipe import options, recipe  # noqa: F401 - fixtures
from tests.training.samples import tiny_model, tone_split, train_config


@pytest.fixture
def bars(monkeypatch):
    """Every bar of a pass over clips: its name, how many clips there are, how many were done, whether it is shown."""
    made = []

    class Bar(nullcontext):
        def update(self, count=1):
            made[-1][2] += count

    def bar(*, description, shown, total):
        made.append([description, total, 0, shown])
        return Bar()

    monkeypatch.setattr(clips, "progress_bar", bar)
    return made


@pytest.mark.slow
def test_evaluation_shows_how_far_it_is_and_dev_scores_do_not(bars, tmp_path):
    split = tone_split(tmp_path)
    trainer = Trainer(tiny_model(), Full(), train_config(epochs=1), name="fold_2")
    trainer.fit(split.train, split.dev)
    assert not any(shown for *_, shown in bars)
    bars.clear()
    trainer.evaluate(split.test)
    assert ["fold_2 test", len(split.test), len(split.test), True] in bars


@pytest.mark.exhaustive
@pytest.mark.slow
def test_epochs_name_their_fold_unless_the_run_is_quiet(recipe, options, tmp_path, capsys):  # noqa: F811
    chosen = options(output=tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(chosen.as_yaml())
    assert build_trainer(chosen, tiny_model(), tmp_path / "run" / "seed_1" / "fold_3").training.name == "seed_1/fold_3"
    assert build_trainer(chosen, tiny_model(), tmp_path / "run").training.name == ""

    split = tone_split(tmp_path / "tones")
    Trainer(tiny_model(), Full(), train_config(epochs=1), name="mine, fold_1").fit(split.train, split.dev)
    assert capsys.readouterr().out.startswith("mine, fold_1  epoch   1  train loss")
    terminal.set_quiet(True)
    try:
        Trainer(tiny_model(), Full(), train_config(epochs=1)).fit(split.train, split.dev)
    finally:
        terminal.set_quiet(False)
    said = capsys.readouterr()
    assert said.out + said.err == ""
