"""Curves in other trackers: what MLflow stores is read back, and Weights & Biases begins a run without a network.

Neither is installed with ser_tl: `pip install mlflow wandb`; .ci/nightly runs this with both.
"""

import pytest

from ser_tl.training import Trainer
from ser_tl.transfer import Full
from tests.training.samples import tiny_model, tone_split, train_config

pytestmark = pytest.mark.slow


@pytest.fixture
def train(tmp_path):
    """Trains for two epochs with a tracker; gives the history."""
    split = tone_split(tmp_path / "tones")

    def run(tracker):
        trainer = Trainer(tiny_model(), Full(), train_config(epochs=2, tracker=tracker), tmp_path / "run")
        return trainer.fit(split.train, split.dev)

    return run


def test_mlflow_has_the_curves_of_a_training_that_ended(train, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs MLflow: pip install mlflow")
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    history = train("mlflow")
    client = mlflow.MlflowClient(address)
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.info.status for run in runs] == ["FINISHED"]
    for name in ("train_loss", "dev_loss", "dev_uar", "dev_war"):
        points = client.get_metric_history(runs[0].info.run_id, name)
        assert [(point.step, point.value) for point in points] == [(row["epoch"], row[name]) for row in history]
    rates = [name for name in runs[0].data.metrics if name.startswith("learning_rate/")]
    assert len(rates) == len(history[0]["learning_rates"])


def test_wandb_begins_an_offline_run(train, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs Weights & Biases: pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    history = train("wandb")
    (log,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert log.read_bytes().startswith(b":W&B")  # its records are written by a process of W&B's own, later
    assert len(history) == 2
