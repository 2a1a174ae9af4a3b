"""A check's figures on models whose answers are known, its page, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from ser_tl.cli import main
from ser_tl.data.audio import AudioConfig
from ser_tl.errors import ConfigError
from ser_tl.inference import Predictor
from ser_tl.inference.session import SessionOutput
from ser_tl.robustness import Change, Limits, Sample, change_table, check, make_suite, rate_table
from ser_tl.robustness.check import row_cells
from ser_tl.robustness.check_page import format_page
from ser_tl.robustness.edges import add_silence
from ser_tl.robustness.judgement import check_correctness, check_fairness
from ser_tl.robustness.measure import NO_SPEECH
from tests.test_model import build

LABELS = ["high", "low"]


class Listener:
    """Says high where the signal crosses zero often; `whole` counts crossings over the clip, silence and all."""

    labels, dimensions, audio, frame_rate = LABELS, [], AudioConfig(), 50.0

    def __init__(self, *, whole):
        self.whole = whole

    def run(self, waveform, lengths, wanted, norm=None):
        rates = []
        for row, length in zip(waveform, lengths, strict=True):
            clip = row[:length]
            sound = clip if self.whole else clip[np.abs(clip) > 1e-6]
            rates.append(np.mean(np.diff(np.sign(sound)) != 0) * 8000)
        high = (np.array(rates) > 500).astype(np.float32)
        return SessionOutput(np.stack([high, 1 - high], axis=1), np.zeros((len(lengths), 0), np.float32))

    def measure_norm(self, batches):
        raise ConfigError("none")

    def check_attention(self):
        raise ConfigError("none")


def tone(hertz, seconds=1.0):
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(round(16_000 * seconds)) / 16_000 + 0.3)).astype(np.float32)


def sample():
    clips = [tone(hertz + 7 * index) for index in range(8) for hertz in (700, 200)]
    return Sample(
        ids=[f"clip {index}" for index in range(16)],
        clips=clips,
        emotions=LABELS * 8,
        speakers=[f"speaker {index // 4}" for index in range(16)],
        groups={"sex": ["female", "male"] * 8},
    )


CHANGES = [
    Change("2 s of silence", "ends", add_silence(before=1.0, behind=1.0), Limits(fall=0.01, unchanged=0.95)),
    Change("nothing & <all>", "noise", lambda clip, draws: clip, Limits(unchanged=0.9)),
    Change("shown", "length", lambda clip, draws: clip[:4000]),
]


def test_a_model_that_pools_silence_fails_and_one_that_does_not_passes():
    worse, better = (check(Predictor(Listener(whole=whole)), sample(), CHANGES) for whole in (True, False))
    assert worse.uar == better.uar == 1.0
    first, second, third = worse.rows
    assert (first.uar, first.difference, first.unchanged) == (0.5, -0.5, 0.5)
    assert (first.low, first.high) == (-0.5, -0.5)  # every speaker alike
    assert first.passes == [False, False]
    assert first.example == "clip 0"
    assert first.answers == ("high", "low")
    assert (second.unchanged, second.passes, third.passes) == (1.0, [True], [])
    assert [row.passes for row in better.rows] == [[True, True], [True], []]
    assert (worse.rates["ends"].passed, worse.rates["ends"].tests) == (0, 2)
    assert worse.rates["ends"].random < 0.6
    assert "length" not in worse.rates
    assert worse.failed(0.0) == []
    assert "ends" in worse.failed(0.5)
    assert better.failed(1.0) == [theme for theme, rate in better.rates.items() if rate.passed < rate.tests]


def test_silence_is_an_answer_of_its_own():
    gone = [Change("gone", "ends", lambda clip, draws: 0.0 * clip, Limits(unchanged=0.9))]
    row = check(Predictor(Listener(whole=True)), sample(), gone).rows[0]
    assert (row.uar, row.unchanged, row.no_speech, row.answers[1]) == (0.0, 0.0, 16, NO_SPEECH)


def test_the_check_is_json_tables_and_a_page_with_audio_and_no_markup_of_names():
    found = check(Predictor(Listener(whole=True)), sample(), CHANGES, model="one", corpus="tones")
    again = json.loads(json.dumps(found.to_dict()))
    assert again["rows"][0]["passes"] == [False, False]
    assert again["rates"]["noise"] == {"passed": 1, "tests": 1, "random": found.rates["noise"].random}
    assert "| 2 s of silence | 50.0 | -50.0 | -50.0 to -50.0 | 50.0 |" in change_table(found)
    assert "| ends | 0 of 2 | 0.0 |" in rate_table(found.rates)
    text = format_page(found, sample(), CHANGES)
    assert text.count("<audio") == 3
    assert text.count("data:audio/ogg;base64,T2dnUw") == 3
    assert "nothing &amp; &lt;all&gt;" in text
    assert "<all>" not in text


def test_a_change_of_nothing_has_no_minus():
    row = check(Predictor(Listener(whole=False)), sample(), CHANGES[1:2]).rows[0]
    assert row_cells(replace(row, difference=-0.0004, low=-0.0, high=-0.0003))[1:3] == ["+0.0", "0.0 to 0.0"]
    assert row_cells(replace(row, difference=-0.0006, low=-0.0006, high=0.0))[1:3] == ["-0.1", "-0.1 to 0.0"]


def verdicts(found):
    return {one.name: one for one in found}


def test_correctness_is_what_a_confusion_matrix_says():
    clips = sample()
    answers = [*["high"] * 12, *LABELS * 2]  # of low, two of eight are found
    found = verdicts(check_correctness(clips, answers, LABELS))
    assert found["UAR"].value == pytest.approx(0.625)
    assert (found["recall of low"].value, found["recall of low"].passed) == (0.25, False)
    assert found["precision of high"].value == pytest.approx(8 / 14)
    assert found["proportion of low"].value == pytest.approx(6 / 16)
    assert not any("ranking" in name for name in found)  # eight clips of a class a speaker: nobody has them


def test_fairness_is_the_difference_of_two_groups():
    clips = Sample(
        ids=[str(index) for index in range(40)],
        clips=[tone(200, 0.1)] * 40,
        emotions=["high"] * 10 + ["low"] * 10 + ["high"] * 10 + ["low"] * 10,
        speakers=["a"] * 20 + ["b"] * 20,
        groups={"sex": ["female"] * 20 + ["male"] * 20, "language": ["de"] * 40},
    )
    answers = ["high"] * 10 + ["low"] * 10 + ["high"] * 5 + ["low"] * 15
    found = verdicts(check_fairness(clips, answers, LABELS))
    assert found["sex: UAR"].value == pytest.approx(0.25)
    assert found["sex: recall of high"].value == pytest.approx(0.5)
    assert found["sex: recall of low"].value == 0.0
    assert found["sex: precision of low"].value == pytest.approx(1 - 10 / 15)
    assert not any(name.startswith("language") for name in found)  # one language is no comparison


def test_groups_of_too_few_clips_are_left_out_and_those_of_other_classes_compared_on_what_they_share():
    def found(emotions, answers):
        half = len(emotions) // 2
        sexes = ["female"] * half + ["male"] * half
        ids = [str(index) for index in range(len(emotions))]
        clips = Sample(ids, [tone(200, 0.1)] * len(ids), emotions, sexes, {"sex": sexes})
        return verdicts(check_fairness(clips, answers, LABELS))

    few = (["high"] * 3 + ["low"] * 3) * 2
    assert found(few, few) == {}  # was a failure, of a value that is no number
    emotions = ["high"] * 10 + ["low"] * 10 + ["low"] * 20
    assert found(emotions, ["low"] * 40)["sex: UAR"].value == 0.0  # the men's recall of high isn't known


@pytest.fixture
def corpus(tmp_path):
    lines = ["path,emotion,speaker"]
    for index in range(4):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, tone(200 + 300 * (index % 2), 0.6), 16_000)
        lines.append(f"{path},{['anger', 'sadness'][index % 2]},speaker {index // 2}")
    (tmp_path / "tones.csv").write_text("\n".join(lines))
    return ["--corpus", "csv", "--root", str(tmp_path / "tones.csv")]


@pytest.mark.slow
def test_the_command_writes_the_page_and_ends_by_the_share_that_passes(corpus, tmp_path, capsys):
    build("whisper").save_pretrained(tmp_path / "model")
    command = [
        "check",
        str(tmp_path / "model"),
        *corpus,
        "--changes",
        "['shift by 1 sample', '8 kHz', 'white noise 3 dB']",
    ]
    command += ["--noise", "[3]"]
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "| shift by 1 sample |" in said.out
    assert "8 kHz: UAR" in said.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"check.html", "check.json", "check.md"}
    assert len(json.loads((tmp_path / "out" / "check.json").read_text())["rows"]) == 3
    assert main([*command, "--fail_under", "1"]) == 1
    assert "error: below --fail_under 1: correctness" in capsys.readouterr().err


@pytest.mark.exhaustive
@pytest.mark.slow
def test_speakers_of_the_training_and_names_that_are_not_there_are_refused(corpus, tmp_path, capsys):
    from ser_tl.model import KnownSpeakers

    model = build("whisper")
    model.known_speakers = KnownSpeakers.from_names(["speaker 1", "other"])
    model.save_pretrained(tmp_path / "model")
    command = ["check", str(tmp_path / "model"), *corpus]
    assert main(command) == 1
    assert "the model knows 1 of the 2 speakers from its training" in capsys.readouterr().err
    assert main([*command, "--known_speakers", "--changes", "[8 kHz]", "--clips", "2"]) == 0
    assert main([*command, "--known_speakers", "--themes", "[rain]"]) == 1
    assert "--themes rain: known are ends, length, noise" in capsys.readouterr().err
    assert main([*command, "--known_speakers", "--by", "[mood]"]) == 1
    assert "--by mood: the corpus has no such column" in capsys.readouterr().err


@pytest.mark.exhaustive
@pytest.mark.slow
def test_an_exported_model_is_checked_as_well(exported):
    clips = Sample(["a", "b"], [tone(200, 0.5), tone(500, 0.5)], ["anger", "sadness"], ["s", "t"])
    changes = [change for change in make_suite() if change.name == "1000 zeros behind"]
    assert len(check(Predictor(exported), clips, changes).rows) == 1
