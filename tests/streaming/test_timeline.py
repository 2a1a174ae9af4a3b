"""Timelines: where speech and emotions begin and end, in every format, and as a page."""

import csv
import io
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from ser_tl.errors import ConfigError
from ser_tl.inference import Predictor
from ser_tl.streaming import build_timeline
from ser_tl.streaming.formats import FORMATS, check_format
from ser_tl.streaming.quiet import find_quiet_moments
from ser_tl.streaming.segmentation import find_path
from ser_tl.streaming.speaker_turns import SpeakerTurn, read_turns
from ser_tl.streaming.spectrogram import measure_spectrogram
from ser_tl.streaming.timeline_page import format_page, format_time
from tests.streaming.sounds import RATE, LevelSession, pause, voiced


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """5 s of speech, loud then quiet; a pause; 2 s of quiet speech; a pause."""
    loud, quiet = voiced(4.0, level=0.6), voiced(4.0, level=0.05)
    signal = np.concatenate([pause(0.5), loud, quiet, pause(1.0), voiced(2.0, level=0.05), pause(0.5)])
    path = tmp_path_factory.mktemp("long") / 'a "long" <one>.wav'
    soundfile.write(path, signal, RATE)
    return path


@pytest.fixture(scope="module")
def timeline(long):
    return build_timeline(long, LevelSession(), voice="energy", window=1.0)


def rows_of(timeline):
    return [(round(one.start, 1), round(one.end, 1), one.label) for one in timeline.segments]


def test_segments_follow_speech_and_emotion(timeline, long):
    (_, start, silence), loud, quiet, (pause_start, pause_end, _), last, _ = rows_of(timeline)
    assert (start, silence) == (0.5, "")
    assert loud[2] == "loud"
    assert loud[:2] == pytest.approx((0.5, 4.5), abs=0.6)
    assert quiet[2] == "quiet"
    assert quiet[:2] == pytest.approx((loud[1], 8.5), abs=0.1)
    assert (pause_start, pause_end) == pytest.approx((8.5, 9.5), abs=0.1)
    assert last == (pytest.approx(9.5, abs=0.1), pytest.approx(11.5, abs=0.1), "quiet")
    assert timeline.seconds == 12.0
    edges = [(one.start, one.end) for one in timeline.segments]
    assert edges[0][0] == 0
    assert edges[-1][1] == 12.0
    assert all(end == pytest.approx(start) for (_, end), (start, _) in pairwise(edges))
    whole = build_timeline(long, LevelSession(), voice="energy", penalty=float("inf"))
    assert [one.speech for one in whole.segments] == [False, True, False, True, False]


def test_a_segment_has_the_answer_of_its_clip(timeline, long):
    signal = soundfile.read(long, dtype="float32")[0]
    for one in timeline.segments:
        if one.label:
            clip = signal[round(one.start * RATE) : round(one.end * RATE)]
            expected = Predictor(LevelSession()).predict(clip)[0]
            assert one.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
            assert one.confidence == max(one.probabilities.values())


@pytest.mark.slow
def test_given_turns_take_the_place_of_voice_activity_and_may_overlap(long, tmp_path):
    rttm = tmp_path / "turns.rttm"
    line = "SPEAKER long 1 {} {} <NA> <NA> {} <NA> <NA>\n"
    rows = [(1.0, 2.0, "B"), (0.5, 1.5, "A"), (1.5, 1.0, "A"), (9.5, 2.0, "A")]
    rttm.write_text("".join(line.format(*row) for row in rows) + "\nSPKR-INFO long 1 <NA>\n")
    turns = read_turns(rttm)
    assert turns == [SpeakerTurn(0.5, 2.5, "A"), SpeakerTurn(1.0, 3.0, "B"), SpeakerTurn(9.5, 11.5, "A")]
    found = build_timeline(long, LevelSession(), turns=turns)
    assert [(one.speaker, one.label) for one in found.segments if one.speech] == [
        ("A", "loud"),
        ("B", "loud"),
        ("A", "quiet"),
    ]
    for make in FORMATS.values():
        assert "A" in make(found) or make is FORMATS[".rttm"]
    assert "emotion B" in FORMATS[".textgrid"](found)
    assert '<th class="text">speaker</th>' in format_page(found)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("SPEAKER a 1 x 2 <NA> <NA> b <NA> <NA>", "expected SPEAKER"),
        ("SPEAKER a 1 1", "expected SPEAKER"),
        ("SPEAKER a 1 1 -2 <NA> <NA> b <NA> <NA>", "positive"),
        ("", "no recording"),
        ("SPEAKER a 1 0 1 x x s\nSPEAKER b 1 0 1 x x s", "turns of a, b"),
    ],
)
def test_turns_that_cannot_be_read_are_refused(tmp_path, text, match):
    path = tmp_path / "turns.rttm"
    path.write_text(text)
    with pytest.raises(ConfigError, match=match):
        read_turns(path, "c")


