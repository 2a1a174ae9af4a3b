"""CSV and JSONL manifests: what they may hold, and every way to get them wrong."""

import json
from pathlib import Path

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.speakers import UNKNOWN
from ser_tl.errors import ConfigError, CorpusError


@pytest.fixture
def folder(tree) -> Path:
    return tree(["a.wav", "b/c.d.wav"])


def csv(folder: Path, *lines: str, encoding: str = "utf-8", newline: str = "\n") -> Path:
    path = folder / "mine.csv"
    path.write_bytes((newline.join(lines) + newline).encode(encoding))
    return path


def jsonl(folder: Path, *rows: object) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return path


def test_three_columns_are_enough(folder):
    corpus = load_corpus("csv", csv(folder, "path,emotion,speaker", "a.wav,angry,anna", "b/c.d.wav,Happy,ben"))
    assert corpus["id"] == ["a", "b/c.d"]
    assert corpus["emotion"] == ["anger", "happiness"]
    assert corpus["speaker"] == ["anna", "ben"]
    assert set(corpus["corpus"]) == {"mine"}
    assert set(corpus["language"]) == {"und"}
    assert corpus[1]["audio"]["path"] == str(folder / "b" / "c.d.wav")
    assert (corpus[0]["start"], corpus[0]["end"]) == (0.0, None)
    assert "votes" not in corpus.column_names


def test_ids_are_the_same_wherever_the_folder_lies(folder, tmp_path):
    relative = load_corpus("csv", csv(folder, "path,emotion,speaker", "a.wav,angry,anna", "b/c.d.wav,Happy,ben"))
    lines = [f"{folder}/a.wav,angry,anna", f"{folder}/b/c.d.wav,Happy,ben"]
    absolute = load_corpus("csv", csv(folder, "path,emotion,speaker", *lines))
    assert absolute["id"][:] == relative["id"][:]
    (tmp_path / "lists").mkdir()
    outside = load_corpus("csv", csv(tmp_path / "lists", "path,emotion,speaker", *lines))
    assert outside["id"][0].endswith("/a")


def test_free_names_stay_as_they_are_spelled(folder):
    lines = ["path,emotion,speaker", "a.wav,Wut,anna", "b/c.d.wav,happy,ben"]
    with pytest.raises(CorpusError, match=r"emotions\.free true"):
        load_corpus("csv", csv(folder, *lines))
    assert load_corpus("csv", csv(folder, *lines), emotions=EmotionMap(free=True))["emotion"][:] == ["Wut", "happy"]


def test_all_columns_arrive_the_same_from_both_forms(folder):
    names = "path,emotion,speaker,id,start,end,language,corpus,session,votes,arousal,valence,dominance,transcript"
    line = f'"{folder}/a.wav",sad,7,one,0.02,0.09,pl,set,s1,sad;Angry; sad,1.5,-2,3,"Well, yes"'
    row = dict(zip(names.split(","), [f"{folder}/a.wav", "sad", 7, "one", 0.02, 0.09, "pl", "set", "s1"], strict=False))
    row |= {"votes": ["sad", "Angry", "sad"], "arousal": 1.5, "valence": "-2", "dominance": 3, "transcript": "Well"}
    first = load_corpus("csv", csv(folder, names, line))
    second = load_corpus("jsonl", jsonl(folder, row))
    assert first.to_list() == second.to_list()
    assert first[0]["votes"] == ["sadness", "anger", "sadness"]
    assert first[0]["speaker"] == "7"
    assert (first[0]["valence"], first[0]["session"]) == (-2.0, "s1")
    assert "transcript" not in first.column_names


def test_segments_of_one_file_get_ids_of_their_own(folder):
    lines = ("path,emotion,speaker,start,end", "a.wav,sad,x,0,0.05", "a.wav,sad,x,0.05,", "b/c.d.wav,sad,x,,0.07")
    corpus = load_corpus("csv", csv(folder, *lines))
    assert corpus["id"] == ["a@0.0-0.05", "a@0.05-", "b/c.d"]
    assert corpus["end"] == [0.05, None, 0.07]


def test_a_byte_order_mark_and_windows_lines_are_no_trouble(folder):
    lines = ("path,emotion,speaker", "", "a.wav,sad,Jürgen")
    corpus = load_corpus("csv", csv(folder, *lines, encoding="utf-8-sig", newline="\r\n"))
    assert corpus["speaker"] == ["Jürgen"]


