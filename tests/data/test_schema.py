"""A corpus is a plain Dataset with known columns, and rows that don't fit are refused."""

import pytest
from datasets import Audio, Dataset, Features, Value, concatenate_datasets, load_from_disk

from ser_tl.data.checks import audio_source, content_keys
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import COLUMNS, OPTIONAL, REQUIRED, build_corpus, emotions
from ser_tl.errors import ConfigError, CorpusError


@pytest.fixture
def row(tmp_path):
    """Makes a row; its file is empty, for nothing here may open it."""

    def make(name="a", **more):
        path = tmp_path / f"{name}.wav"
        path.touch()
        plain = {"id": name, "audio": path, "emotion": "anger", "speaker": "s1", "corpus": "c", "language": "en"}
        return plain | more

    return make


def test_the_columns_are_there_in_order_and_audio_is_a_path(row):
    corpus = build_corpus([row("a"), row("b", start=0.5, end=2.0)], source="list")
    assert type(corpus) is Dataset
    assert corpus.column_names == list(REQUIRED)
    assert corpus.features["audio"] == Audio(decode=False)
    assert corpus[0]["audio"] == {"bytes": None, "path": str(row("a")["audio"])}
    assert corpus["start"] == [0.0, 0.5]
    assert corpus["end"] == [None, 2.0]


def test_optional_columns_are_there_when_one_row_has_them(row):
    corpus = build_corpus([row("a", valence=2), row("b", votes=["anger", "fear"])], source="list")
    assert corpus.column_names == [*REQUIRED, "votes", "valence"]
    assert corpus["valence"] == [2.0, None]
    assert corpus["votes"] == [None, ["anger", "fear"]]
    assert corpus.features["valence"] == COLUMNS["valence"]
    people = {"sex": "female", "age": 31.0, "sentence": "a01"}
    full = row("a", session="1", votes=["fear"], recognised=0.9, arousal=1.0, valence=2.0, dominance=3.0, **people)
    assert build_corpus([full], source="list").column_names == [*REQUIRED, *OPTIONAL]


def test_none_is_the_same_as_missing(row):
    corpus = build_corpus([row("a", start=None, end=None, session=None)], source="list")
    assert corpus.to_list() == build_corpus([row("a")], source="list").to_list()


def test_names_that_are_no_utf_8_are_refused_as_they_are(row):
    with pytest.raises(CorpusError, match=r"list: 3 names can't be written as UTF-8.*rename them") as error:
        build_corpus([row("a"), row("atenci\udcf3n"), row("b", id="\ud800")], source="list")
    assert str(error.value).count("\\udcf3") == 2  # id and file
    assert "\n  '\\ud800'" in str(error.value)
    assert len(build_corpus([row("atención")], source="list")) == 1


def test_columns_that_are_not_ours_are_left_out(row):
    assert build_corpus([row("a", mood="good")], source="list").column_names == list(REQUIRED)


def test_rows_may_come_from_a_generator_and_stay_as_they_are(row):
    rows = [row("a", emotion="calm"), row("b")]
    before = [dict(one) for one in rows]
    corpus = build_corpus((one for one in rows), source="list", mapping=EmotionMap(merge={"low": ["calm"]}))
    assert corpus["emotion"] == ["low", "anger"]
    assert rows == before


def test_dropped_emotions_take_their_rows_along(row):
    corpus = build_corpus([row("a"), row("b", emotion="fear")], source="list", mapping=EmotionMap(drop=["anger"]))
    assert corpus["id"] == ["b"]
    assert emotions(corpus) == ["fear"]


def test_the_emotions_are_sorted(row):
    names = ["sadness", "anger", "neutral", "anger"]
    corpus = build_corpus([row(str(place), emotion=name) for place, name in enumerate(names)], source="list")
    assert emotions(corpus) == ["anger", "neutral", "sadness"]


@pytest.mark.parametrize("name", ["id", "audio", "emotion", "speaker", "corpus", "language"])
@pytest.mark.parametrize("gap", [None, ""])
def test_a_missing_value_tells_the_row(row, name, gap):
    with pytest.raises(CorpusError, match=rf"list.csv: each utterance needs id, audio.*\n  row 2: no {name}$"):
        build_corpus([row("a"), row("b", **{name: gap})], source="list.csv")


def test_ids_that_stand_twice_are_listed(row):
    with pytest.raises(CorpusError, match=r"list: 1 ids stand on several utterances; make them unique\n  a$"):
        build_corpus([row("a"), row("b"), row("a")], source="list")


def test_missing_files_are_listed_once_each(row, tmp_path):
    lost = tmp_path / "lost.wav"
    rows = [row("a"), row("b", audio=lost), row("c", audio=lost), row("d", audio=tmp_path)]
    with pytest.raises(CorpusError) as error:
        build_corpus(rows, source="list")
    assert "list: 2 audio files aren't there; restore them or take their rows out" in str(error.value)
    assert str(error.value).count(str(lost)) == 1


@pytest.mark.parametrize(
    ("start", "end"),
    [(2.0, 1.0), (1.0, 1.0), (-0.5, 1.0), (0.0, 0.0), (float("nan"), 1.0), (0.0, float("nan")), (float("inf"), None)],
)
def test_intervals_that_cannot_be_are_refused(row, start, end):
    with pytest.raises(CorpusError, match=r"start and end are seconds, 0 <= start < end\n  b: .* to "):
        build_corpus([row("a"), row("b", start=start, end=end)], source="list")