def test_turns_of_another_recording_are_refused(long):
    with pytest.raises(ConfigError, match="end behind the recording"):
        build_timeline(long, LevelSession(), turns=[SpeakerTurn(100.0, 101.0, "A")])


def spoken(timeline):
    return [one for one in timeline.segments if one.label]


def test_rttm_can_be_read_again(timeline, tmp_path):
    path = tmp_path / "found.rttm"
    path.write_text(FORMATS[".rttm"](timeline))
    fields = [line.split() for line in path.read_text().splitlines()]
    assert {len(row) for row in fields} == {10}
    assert [(row[0], row[7]) for row in fields] == [("SPEAKER", one.label) for one in spoken(timeline)]
    expected = [one.start for one in spoken(timeline)]
    assert [float(row[3]) for row in fields] == pytest.approx(expected, abs=1e-3)


def test_textgrid_tiles_the_recording(timeline):
    text = FORMATS[".textgrid"](timeline)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[:2] == ['File type = "ooTextFile"', 'Object class = "TextGrid"']
    begins = [number for number, line in enumerate(lines) if line.startswith("intervals [")]
    rows = [
        (*(float(lines[number + row].split("=")[1]) for row in (1, 2)), lines[number + 3].split('"')[1])
        for number in begins
    ]
    half = len(rows) // 2  # two tiers, of which the second is the confidences
    for tier in (rows[:half], rows[half:]):
        assert tier[0][0] == 0
        assert tier[-1][1] == 12
        assert all(end == start for (_, end, _), (start, _, _) in pairwise(tier))
    assert [text for *_, text in rows[:half]] == ["", "loud", "quiet", "", "quiet", ""]


def test_elan_is_xml_with_times_in_milliseconds(timeline):
    root = ElementTree.fromstring(FORMATS[".eaf"](timeline))
    slots = {one.get("TIME_SLOT_ID"): int(one.get("TIME_VALUE")) for one in root.iter("TIME_SLOT")}
    found = [
        (slots[one.get("TIME_SLOT_REF1")], slots[one.get("TIME_SLOT_REF2")], one.findtext("ANNOTATION_VALUE"))
        for one in root.iter("ALIGNABLE_ANNOTATION")
    ]
    assert found == [(round(1000 * one.start), round(1000 * one.end), one.label) for one in spoken(timeline)]


def test_audacity_and_csv(timeline):
    lines = [line.split("\t") for line in FORMATS[".txt"](timeline).splitlines()]
    assert [line[2].split()[0] for line in lines] == ["loud", "quiet", "quiet"]
    rows = list(csv.DictReader(io.StringIO(FORMATS[".csv"](timeline))))
    assert [row["label"] for row in rows] == ["", "loud", "quiet", "", "quiet", ""]
    assert [row["speech"] for row in rows] == ["false", "true", "true", "false", "true", "false"]
    assert float(rows[1]["loud"]) == pytest.approx(timeline.segments[1].confidence, abs=1e-5)
    assert rows[0]["loud"] == ""


@pytest.mark.slow
def test_the_page_needs_nothing_and_escapes_names(timeline, long):
    page = format_page(timeline, measure_spectrogram(long))
    assert "<one>" not in page
    assert "&lt;one&gt;" in page
    assert "http" not in page
    assert "<script" not in page
    assert page.count("data:image/png;base64,") == 1
    assert page.count("(no speech)") == 3


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_recording_without_speech_has_a_page_too(tmp_path):
    path = tmp_path / "silent.wav"
    soundfile.write(path, pause(3.0), RATE)
    found = build_timeline(path, LevelSession(), voice="energy")
    assert [(one.start, one.end, one.speech) for one in found.segments] == [(0.0, 3.0, False)]
    assert "No speech was found" in format_page(found, measure_spectrogram(path))
    for make in FORMATS.values():
        make(found)