def test_renaming_reaches_emotions_and_votes(folder):
    path = csv(folder, "path,emotion,speaker,votes", "a.wav,zly,x,zly;sad")
    corpus = load_corpus("csv", path, emotions=EmotionMap(rename={"zly": "anger"}))
    assert corpus[0]["emotion"] == "anger"
    assert corpus[0]["votes"] == ["anger", "sadness"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_name_the_line_and_the_way_out(folder, encoding):
    path = csv(folder, "path,emotion,speaker", "a.wav,sad,anna", "b/c.d.wav,sad,Jürgen", encoding=encoding)
    with pytest.raises(CorpusError, match=r"mine.csv, line [13]: not UTF-8 .*Save it as UTF-8, for example: iconv"):
        load_corpus("csv", path)


def test_a_missing_column_lists_those_there(folder):
    with pytest.raises(CorpusError, match=r"emotion are missing; found are 'path', 'label', 'speaker'.* rename or add"):
        load_corpus("csv", csv(folder, "path,label,speaker", "a.wav,sad,x"))
    with pytest.raises(CorpusError, match="path are missing; found are 'file'"):
        load_corpus("jsonl", jsonl(folder, {"file": "a.wav", "emotion": "sad", "speaker": "x"}))


@pytest.mark.parametrize("name", ["spk", "Speaker_ID", "actor", "client_id", "speakers"])
def test_speakers_under_another_name_are_not_overlooked(folder, name):
    path = csv(folder, f"path,emotion,{name}", "a.wav,sad,x")
    with pytest.raises(
        CorpusError, match=rf"no column speaker, but '{name}': .*'{{speaker: {name}}}'|'{name}' for 'speaker'"
    ):
        load_corpus("csv", path)
    assert load_corpus("csv", path, columns={"speaker": name})["speaker"][:] == ["x"]


def test_a_table_of_files_and_labels_has_unknown_speakers(folder):
    corpus = load_corpus("csv", csv(folder, "file,label", "a.wav,sad"), columns={"path": "file", "emotion": "label"})
    assert corpus["speaker"][:] == [UNKNOWN]
    rows = [{"path": "a.wav", "emotion": "sad"}, {"path": "b/c.d.wav", "emotion": "sad", "speaker": "x"}]
    with pytest.raises(CorpusError, match=r"1 lines are wrong.*\n  line 1: no speaker"):
        load_corpus("jsonl", jsonl(folder, *rows))


def test_a_slip_in_an_optional_column_is_not_dropped(folder):
    with pytest.raises(CorpusError, match=r"slips of the pen: 'valance' for 'valence'. Spell them so"):
        load_corpus("csv", csv(folder, "path,emotion,speaker,valance", "a.wav,sad,x,1"))


def test_all_wrong_lines_are_listed_at_once(folder):
    lines = ("a.wav,sad,x,1.5", "a.wav,sad,x,two", ",sad,x,1", "a.wav,sad,,nan", "a.wav,sad,x,1,5")
    with pytest.raises(CorpusError, match=r"1 lines don't have the 4 fields.* into double quotes\n.*line 6: 5 fields"):
        load_corpus("csv", csv(folder, "path,emotion,speaker,arousal", *lines))
    with pytest.raises(CorpusError, match="3 lines are wrong; correct them or take them out") as error:
        load_corpus("csv", csv(folder, "path,emotion,speaker,arousal", *lines[:4]))
    assert "line 3: arousal is 'two', expected a number" in str(error.value)
    assert "line 4: no path" in str(error.value)
    assert "line 5: no speaker" in str(error.value)


def test_values_of_the_wrong_kind_name_their_line(folder):
    good = {"path": "a.wav", "emotion": "sad", "speaker": "x"}
    rows = [{"speaker": ["x"]}, {"start": True}, {"votes": {"sad": 2}}, {"emotion": None}, {"end": [1]}]
    with pytest.raises(CorpusError, match="5 lines are wrong") as error:
        load_corpus("jsonl", jsonl(folder, good, *[good | row for row in rows]))
    for text in (
        "line 2: speaker is",
        "line 3: start is True",
        "line 4: votes is",
        "line 5: no emotion",
        "line 6: end",
    ):
        assert text in str(error.value)


@pytest.mark.parametrize("column", ["emotion", "votes"])
def test_unknown_emotions_are_listed_with_the_way_out(folder, column):
    lines = ["a.wav,zly,x,sad", "b/c.d.wav,sad,x,sad", "a.wav,smutny,x,sad"]
    if column == "votes":
        lines = ["a.wav,sad,x,zly;sad", "b/c.d.wav,sad,x,sad", "a.wav,sad,x,smutny"]
    with pytest.raises(CorpusError, match=r"2 unknown emotions.*emotions.rename '.\"zly\": EMOTION") as error:
        load_corpus("csv", csv(folder, "path,emotion,speaker,votes", *lines))
    assert "line 2: 'zly'" in str(error.value)
    assert "line 4: 'smutny'" in str(error.value)


def test_a_label_on_many_lines_is_listed_once_and_proposed_no_meaning(folder):
    lines = [f"a.wav,{'Fröhlichkeit' if place % 2 else 'Wut'},x" for place in range(512)]
    with pytest.raises(CorpusError, match="2 unknown emotions") as error:
        load_corpus("csv", csv(folder, "path,emotion,speaker", *lines))
    told = str(error.value)
    assert """emotions.rename '{"Wut": EMOTION, "Fröhlichkeit": EMOTION}'""" in told
    assert told.splitlines()[1:] == [
        "  line 2: 'Wut', and 255 times more",
        "  line 3: 'Fröhlichkeit', and 255 times more",
    ]


def test_semicolons_and_tabs_are_read_as_commas_are(folder):
    commas = load_corpus("csv", csv(folder, "path,emotion,speaker", "a.wav,sad,x"))
    for separator in (";", "\t"):
        lines = [line.replace(",", separator) for line in ("path,emotion,speaker", "a.wav,sad,x")]
        assert load_corpus("csv", csv(folder, *lines))["id"][:] == commas["id"][:]


def test_torn_files_name_the_way_out(folder):
    with pytest.raises(CorpusError, match="don't have the 3 fields of the first line, which ';' separates"):
        load_corpus("csv", csv(folder, "path;emotion;speaker", "a.wav,sad,x"))
    with pytest.raises(CorpusError, match="the columns path stand there twice; take one"):
        load_corpus("csv", csv(folder, "path,emotion,path", "a.wav,sad,a.wav"))
    with pytest.raises(CorpusError, match="look for an unclosed quote"):
        load_corpus("csv", csv(folder, "path,emotion,speaker", '"a.wav,sad,x'))
    with pytest.raises(CorpusError, match="no rows"):
        load_corpus("csv", csv(folder, "path,emotion,speaker"))
    with pytest.raises(CorpusError, match="2 lines aren't JSON objects; write one per line") as error:
        load_corpus("jsonl", jsonl(folder, "[1]", {"path": "a.wav"}, "{'path': 1}"))
    assert "line 1: a list" in str(error.value)
    assert "line 3: Expecting property name" in str(error.value)


def test_missing_audio_and_repeated_ids_are_refused(folder):
    with pytest.raises(CorpusError, match=r"1 audio files aren't there; restore them.*\n.*gone.wav"):
        load_corpus("csv", csv(folder, "path,emotion,speaker", "gone.wav,sad,x"))
    with pytest.raises(CorpusError, match="stand on several utterances; make them unique"):
        load_corpus("csv", csv(folder, "path,emotion,speaker", "a.wav,sad,x", "a.wav,angry,x"))


def test_a_folder_is_no_manifest(folder):
    with pytest.raises(CorpusError, match="`root` has to be a manifest, a CSV file") as error:
        load_corpus("csv", folder)
    assert "a.wav" in str(error.value)


def test_columns_of_other_names_are_given_their_meaning(folder):
    path = csv(folder, "file,label,actor,id,valance", "a.wav,sad,anna,s1,3", "b/c.d.wav,angry,ben,s1,1")
    columns = {"path": "file", "emotion": "label", "speaker": "actor", "session": "id", "valence": "valance"}
    corpus = load_corpus("csv", path, columns=columns)
    assert corpus["id"] == ["a", "b/c.d"]
    assert corpus["emotion"] == ["sadness", "anger"]
    assert corpus["speaker"] == ["anna", "ben"]
    assert corpus["session"] == ["s1", "s1"]
    assert corpus["valence"] == [3.0, 1.0]
    rows = [{"file": "a.wav", "emotion": "sad", "speaker": "x", "truth": "angry"}]
    corpus = load_corpus("jsonl", jsonl(folder, *rows), columns={"path": "file", "emotion": "truth"})
    assert corpus["emotion"] == ["anger"]


def test_columns_that_are_not_there_or_mean_nothing_are_refused(folder):
    path = csv(folder, "path,label,speaker", "a.wav,sad,anna")
    with pytest.raises(CorpusError, match=r"emotion are missing; found are 'path', 'label'.*`columns` '{emotion: COL"):
        load_corpus("csv", path)
    with pytest.raises(CorpusError, match=r"names lable .for emotion., which isn't there; found are 'path', 'label'"):
        load_corpus("csv", path, columns={"emotion": "lable"})
    with pytest.raises(ConfigError, match=r"names label: a column can hold path, emotion.*'{emotion: label}'"):
        load_corpus("csv", path, columns={"label": "emotion"})
    with pytest.raises(CorpusError, match="speaker are missing"):
        load_corpus("csv", path, columns={"emotion": "speaker"})