def test_no_rows_and_no_rows_left_are_errors(row):
    with pytest.raises(CorpusError, match="folder: no utterances found"):
        build_corpus([], source="folder")
    with pytest.raises(CorpusError, match=r"folder: the option emotions.drop leaves no utterances"):
        build_corpus([row("a")], source="folder", mapping=EmotionMap(drop=["anger"]))


def test_a_mapping_of_emotions_that_nobody_shows_is_refused(row):
    with pytest.raises(ConfigError, match="name fear, which no utterance has: the corpus has anger"):
        build_corpus([row("a")], source="list", mapping=EmotionMap(drop=["fear"]))


def test_a_corpus_survives_the_disk_and_takes_its_audio_along(row, tmp_path):
    rows = [row("a", votes=["fear"]), row("b", start=1.0, end=2.0)]
    for one in rows:
        one["audio"].write_text(f"audio of {one['id']}")
    corpus = build_corpus(rows, source="list")
    keys = content_keys(corpus)
    corpus.save_to_disk(tmp_path / "saved")
    for one in rows:
        one["audio"].unlink()
    loaded = load_from_disk(tmp_path / "saved")
    assert loaded.features == corpus.features
    assert loaded.remove_columns("audio").to_list() == corpus.remove_columns("audio").to_list()
    assert [audio_source(one) for one in loaded] == [b"audio of a", b"audio of b"]
    assert content_keys(loaded) == keys


def test_filtering_selecting_mapping_and_joining_are_the_librarys_own(row):
    corpus = build_corpus([row("a"), row("b", speaker="s2", arousal=4.0)], source="list")
    other = build_corpus([row("c")], source="list")
    both = concatenate_datasets([corpus.filter(lambda one: one["speaker"] == "s2"), other])
    assert both["id"] == ["b", "c"]
    assert both["arousal"] == [4.0, None]
    assert both.features["audio"] == Audio(decode=False)
    louder = both.map(lambda one: {"arousal": (one["arousal"] or 0.0) + 1})
    assert louder["arousal"] == [5.0, 1.0]
    assert louder[1]["audio"]["path"] == str(row("c")["audio"])


def test_votes_are_mapped_like_emotions(row):
    rows = [
        row("a", votes=["calm", "anger", "fear"]),
        row("b", emotion="calm", votes=["fear"]),
        row("c", emotion="fear", votes=["anger"]),
        row("d"),
    ]
    corpus = build_corpus(rows, source="list", mapping=EmotionMap(merge={"low": ["calm"]}, drop=["fear"]))
    assert corpus["id"] == ["a", "b", "d"]
    assert corpus["emotion"] == ["anger", "low", "anger"]
    assert corpus["votes"] == [["low", "anger"], None, None]


def test_an_emotion_that_is_only_voted_for_can_be_mapped(row):
    rows = [row("a", votes=["excitement"]), row("b")]
    corpus = build_corpus(rows, source="list", mapping=EmotionMap(merge={"happiness": ["excitement"]}))
    assert corpus["votes"] == [["happiness"], None]
    assert "votes" not in build_corpus(rows, source="list", mapping=EmotionMap(drop=["excitement"])).column_names


@pytest.fixture
def carried():
    """Three files' bytes, as a dataset carries them."""
    features = Features({"audio": {"bytes": Value("binary"), "path": Value("string")}})
    return Dataset.from_dict(
        {"audio": [{"bytes": text, "path": None} for text in (b"a", b"b", b"c")]}, features=features
    )


def test_a_corpus_may_carry_the_bytes_of_its_files(row, carried, tmp_path):
    rows = [{name: value for name, value in row(one).items() if name != "audio"} for one in "abc"]
    rows[1]["emotion"] = "fear"
    corpus = build_corpus(rows, source="set", audio=carried)
    assert corpus.column_names == list(REQUIRED)
    assert corpus.features["audio"] == Audio(decode=False)
    assert [audio_source(one) for one in corpus] == [b"a", b"b", b"c"]
    part = build_corpus(rows, source="set", audio=carried, mapping=EmotionMap(drop=["fear"]))
    assert part["id"] == ["a", "c"]
    assert [audio_source(one) for one in part] == [b"a", b"c"]
    part.save_to_disk(tmp_path / "saved")
    assert load_from_disk(tmp_path / "saved").to_list() == part.to_list()


@pytest.mark.parametrize("wrong", [{"sex": "F"}, {"sex": "Female"}, {"age": 0.0 - 3}, {"age": 300.0}])
def test_sex_and_age_have_one_spelling(row, wrong):
    with pytest.raises(CorpusError, match="list: sex is female or male, age a number of years"):
        build_corpus([row("a", **wrong)], source="list")


def test_a_speaker_of_two_sexes_is_two_people(row):
    rows = [row("a", speaker="s1", sex="female"), row("b", speaker="s1", sex="male")]
    with pytest.raises(CorpusError, match=r"1 speakers are female in some rows and male in others(.|\n)*s1"):
        build_corpus(rows, source="list")
