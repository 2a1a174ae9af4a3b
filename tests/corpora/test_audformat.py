"""Databases in audformat, made with the package itself."""

import sys

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import ConfigError, CorpusError

audformat = pytest.importorskip("audformat", reason="needs the package audformat, of ser_tl[audformat]")
pandas = pytest.importorskip("pandas")

FILES = [f"wav/{name}.wav" for name in ("03a01Fa", "03a01Wa", "08a01Na")]
EMOTIONS = ["happiness", "anger", "neutral"]


def with_table(database, name, index, **columns):
    """Adds a table; a column is (scheme or None, values)."""
    database[name] = audformat.Table(index)
    for column, (scheme, values) in columns.items():
        database[name][column] = audformat.Column(scheme_id=scheme)
        database[name][column].set(values)


@pytest.fixture
def emodb(tree):
    """Makes a database like the published EMO-DB 1.4, which `change` may change before it is saved."""

    def make(change=None):
        root = tree(FILES)
        database = audformat.Database("emodb", languages=["deu"])
        speakers = {3: {"gender": "male", "language": "deu"}, 8: {"gender": "female", "language": "deu"}}
        database.schemes["emotion"] = audformat.Scheme(labels=EMOTIONS)
        database.schemes["speaker"] = audformat.Scheme(labels=speakers)
        index = audformat.filewise_index(FILES)
        with_table(database, "files", index, speaker=("speaker", [3, 3, 8]))
        with_table(database, "emotion", index, emotion=("emotion", EMOTIONS), certainty=(None, [0.9, 1.0, 0.95]))
        test = audformat.filewise_index(FILES[2:])
        with_table(database, "emotion.test", test, emotion=("emotion", EMOTIONS[2:]))
        if change is not None:
            change(database)
        database.save(str(root))
        return root

    return make


def test_emotions_and_speakers_of_different_tables_come_together(emodb):
    root = emodb()
    corpus = load_corpus("audformat", root)
    assert corpus["id"] == ["03a01Fa", "03a01Wa", "08a01Na"]
    assert corpus["emotion"] == EMOTIONS
    assert corpus["speaker"] == ["3", "3", "8"]
    assert set(corpus["language"]) == {"de"}
    assert set(corpus["corpus"]) == {"emodb"}
    assert [row["audio"]["path"] for row in corpus] == [str(root / file) for file in FILES]
    assert (corpus["start"], corpus["end"]) == ([0.0] * 3, [None] * 3)


def test_segments_have_their_times(emodb):
    def segments(database):
        index = audformat.segmented_index(
            [FILES[0], FILES[0], FILES[2]], [0, "0.02s", 0], ["0.02s", pandas.NaT, "0.1s"]
        )
        with_table(database, "turns", index, mood=(None, ["angry", "sad", "sad"]), arousal=(None, [3, 2.5, 1]))

    corpus = load_corpus("audformat", emodb(segments), columns={"emotion": "mood"})
    assert corpus["id"] == ["03a01Fa@0.0-0.02", "03a01Fa@0.02-", "08a01Na@0.0-0.1"]
    assert corpus["start"] == [0.0, 0.02, 0.0]
    assert corpus["end"] == [0.02, None, 0.1]
    assert corpus["emotion"] == ["anger", "sadness", "sadness"]
    assert corpus["speaker"] == ["3", "3", "8"]
    assert corpus["arousal"] == [3.0, 2.5, 1.0]


def test_another_table_can_be_chosen(emodb):
    assert load_corpus("audformat", emodb(), columns={"table": "emotion.test"})["id"] == ["08a01Na"]
    with pytest.raises(CorpusError, match=r"there is no table files with emotion; found are emotion, emotion.test"):
        load_corpus("audformat", emodb(), columns={"table": "files"})


def test_several_tables_of_emotions_want_a_choice(emodb):
    def rename(database):
        index = audformat.filewise_index(FILES)
        with_table(database, "emotion.train", index, emotion=("emotion", EMOTIONS))
        database.drop_tables("emotion")

    with pytest.raises(CorpusError, match=r"2 tables have the column emotion \(emotion.test, emotion.train\)") as error:
        load_corpus("audformat", emodb(rename))
    assert "`columns` '{table: NAME}'" in str(error.value)


def test_misc_tables_tell_of_speakers(emodb):
    def misc(database):
        database["actor"] = audformat.MiscTable(pandas.Index([3, 8], name="actor", dtype="Int64"))
        database["actor"]["tongue"] = audformat.Column()
        database["actor"]["tongue"].set(["deu", "nld"])
        database.schemes["actor"] = audformat.Scheme(dtype="int", labels="actor")
        with_table(database, "acted", audformat.filewise_index(FILES), actor=("actor", [3, 3, 8]))

    corpus = load_corpus("audformat", emodb(misc), columns={"speaker": "actor", "language": "tongue"})
    assert corpus["speaker"] == ["3", "3", "8"]
    assert corpus["language"] == ["de", "de", "nl"]


def test_columns_that_are_missing_list_those_there(emodb):
    def forget(database):
        database.drop_tables("files")
        database.schemes.pop("speaker")

    with pytest.raises(CorpusError, match=r"speaker are missing; found are 'emotion', 'certainty'.*`columns`"):
        load_corpus("audformat", emodb(forget))


def test_unlabelled_files_are_named(emodb):
    def gap(database):
        database["emotion"]["emotion"].set(["anger", None, "neutral"])
        database.drop_tables("emotion.test")

    with pytest.raises(CorpusError, match=r"table emotion: 1 rows are wrong.*\n  row 1: no emotion"):
        load_corpus("audformat", emodb(gap))


def test_contradicting_tables_and_unknown_columns_are_refused(emodb):
    def contradict(database):
        with_table(database, "more", audformat.filewise_index(FILES), speaker=("speaker", [8, 8, 8]))

    with pytest.raises(CorpusError, match="the tables contradict each other"):
        load_corpus("audformat", emodb(contradict))
    with pytest.raises(ConfigError, match="the option columns names mood"):
        load_corpus("audformat", emodb(), columns={"mood": "emotion"})


def test_tables_stored_as_pickles_are_not_read(emodb):
    root = emodb()
    (root / "db.emotion.pkl").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"1 tables are stored as pickles.*delete them where.*\n  db.emotion.pkl"):
        load_corpus("audformat", root)


def test_missing_media_are_listed(emodb):
    root = emodb()
    (root / FILES[1]).unlink()
    with pytest.raises(CorpusError, match=r"1 audio files aren't there.*\n.*03a01Wa.wav"):
        load_corpus("audformat", root)


def test_a_damaged_header_and_a_missing_package_name_the_way_out(emodb, monkeypatch):
    root = emodb()
    (root / "db.emotion.csv").unlink(missing_ok=True)
    (root / "db.emotion.parquet").unlink(missing_ok=True)
    with pytest.raises(CorpusError, match="audformat can't load it"):
        load_corpus("audformat", root)
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(CorpusError, match=r'needs the package audformat: pip install "ser_tl\[audformat\]"'):
        load_corpus("audformat", root)
