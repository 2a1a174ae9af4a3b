"""The audit finds what a split must not share, through gain, resampling, trimming and codecs, and cries no wolf."""

import io
import json
from functools import cache

import numpy as np
import pytest
import soundfile
import soxr

from ser_tl.analysis.acoustic_fingerprint import MOST_DIFFERENT, find_copies, fingerprint
from ser_tl.analysis.audit import audit_corpus
from ser_tl.analysis.text_disjoint import compare_texts
from ser_tl.cli import main
from ser_tl.data.folds import Fold
from ser_tl.data.schema import build_corpus
from ser_tl.errors import ConfigError, SplitError

pytestmark = pytest.mark.slow

RATE = 16_000


@cache
def utterance(seed, seconds=2.0):
    """Something like speech: a gliding harmonic voice through moving resonances, in syllables, with breath."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    knots = np.linspace(0, seconds, 9)
    pitch = np.interp(time, knots, draw.uniform(90, 260, 9))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tones = np.zeros(len(time))
    spans = (300, 900), (900, 2400), (2400, 3400)
    centres = [np.interp(time, knots, draw.uniform(low, high, 9)) for low, high in spans]
    for number in range(1, 30):
        frequency = number * pitch
        tones += sum(np.exp(-(((frequency - centre) / 150) ** 2)) for centre in centres) * np.sin(number * phase)
    syllables = 0.15 + np.interp(time, np.linspace(0, seconds, 17), draw.uniform(0, 1, 17))
    wave = tones * syllables + 0.02 * draw.standard_normal(len(time))
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


@cache
def print_of(seed):
    return fingerprint(utterance(seed))


def through(samples, kind, subtype, rate=RATE):
    stream = io.BytesIO()
    soundfile.write(stream, soxr.resample(samples, RATE, rate), rate, format=kind, subtype=subtype)
    stream.seek(0)
    decoded, found = soundfile.read(stream, dtype="float32")
    return soxr.resample(decoded, found, RATE)


CHANGES = {
    "gain": lambda wave: 0.05 * wave,
    "trimmed by samples": lambda wave: wave[777:-301],
    "a fifth cut off": lambda wave: wave[len(wave) // 5 :],
    "silence before": lambda wave: np.concatenate([np.zeros(5000, np.float32), wave]),
    "telephone's rate": lambda wave: soxr.resample(soxr.resample(wave, RATE, 8000), 8000, RATE),
    "44.1 kHz": lambda wave: soxr.resample(soxr.resample(wave, RATE, 44_100), 44_100, RATE),
    "MP3": lambda wave: through(wave, "MP3", "MPEG_LAYER_III"),
    "Vorbis": lambda wave: through(wave, "OGG", "VORBIS"),
    "Opus": lambda wave: through(wave, "OGG", "OPUS", 48_000),
    "mu-law": lambda wave: through(wave, "WAV", "ULAW", 8000),
    "noise 25 dB below": lambda wave: wave + 0.056 * wave.std() * np.random.default_rng(0).standard_normal(len(wave)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_audio_is_found_again(change):
    changed = np.asarray(CHANGES[change](utterance(3)), dtype=np.float32)
    found = find_copies([*map(print_of, range(12)), fingerprint(changed)])
    assert [(one.first, one.second) for one in found] == [(3, 12)], change


def test_the_offset_is_told():
    clip = utterance(1)
    (found,) = find_copies([fingerprint(clip), fingerprint(np.concatenate([np.zeros(8000, np.float32), clip]))])
    assert found.seconds == pytest.approx(0.5, abs=0.02)


@pytest.mark.exhaustive
def test_other_recordings_of_one_corpus_are_not_taken_for_copies(shared):
    """All 535 clips of EMO-DB: takes of one sentence by one speaker included."""
    root = shared("corpora/emodb")
    paths = sorted(root.rglob("*.flac"))[:160]
    prints = [fingerprint(soundfile.read(path, dtype="float32")[0]) for path in paths]
    assert find_copies(prints) == []
    again = fingerprint(through(soundfile.read(paths[7], dtype="float32")[0], "MP3", "MPEG_LAYER_III"))
    (found,) = find_copies([*prints, again])
    assert (found.first, found.second) == (7, 160)
    assert found.different < MOST_DIFFERENT / 2


def corpus(folder, *, copies=()):
    rows = []
    for number in range(12):
        wave = utterance(dict(copies).get(number, number), 1.0)
        path = folder / f"clip_{number}.wav"
        soundfile.write(path, wave * (0.3 if number in dict(copies) else 1.0), RATE)
        rows.append({"id": path.stem, "audio": path, "emotion": ["anger", "fear"][number % 2]})
        rows[-1] |= {"speaker": f"s{number // 4}", "sentence": f"t{number % 3}", "session": f"x{number // 4}"}
        rows[-1] |= {"corpus": "made", "language": "und"}
    return build_corpus(rows, source="made")


def fold(test, name="fold_1"):
    every = {f"clip_{number}" for number in range(12)}
    tested = {f"clip_{number}" for number in test}
    return Fold(name, train=frozenset(every - tested), dev=frozenset(), test=frozenset(tested))


@pytest.mark.exhaustive
def test_folds_are_judged_by_what_they_share(tmp_path):
    found = audit_corpus(corpus(tmp_path, copies=[(9, 0)]), [fold(range(4)), fold([4, 8, 11], "fold_2")])
    apart, mixed = found.folds
    assert (apart.speakers, apart.sessions, apart.equal, apart.known_sentences) == ([], [], [], 1.0)
    assert apart.near == [("clip_9", "clip_0")]  # a louder copy, which no comparison of samples would find
    assert (mixed.speakers, mixed.by_shared, mixed.sessions) == (["s1", "s2"], 3, ["x1", "x2"])
    assert [one[:2] for one in found.copies] == [("clip_0", "clip_9")]
    assert found.strangers == [("clip_0", "clip_9")]
    assert apart.leaks
    assert found.leaks
    clean = audit_corpus(corpus(tmp_path), [fold(range(4))])
    assert not clean.leaks
    with pytest.raises(SplitError, match=r"fold_1: 12 of its ids aren't in the corpus"):
        audit_corpus(clean_copy(tmp_path), [fold(range(4))], audio=False)


def clean_copy(folder):
    return corpus(folder).map(lambda row: {"id": f"other_{row['id']}"})


def test_the_command_prints_a_table_and_ends_with_1_where_something_leaks(tmp_path, capsys):
    corpus(tmp_path, copies=[(9, 0)])
    rows = [f"clip_{number}.wav,clip_{number},{'af'[number % 2]},s{number // 4},t{number % 3}" for number in range(12)]
    text = "path,id,emotion,speaker,sentence\n" + "\n".join(rows) + "\n"
    (tmp_path / "list.csv").write_text(text.replace(",a,", ",anger,").replace(",f,", ",fear,"))
    (tmp_path / "folds.csv").write_text("id,fold\n" + "".join(f"clip_{n},{n // 4}\n" for n in range(12)))
    command = ["audit", "csv", "--root", str(tmp_path / "list.csv"), "--folds", str(tmp_path / "folds.csv")]
    assert main([*command, "--output", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().out
    assert "12 utterances of 3 speakers" in printed
    assert "near-equal audio: 1 pairs, 1 of them of two speakers" in printed
    assert "leaks: 0, 2" in printed
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["sentences"] == {"t0": 4, "t1": 4, "t2": 4}
    assert main([*command, "--no-audio"]) == 0


@pytest.mark.exhaustive
def test_sentences_that_tell_the_emotion_are_worth_nothing_on_others():
    draw = np.random.default_rng(0)
    emotions = [["anger", "fear"][row % 2] for row in range(480)]
    speakers = [f"s{row // 40}" for row in range(480)]
    sentences = [f"t{(row // 2) % 10}" for row in range(480)]
    truth = np.array([emotion == "anger" for emotion in emotions])
    own = np.array([int(name[1:]) for name in sentences])
    # Each sentence sounds angry in a way of its own: what is learned of it holds for no other.
    features = 0.7 * draw.standard_normal((480, 12))
    features[np.arange(480), own] += 2.0 * (2 * truth - 1)
    found = compare_texts(features, emotions, speakers, sentences)
    assert found.reduced > 0.75
    assert found.text_disjoint < 0.6
    assert found.interval.low > 0.2
    alike = 0.5 * (2 * truth[:, None] - 1) + draw.standard_normal((480, 12))  # every sentence sounds angry alike
    plain = compare_texts(alike, emotions, speakers, sentences)
    assert abs(plain.difference) < 0.03
    with pytest.raises(ConfigError, match=r"1 speakers and 10 sentences"):
        compare_texts(features, emotions, ["s"] * 480, sentences)
