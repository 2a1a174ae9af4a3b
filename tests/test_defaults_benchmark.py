"""The benchmark of defaults: what its variants of a corpus promise, and that a stopped run goes on."""

from collections import Counter

import numpy as np
import pytest

import ser_tl as ser
from ser_tl.evaluation import Predictions
from tests.benchmarks.defaults import __main__ as benchmark
from tests.benchmarks.defaults.probes import ENCODERS, GROUPS, Probe
from tests.benchmarks.defaults.trainings import SYSTEMS
from tests.benchmarks.defaults.variants import CLIPS, SECONDS, VARIANTS, read_clips, write_variant
from tests.combinations import with_default
from tests.training.samples import tone_corpus

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), speakers=6, takes=4)


def levels(clips):
    return np.array([20 * np.log10(np.sqrt(np.mean(clip.waveform**2))) for clip in clips])


@pytest.mark.parametrize("name", with_default(VARIANTS, ["as recorded"]))
def test_a_variant_keeps_who_speaks_in_which_emotion_and_isnt_written_twice(name, tones, tmp_path):
    manifest = write_variant(tones, name, tmp_path)
    found = ser.load_corpus("csv", manifest)
    known = dict(zip(tones["id"], zip(tones["emotion"], tones["speaker"], strict=True), strict=True))
    told = dict(zip(found["id"], zip(found["emotion"], found["speaker"], strict=True), strict=True))
    assert told
    assert told.items() <= known.items()
    assert max(np.abs(clip.waveform).max() for clip in read_clips(found)) <= 1.0
    before = manifest.stat().st_mtime_ns
    write_variant(tones, name, tmp_path)
    assert manifest.stat().st_mtime_ns == before


def vary(tones, name):
    clips = read_clips(tones)
    return clips, list(VARIANTS[name](clips, np.random.default_rng(0)))


def test_clip_gains_differ_from_clip_to_clip_and_speaker_gains_only_between_speakers(tones):
    clips, changed = vary(tones, "clip gains")
    gains = levels(changed) - levels(clips)
    assert gains.std() > 5
    assert gains.min() >= -30.1
    assert gains.max() <= 6.1
    clips, changed = vary(tones, "speaker gains")
    gains = levels(changed) - levels(clips)
    own = {name: gains[[clip.speaker == name for clip in clips]] for name in set(tones["speaker"])}
    assert max(np.ptp(one) for one in own.values()) < 1.0  # but for gains that full scale stops
    assert np.std([one.mean() for one in own.values()]) > 5


def test_unbalanced_speakers_have_numbers_of_clips_far_apart(tones):
    clips, kept = vary(tones, "unbalanced")
    counts = Counter(clip.speaker for clip in kept)
    whole = Counter(clip.speaker for clip in clips)
    assert counts.keys() == whole.keys()
    assert all(min(CLIPS[0], whole[name]) <= counts[name] <= whole[name] for name in whole)
    assert len(set(counts.values())) > 1


def test_clips_of_1_to_15_s_begin_within_the_clip_itself(tones):
    clips, changed = vary(tones, "1 to 15 s")
    seconds = np.array([len(clip.waveform) / RATE for clip in changed])
    assert seconds.min() >= SECONDS[0] - 0.01
    assert seconds.max() <= SECONDS[1] + 0.01
    assert np.median(seconds) > 2
    for clip, other in zip(clips, changed, strict=True):
        (starts,) = np.nonzero(clip.waveform == other.waveform[0])
        assert any(np.array_equal(clip.waveform[at : at + 1000], other.waveform[:1000]) for at in starts)


def test_coinciding_speakers_have_one_emotion_and_two_clips_of_others(tones):
    _, kept = vary(tones, "coinciding")
    for speaker in set(tones["speaker"]):
        counts = sorted(Counter(clip.emotion for clip in kept if clip.speaker == speaker).values())
        assert counts[-1] == 4
        assert sum(counts[:-1]) == 2


@pytest.mark.exhaustive
def test_a_run_goes_on_from_what_is_there(tones, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(ENCODERS, "logmel", ("logmel-40", {}))
    monkeypatch.setitem(GROUPS, "tones", {"one": Probe(("logmel",)), "other": Probe(("logmel",), statistics="speaker")})
    monkeypatch.setattr(benchmark, "read_variant", lambda folder, corpus, root: tones)
    benchmark.probe_corpus(tmp_path, "tones", "tones, as recorded", tmp_path, None)
    first = capsys.readouterr().out
    assert "one: 100.0" in first  # three pitches apart
    (features,) = tmp_path.rglob("*.npz")
    features.unlink()
    benchmark.probe_corpus(tmp_path, "tones", "tones, as recorded", tmp_path, None)
    assert capsys.readouterr().out == first
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.exhaustive
def test_only_the_named_systems_are_trained_on_the_named_corpora(tones, tmp_path, monkeypatch, capsys):
    trained = []

    def evaluate(clips, changes):
        trained.append(changes)
        names = sorted(set(clips["emotion"]))
        rows = np.eye(len(names))[[names.index(emotion) for emotion in clips["emotion"]]]
        return ser.Report.of(Predictions(clips["id"][:], clips["speaker"][:], clips["emotion"][:], rows, names))

    monkeypatch.setattr(benchmark, "evaluate_system", evaluate)
    monkeypatch.setattr(benchmark, "read_variant", lambda folder, corpus, root: tones)
    command = ["defaults", str(tmp_path), "--emotale", str(tmp_path), "--training"]
    command += ["--corpora", "emotale, unbalanced", "--systems", "discriminant", "two blocks move"]
    monkeypatch.setattr("sys.argv", command)
    benchmark.main()
    assert trained == [SYSTEMS["discriminant"], SYSTEMS["two blocks move"]]
    assert capsys.readouterr().out.count("training: emotale, unbalanced") == 1
