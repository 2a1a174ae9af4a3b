import socket
import subprocess
import sys

import evaluate
import pytest

from ser_tl.errors import ConfigError
from ser_tl.evaluation import UAR, WAR

REFERENCES = ["anger", "anger", "anger", "fear"]
PREDICTIONS = ["anger", "anger", "neutral", "fear"]


@pytest.fixture
def cut_off(monkeypatch, tmp_path):
    """No network, and evaluate's cache in a place that can be looked at."""

    def refuse(*args):
        raise OSError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_they_compute_offline_and_leave_no_file_for_others_to_clash_with(cut_off):
    first, second = UAR(), UAR()  # both open at once, as in two processes
    first.add_batch(predictions=PREDICTIONS[:2], references=REFERENCES[:2])
    second.add_batch(predictions=["fear"], references=["anger"])
    first.add_batch(predictions=PREDICTIONS[2:], references=REFERENCES[2:])
    assert first.compute() == {"uar": pytest.approx((2 / 3 + 1) / 2)}
    assert second.compute() == {"uar": 0}
    assert WAR().compute(predictions=PREDICTIONS, references=REFERENCES) == {"war": 0.75}
    assert not cut_off.exists()


def test_one_instance_computes_again_and_again():
    metric = WAR()
    assert metric.compute(predictions=[0, 1], references=[0, 0]) == {"war": 0.5}
    assert metric.compute(predictions=[0, 0], references=[0, 0]) == {"war": 1}


def test_integers_and_strings_give_the_same():
    number = {"anger": 4, "fear": 0, "neutral": 9}
    integers = UAR([4, 0, 9]).compute(
        predictions=[number[name] for name in PREDICTIONS], references=[number[name] for name in REFERENCES]
    )
    assert integers == UAR().compute(predictions=PREDICTIONS, references=REFERENCES)


def test_a_pinned_list_does_not_change_the_figure_but_refuses_strangers():
    pinned = UAR(["anger", "fear", "neutral", "sadness"])
    assert pinned.compute(predictions=PREDICTIONS, references=REFERENCES) == {"uar": pytest.approx(5 / 6)}
    with pytest.raises(ConfigError, match="'neutral'"):
        UAR(["anger", "fear"]).compute(predictions=PREDICTIONS, references=REFERENCES)
    with pytest.raises(ConfigError, match="normalize"):
        pinned.compute(predictions=PREDICTIONS, references=REFERENCES, normalize=True)


def test_several_processes_gather_over_files(tmp_path):
    metric = WAR(num_process=2, process_id=0, experiment_id="run", cache_dir=str(tmp_path))
    assert not metric.keep_in_memory
    assert (tmp_path / "war" / "default").is_dir()


@pytest.mark.slow
def test_evaluate_and_matplotlib_load_only_when_used():
    late = ["evaluate", "matplotlib", "sklearn", "torch"]
    code = f"import sys, ser_tl.evaluation; print([name for name in {late} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