def test_a_spectrogram_is_where_the_tone_is(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.concatenate([pause(2.0), 0.5 * np.sin(np.arange(2 * RATE) * 2 * np.pi / 16)]), RATE)
    power = measure_spectrogram(path, columns=50)
    assert 45 <= len(power) <= 51
    assert set(power[len(power) // 2 + 2 : -1].argmax(axis=1)) == {32}  # 1 kHz
    assert power[: len(power) // 2 - 2].max() < 1e-3


@pytest.mark.parametrize(
    ("seconds", "label", "ticks"),
    [(300, "minutes:seconds", ["0:00", "0:30", "1:00"]), (7200, "hours:minutes", ["0:00", "0:10", "0:20"])],
)
def test_long_recordings_are_marked_as_clocks_are(seconds, label, ticks):
    from matplotlib.figure import Figure

    from ser_tl.reporting.plots.timeline import _mark_time

    axes = Figure().add_subplot()
    axes.set_xlim(0, seconds)
    _mark_time(axes, seconds)
    axes.figure.canvas.draw()
    assert label in axes.get_xlabel()
    assert [text.get_text() for text in axes.get_xticklabels()][:3] == ticks
    assert len(axes.get_xticks()) <= 13


def test_a_path_changes_when_it_pays():
    scores = np.log([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4)
    assert find_path(scores, 3.0).tolist() == [0] * 4 + [1] * 4
    assert set(find_path(scores, 100.0).tolist()) <= {0, 1}
    assert len(set(find_path(scores, 100.0).tolist())) == 1
    flicker = np.log([[0.9, 0.1]] * 3 + [[0.1, 0.9]] + [[0.9, 0.1]] * 3)
    assert find_path(flicker, 3.0).tolist() == [0] * 7
    assert find_path(flicker, 0.0).tolist() == [0, 0, 0, 1, 0, 0, 0]


def test_a_change_is_paid_for_where_it_is():
    scores = np.log([[0.9, 0.1]] * 4 + [[0.3, 0.7]] * 4)
    assert set(find_path(scores, np.full(7, 9.0)).tolist()) == {0}
    cheap = np.full(7, 9.0)
    cheap[4] = 0.1  # a pause, a point behind where the answers change
    assert find_path(scores, cheap).tolist() == [0] * 5 + [1] * 3


def test_quiet_moments_are_found_to_the_hundredth_and_local():
    loud, quiet = voiced(3.0, level=0.6), voiced(3.0, level=0.03)
    loud[round(1.3 * RATE) : round(1.45 * RATE)] *= 0.03
    points = (np.arange(24) + 0.5) * 0.25 * RATE
    moments = find_quiet_moments(np.concatenate([loud, quiet]), points)
    assert moments.depths.argmax() == 5  # between 1.375 and 1.625 s less, between 1.125 and 1.375 s its middle
    at = moments.positions[[4, 5]] / RATE
    assert abs(at - 1.375).min() < 0.02
    assert moments.depths[[4, 5]].max() > 20
    others = np.delete(moments.depths, [3, 4, 5, 6])
    assert np.median(others) < 4  # quiet speech isn't a pause
    assert len(find_quiet_moments(np.zeros(100, np.float32), np.array([50.0])).positions) == 0
    silent = find_quiet_moments(np.zeros(RATE, np.float32), np.array([4000.0, 12_000.0]))
    assert silent.depths == pytest.approx([0.0])


def test_an_emotion_changes_at_the_pause_that_windows_blur(tmp_path):
    first, last = voiced(3.1, level=0.6), voiced(3.0, level=0.1)
    signal = np.concatenate([pause(0.5), first, pause(0.15), last, pause(0.5)])  # shorter than a pause between turns
    path = tmp_path / "talk.wav"
    soundfile.write(path, signal, RATE)
    found = build_timeline(path, LevelSession(), voice="energy")
    spoken = [segment for segment in found.segments if segment.label]
    assert [segment.label for segment in spoken] == ["loud", "quiet"]
    assert spoken[0].end == pytest.approx(3.675, abs=0.05)
    assert spoken[1].start == spoken[0].end


def test_times_and_endings(tmp_path):
    assert [format_time(value) for value in (0.04, 61.25, 3725.97)] == ["0:00.0", "1:01.2", "1:02:06.0"]
    check_format(tmp_path / "a.TextGrid")
    with pytest.raises(ConfigError, match="TextGrid"):
        check_format(tmp_path / "a.docx")


def test_options_that_make_no_sense_are_refused(long):
    for options in ({"hop": 0}, {"penalty": -1}, {"window": float("nan")}):
        with pytest.raises(ConfigError):
            build_timeline(long, LevelSession(), **options)
    numbers = LevelSession()
    numbers.labels = []
    with pytest.raises(ConfigError, match="dimensions alone"):
        build_timeline(long, numbers)


def test_memory_is_a_turns(long):
    session = LevelSession()
    build_timeline(io.BytesIO(long.read_bytes()), session, voice="energy")
    assert max(session.lengths) <= 12 * RATE
