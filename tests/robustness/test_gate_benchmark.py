"""The benchmarks of gates: what each leaves of a clip, who is trained on, and how corpora and seeds are averaged."""

import numpy as np
import pytest
import torch

from ser_tl.data.audio import decode
from ser_tl.robustness.suite import make_suite
from tests.benchmarks.defaults.variants import Clip
from tests.benchmarks.gate_cost import measure_silence, pool_difference
from tests.benchmarks.robustness import GATES, HANGOVER, Corpus, Judges
from tests.benchmarks.robustness_seeds import CHANGES, list_changes, list_rates
from tests.training.samples import tone_corpus

RATE = 16_000


@pytest.fixture(scope="module")
def word():
    from ser_tl.assets import asset

    return decode(asset("emodb_mini") / "03a01Wa.opus")


@pytest.mark.parametrize("name", ["energy", "silero"])
def test_a_gate_takes_silence_off_both_ends_and_no_speech(name, word):
    silent = np.pad(word, (2 * RATE, RATE))
    cut, alone = GATES[name](silent), GATES[name](word)
    assert len(alone) <= len(word)
    assert len(alone) > 0.8 * len(word)
    assert abs(len(cut) - len(alone)) <= 2 * HANGOVER + 1024  # what is kept around, and a frame at each end
    assert np.array_equal(GATES["none"](silent), silent)


def test_the_silence_that_the_gate_takes_off_is_measured_at_each_end(word):
    clips = [Clip(str(before), "x", "a", np.pad(word, (before * RATE, RATE))) for before in (0, 2)]
    first, second = measure_silence(clips)
    assert (second - first).tolist() == pytest.approx([2.0, 0.0], abs=0.02)
    assert first[1] == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("name", ["energy", "silero"])
def test_a_clip_without_speech_stays_whole(name):
    faint = 1e-5 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert np.array_equal(GATES[name](faint), faint)


@pytest.mark.slow
def test_a_clip_is_answered_by_the_classifier_that_was_trained_without_it(tmp_path):
    tones = tone_corpus(tmp_path, speakers=4, takes=4)
    voices = np.array(tones["speaker"][:])
    corpus = Corpus.of(tones, [voices == voice for voice in sorted(set(voices))], each=2)
    assert len(corpus.sample) == 8
    assert len({corpus.clips[row].speaker for row in corpus.sample}) == 4
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(len(tones), 60, dtype=torch.float64, generator=draw)  # nothing to learn but the clip itself
    judges, everything = Judges(corpus, [states]), range(len(tones))
    truth = np.array([corpus.labels.index(clip.emotion) for clip in corpus.clips])
    found = judges.answer(states, everything)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert (found.argmax(axis=1) == truth).mean() < 0.75


def _answers(right, speakers):
    """Confusion matrices (S, 2, 2) of speakers with ten clips of each of two classes, so many of them right."""
    return np.tile([[right, 10 - right], [10 - right, right]], (speakers, 1, 1))


def test_each_corpus_counts_alike_in_a_pooled_difference():
    small, large = ([_answers(8, 2), _answers(10, 2)], [_answers(8, 20), _answers(8, 20)])
    mean, low, high = pool_difference([np.stack(small), np.stack(large)])
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))  # speakers who are alike leave nothing to chance


def test_a_pooled_interval_holds_speakers_who_differ_and_pairs_them():
    hard, easy = _answers(5, 5), _answers(10, 5)
    before = np.concatenate([hard, easy])
    assert pool_difference([np.stack([before, before])]) == pytest.approx((0, 0, 0))  # who is drawn cancels out
    after = np.concatenate([_answers(7, 5), easy])
    mean, low, high = pool_difference([np.stack([before, after])])
    assert mean == pytest.approx(0.1)
    assert 0 < low < 0.1 < high < 0.2


def _found(uar, unchanged, passed):
    rows = [{"name": name, "uar": uar - 0.1, "difference": -0.1, "unchanged": unchanged} for name in CHANGES]
    return {"uar": uar, "rows": rows, "rates": {"ends": {"passed": passed, "tests": 4, "random": 0.1}}}


def test_tables_over_seeds_have_means_and_spreads():
    assert set(CHANGES) <= {change.name for change in make_suite()}
    checks = {"none": [_found(0.8, 0.5, 1), _found(0.9, 0.7, 2)], "field": [_found(0.8, 1.0, 4), _found(0.8, 1.0, 4)]}
    lines = list_changes(checks).splitlines()
    assert lines[2] == "| as recorded | 85.0 ± 7.1 | 80.0 ± 0.0 |"
    assert lines[3] == f"| {CHANGES[0]} | 75.0 ± 7.1, -10.0 (60 %) | 70.0 ± 0.0, -10.0 (100 %) |"
    assert len(lines) == 3 + len(CHANGES)
    assert list_rates(checks).splitlines()[2] == "| ends | 3 of 8, 38 % | 8 of 8, 100 % |"
