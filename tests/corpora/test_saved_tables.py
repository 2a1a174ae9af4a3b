"""Tables as pandas 3, polars and datasets write them today: the same text in all of Arrow's types."""

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from datasets import Dataset

from ser_tl.corpora import load_corpus
from ser_tl.data.checks import audio_source, check_audio
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import CorpusError

NAMES = ["a1", "a2", "b1", "b2"]
TEXTS = {
    "large_string (pandas 3, polars, load_dataset of CSV)": pa.large_string(),
    "string_view (polars' IPC)": pa.string_view(),
    "dictionary (pandas' categories)": pa.dictionary(pa.int8(), pa.string()),
    "ordered dictionary (polars' Enum)": pa.dictionary(pa.uint8(), pa.string(), ordered=True),
    "dictionary of large_string": pa.dictionary(pa.uint32(), pa.large_string()),
    "string": pa.string(),
}
each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tree):
    """Four recordings, all different."""
    root = tree(f"{name}.wav" for name in NAMES)
    for place, name in enumerate(NAMES):
        content = bytearray((root / f"{name}.wav").read_bytes())
        content[60 + place] ^= 1
        (root / f"{name}.wav").write_bytes(content)
    return root


def table(text=None, **columns):
    data = {
        "audio": [f"{name}.wav" for name in NAMES],
        "emotion": ["angry", "sad"] * 2,
        "speaker": ["a", "a", "b", "b"],
        "arousal": [1.0, None, 3.0, 2.5],
    } | columns
    made = pa.table({name: values for name, values in data.items() if values is not None})
    for name in ("audio", "emotion", "speaker") if text is not None else ():
        place = made.schema.get_field_index(name)
        column = made[name].cast(text.value_type).dictionary_encode() if pa.types.is_dictionary(text) else made[name]
        made = made.set_column(place, name, column.cast(text))
    return made


def check(corpus, *, ids=NAMES):
    assert corpus["id"][:] == ids
    assert corpus["emotion"][:] == ["anger", "sadness"] * 2
    assert corpus["speaker"][:] == ["a", "a", "b", "b"]
    checked, notes = check_audio(corpus)
    assert (checked.remove_columns("digest").to_dict(), notes) == (corpus.to_dict(), [])


@pytest.mark.slow
@each_text
@pytest.mark.parametrize("name", ["corpus.parquet", "data/train-0.parquet", "corpus.feather", "one file"])
def test_text_is_read_in_each_type(folder, text, name):
    path = folder / ("corpus.parquet" if name == "one file" else name)
    path.parent.mkdir(exist_ok=True)
    write = pyarrow.feather.write_feather if path.suffix == ".feather" else pyarrow.parquet.write_table
    try:
        write(table(text), path)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        pytest.skip(f"pyarrow can't write it: {error}")
    corpus = load_corpus("huggingface", path if name == "one file" else folder)
    check(corpus)
    assert corpus["arousal"][:] == [1.0, None, 3.0, 2.5]
    assert set(corpus["corpus"]) == {"corpus"}


@pytest.mark.slow
@each_text
def test_saved_datasets_are_read_in_each_type(folder, text):
    Dataset(table(text)).save_to_disk(folder)
    check(load_corpus("huggingface", folder))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["struct of large types", "bytes", "large bytes"])
def test_tables_that_carry_the_files(folder, kind):
    contents = [(folder / f"{name}.wav").read_bytes() for name in NAMES]
    if kind == "struct of large types":  # polars
        fields = pa.struct({"bytes": pa.large_binary(), "path": pa.large_string()})
        audio = pa.array([{"bytes": c, "path": f"{n}.wav"} for c, n in zip(contents, NAMES, strict=True)], fields)
    else:  # DataFrames with a column of bytes
        audio = pa.array(contents, pa.large_binary() if "large" in kind else pa.binary())
    pyarrow.parquet.write_table(table(audio=audio), folder / "corpus.parquet")
    corpus = load_corpus("huggingface", folder / "corpus.parquet")
    check(corpus, ids=NAMES if "struct" in kind else [f"train/{place}" for place in range(4)])
    assert [audio_source(row) for row in corpus] == contents


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.string_view())])
def test_votes_are_lists_of_any_kind(folder, kind):
    votes = pa.array([["angry", "sad"], ["sad"], None, ["happy"]], kind)
    pyarrow.feather.write_feather(table(votes=votes), folder / "corpus.feather", compression="uncompressed")
    corpus = load_corpus("huggingface", folder)
    assert corpus["votes"][:] == [["anger", "sadness"], ["sadness"], None, ["happiness"]]


def test_whole_numbers_that_gaps_made_fractions_of_are_whole(folder):
    numbers = table(speaker=[1.0, 1.0, 2.0, 2.0], emotion=[0.0, 1.0, 0.0, 1.0])
    pyarrow.parquet.write_table(numbers, folder / "corpus.parquet")
    corpus = load_corpus("huggingface", folder, emotions=EmotionMap(rename={0: "angry", 1: "sad"}))
    assert corpus["speaker"][:] == ["1", "1", "2", "2"]
    assert corpus["emotion"][:] == ["anger", "sadness"] * 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"speaker": [1.0, 1.0, 2.0, None]}, r"1 rows are wrong.*\n  row 3: no speaker"),
        ({"speaker": [1.0, 1.5, float("nan"), 2.0]}, r"row 1: speaker is 1.5, expected text\n  row 2: no speaker"),
        ({"audio": ["a1.wav", None, "b1.wav", ""]}, r"2 rows have no path in the column audio.*\n  row 1\n  row 3"),
        ({"audio": [1, 2, 3, 4]}, r"audio holds Value\('int64'\); expected is audio, or the paths or bytes of files"),
    ],
)
def test_what_cant_be_read_names_its_rows(folder, columns, message):
    pyarrow.parquet.write_table(table(**columns), folder / "corpus.parquet")
    with pytest.raises(CorpusError, match=f"(?s){message}"):
        load_corpus("huggingface", folder)


def test_tables_divided_by_a_columns_values_are_refused(folder):
    pyarrow.parquet.write_to_dataset(table(), folder / "parts", partition_cols=["speaker"])
    with pytest.raises(CorpusError, match=r"2 tables lie in folders that hold a column's values.*partition_cols"):
        load_corpus("huggingface", folder / "parts")


def test_two_kinds_of_tables_are_refused(folder):
    pyarrow.parquet.write_table(table(), folder / "corpus.parquet")
    pyarrow.feather.write_feather(table(), folder / "corpus.feather", compression="uncompressed")
    with pytest.raises(CorpusError, match="tables as arrow and as parquet; keep one kind"):
        load_corpus("huggingface", folder)
