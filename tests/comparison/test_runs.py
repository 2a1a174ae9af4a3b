"""Runs read back from their folders: names, seeds, sizes and costs."""

import pytest

from ser_tl.comparison import read_runs
from ser_tl.comparison.runs import Cost
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation import Report
from tests.comparison.test_comparison import report
from tests.evaluation.samples import sample

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


def save(folder, own, mib=0.5, fold=""):
    own.save(folder)
    model = folder / fold / "model"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(bytes(int(mib * 2**20)))


def test_names_are_what_differs_and_the_same_name_again_is_a_seed(tmp_path):
    for place in ("a/run", "b/run", "c/run"):
        save(tmp_path / place, report(0.5))
    found = read_runs([str(tmp_path / "a" / "run"), str(tmp_path / "b" / "run")])
    assert list(found) == ["a", "b"]
    found = read_runs([f"mini={tmp_path / place / 'run'}" for place in "abc"])
    assert [len(own) for own in found.values()] == [3]
    assert list(read_runs([str(tmp_path / "a" / "run")])) == ["run"]


def test_nested_folders_have_names_too(tmp_path):
    for place in ("x", "x/fold"):
        save(tmp_path / place, report(0.5))
    assert len(read_runs([str(tmp_path / "x"), str(tmp_path / "x" / "fold")])) == 2


def test_the_size_is_that_of_the_model_on_disk_a_folds_too(tmp_path):
    save(tmp_path / "whole", report(0.5), mib=1.5)
    save(tmp_path / "folds", report(0.5), mib=2.25, fold="fold_1")
    costs = [Cost.of(own) for (own,) in read_runs([str(tmp_path / "whole"), str(tmp_path / "folds")]).values()]
    assert [cost.model_mib for cost in costs] == [1.5, 2.25]


def test_costs_are_summed_or_the_largest_over_folds():
    facts = {"trainable_parameters": 1500, "peak_memory_mib": 100, "training_seconds": 90.0}
    folds = {
        "a": Report.of(sample(prefix="a"), facts=facts),
        "b": Report.of(sample(prefix="b"), facts=facts | {"peak_memory_mib": 120, "training_seconds": 30.0}),
    }
    cost = Cost.of(Report.over_folds(folds))
    assert (cost.trainable, cost.memory_mib, cost.minutes, cost.model_mib) == (1500, 120, 2.0, None)
    alike = {name: Report.of(sample(prefix=name), facts=facts) for name in "ab"}
    assert Cost.of(Report.over_folds(alike)).minutes == 3.0


def test_what_is_no_run_is_refused_with_the_way_out(tmp_path):
    save(tmp_path / "runs" / "mine", report(0.5))
    with pytest.raises(CheckpointError, match=r"further in, for example .*mine"):
        read_runs([str(tmp_path / "runs")])
    with pytest.raises(CheckpointError, match="is the run finished"):
        read_runs([str(tmp_path / "nothing")])
    mine = str(tmp_path / "runs" / "mine")
    with pytest.raises(ConfigError, match="given twice"):
        read_runs([mine, f"again={mine}"])
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    for other in (f"{tmp_path}/runs/../runs/mine", f"{tmp_path}/link/mine"):
        with pytest.raises(ConfigError, match="given twice, name each run once"):
            read_runs([mine, other])


@pytest.mark.parametrize(("first", "second"), [("{}/a", "{}/a/a"), ("a={}/b", "{}/a")])
def test_runs_that_nobody_called_alike_are_no_seeds_of_one_system(tmp_path, first, second):
    for place in ("a", "a/a", "b"):
        save(tmp_path / place, report(0.5))
    with pytest.raises(ConfigError, match=r"would all be called a: name each as NAME=FOLDER, .* another seed"):
        read_runs([first.format(tmp_path), second.format(tmp_path)])
    assert len(read_runs([f"a={tmp_path}/a", f"a={tmp_path}/a/a"])["a"]) == 2
