"""Hugging Face datasets in all their forms, none of them decoded."""

import json
import sys

import pytest
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, List, Value, concatenate_datasets
from datasets.exceptions import DatasetNotFoundError

from ser_tl.corpora import huggingface, load_corpus
from ser_tl.data.checks import audio_source, check_audio, content_keys
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import ConfigError, CorpusError

pytestmark = pytest.mark.slow

NAMES = ["a1", "a2", "b1", "b2"]
WORDS = ["angry", "sad"]


@pytest.fixture
def clips(tree):
    """Four recordings, all different, with the bytes of each."""
    root = tree(f"{name}.wav" for name in NAMES)
    for place, name in enumerate(NAMES):
        path = root / f"{name}.wav"
        content = bytearray(path.read_bytes())
        content[60 + place] ^= 1
        path.write_bytes(content)
    return {name: root / f"{name}.wav" for name in NAMES}


@pytest.fixture
def dataset(clips):
    """Makes a dataset of the four, two speakers with two emotions each, with the audio inside or only pointed at."""

    def make(*, inside=True, names=NAMES, **columns):
        audio = [{"bytes": clips[n].read_bytes() if inside else None, "path": str(clips[n])} for n in names]
        features = {"audio": {"bytes": Value("binary"), "path": Value("string")}}
        data = {"audio": audio, "emotion": ["angry", "sad"] * 2, "speaker": ["a", "a", "b", "b"]}
        data = {name: values[: len(names)] for name, values in (data | columns).items() if values is not None}
        features |= {name: Value("string") for name in data if name != "audio"}
        made = Dataset.from_dict({name: data[name] for name in features}, features=Features(features))
        return made.cast_column("audio", Audio(decode=False)).cast_column("audio", Audio())

    return make


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def test_a_saved_dataset_gives_its_bytes(dataset, clips, tmp_path):
    dataset().save_to_disk(tmp_path / "saved")
    corpus = load_corpus("huggingface", tmp_path / "saved")
    assert corpus["id"] == NAMES
    assert corpus["emotion"] == ["anger", "sadness"] * 2
    assert corpus["speaker"] == ["a", "a", "b", "b"]
    assert set(corpus["corpus"]) == {"saved"}
    assert corpus.features["audio"] == Audio(decode=False)
    assert [audio_source(row) for row in corpus] == [path.read_bytes() for path in clips.values()]
    checked, notes = check_audio(corpus)
    assert (checked.remove_columns("digest").to_dict(), notes) == (corpus.to_dict(), [])
    assert len(set(content_keys(corpus))) == 4


def test_dropped_emotions_take_their_audio_along(dataset, clips, tmp_path):
    dataset().save_to_disk(tmp_path / "saved")
    corpus = load_corpus("huggingface", tmp_path / "saved", emotions=EmotionMap(drop=["anger"]))
    assert corpus["id"] == ["a2", "b2"]
    assert [audio_source(row) for row in corpus] == [clips["a2"].read_bytes(), clips["b2"].read_bytes()]


def test_all_splits_make_one_corpus(dataset, tmp_path):
    parts = DatasetDict(train=dataset(), test=dataset(names=["a1"], emotion=["sad"], speaker=["c"]))
    parts = DatasetDict(
        {name: part.add_column("id", [name + clip for clip in NAMES[: len(part)]]) for name, part in parts.items()}
    )
    parts.save_to_disk(tmp_path / "again")
    corpus = load_corpus("huggingface", tmp_path / "again")
    assert corpus["id"] == [*(f"train{name}" for name in NAMES), "testa1"]
    assert corpus["speaker"][-1] == "c"


@pytest.mark.parametrize("inside", [True, False])
def test_rows_that_share_a_name_are_called_by_their_place_where_they_carry_their_audio(dataset, tmp_path, inside):
    parts = DatasetDict(train=dataset(inside=inside), test=dataset(names=["a1"], inside=inside))
    if inside:
        parts.save_to_disk(tmp_path / "saved")
        corpus = load_corpus("huggingface", tmp_path / "saved")
        assert corpus["id"] == ["train/0", "train/1", "train/2", "train/3", "test/0"]
    else:  # one file twice
        whole = concatenate_datasets(list(parts.values()))
        with pytest.raises(CorpusError, match=r"1 ids stand on several utterances.*\n  a1"):
            load_parquet(whole, tmp_path)


def test_parts_of_recordings_keep_their_names(dataset, tmp_path):
    dataset(names=["a1", "a1"], start=[0.0, 0.05], end=[0.05, 0.1]).save_to_disk(tmp_path / "saved")
    assert load_corpus("huggingface", tmp_path / "saved")["id"] == ["a1@0.0-0.05", "a1@0.05-0.1"]


def test_without_file_names_split_and_row_are_the_id(dataset, tmp_path):
    made = dataset()
    nameless = [
        {"bytes": row["bytes"], "path": None} for row in made.cast_column("audio", Audio(decode=False))["audio"]
    ]
    plain = Features({"bytes": Value("binary"), "path": Value("string")})
    audio = Dataset.from_dict({"audio": nameless}, features=Features({"audio": plain}))
    made = made.remove_columns("audio").add_column("audio", audio.data["audio"].combine_chunks(), feature=plain)
    DatasetDict(train=made).save_to_disk(tmp_path / "saved")
    assert load_corpus("huggingface", tmp_path / "saved")["id"] == [f"train/{place}" for place in range(4)]


@pytest.mark.parametrize("kind", ["audio", "text"])
def test_paths_are_kept_as_paths(dataset, clips, tmp_path, kind):
    made = dataset(inside=False)
    if kind == "text":
        made = made.remove_columns("audio").add_column("audio", [path.name for path in clips.values()])
        made.save_to_disk(clips["a1"].parent)
        found = load_corpus("huggingface", clips["a1"].parent)
    else:
        found = load_parquet(made, tmp_path)
    assert [row["audio"] for row in found] == [{"bytes": None, "path": str(path)} for path in clips.values()]
    assert found["id"] == NAMES


def load_parquet(made, folder, **options):
    (folder / "parquet" / "data").mkdir(parents=True)
    plain = made.cast_column("audio", Audio(decode=False)).with_format("arrow")[:]["audio"]  # to_parquet takes files in
    made = made.remove_columns("audio").add_column(
        "audio", plain.combine_chunks(), feature=Features({"bytes": Value("binary"), "path": Value("string")})
    )
    made.to_parquet(folder / "parquet" / "data" / "train-00000-of-00001.parquet")
    return load_corpus("huggingface", folder / "parquet", **options)


def test_parquet_as_the_hub_has_it(dataset, clips, tmp_path):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    dataset().to_parquet(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    corpus = load_corpus("huggingface", tmp_path / "hub")
    assert corpus["id"] == NAMES
    assert [audio_source(row) for row in corpus] == [path.read_bytes() for path in clips.values()]


def test_columns_are_named_and_numbered_labels_read(dataset, tmp_path):
    made = dataset(emotion=None, speaker=None, who=["7", "7", "8", "8"]).rename_column("audio", "clip")
    made = made.add_column("label", [0, 1, 0, 1]).cast_column("label", ClassLabel(names=WORDS))
    made = made.add_column("raters", [[0, 0], [1], [0], [1, 0]]).cast_column("raters", List(ClassLabel(names=WORDS)))
    made.save_to_disk(tmp_path / "saved")
    columns = {"emotion": "label", "speaker": "who", "audio": "clip", "votes": "raters"}
    corpus = load_corpus("huggingface", tmp_path / "saved", columns=columns)
    assert corpus["emotion"] == ["anger", "sadness"] * 2
    assert corpus["speaker"] == ["7", "7", "8", "8"]
    assert corpus["votes"] == [["anger", "anger"], ["sadness"], ["anger"], ["sadness", "anger"]]


def test_an_unlabelled_row_is_named(dataset, tmp_path):
    made = dataset(emotion=None).add_column("emotion", [0, 1, -1, 1]).cast_column("emotion", ClassLabel(names=WORDS))
    made.save_to_disk(tmp_path / "saved")
    with pytest.raises(CorpusError, match=r"split all: 1 rows are wrong.*\n  row 2: no emotion"):
        load_corpus("huggingface", tmp_path / "saved")


def test_missing_columns_list_those_there(dataset, tmp_path):
    dataset(emotion=None).save_to_disk(tmp_path / "saved")
    with pytest.raises(
        CorpusError, match=r"emotion are missing; found are 'audio', 'speaker'.*`columns` '{emotion: COL"
    ):
        load_corpus("huggingface", tmp_path / "saved")
    with pytest.raises(CorpusError, match=r"columns names who .for speaker., which isn't there; found are 'audio'"):
        load_corpus("huggingface", tmp_path / "saved", columns={"speaker": "who"})
    with pytest.raises(ConfigError, match="columns names mood: a column can hold audio, emotion, speaker"):
        load_corpus("huggingface", tmp_path / "saved", columns={"mood": "emotion"})


def test_a_column_without_audio_says_what_it_holds(dataset, tmp_path):
    dataset().add_column("number", list(range(4))).save_to_disk(tmp_path / "saved")
    with pytest.raises(
        CorpusError,
        match=r"the column number holds Value\('int64'\); expected is audio, or the paths or bytes of files",
    ):
        load_corpus("huggingface", tmp_path / "saved", columns={"audio": "number"})


def test_a_mix_of_bytes_and_paths_is_refused(dataset, clips, tmp_path):
    parts = DatasetDict(train=dataset(), test=dataset(names=["a1"], id=["x"]))
    parts["test"] = parts["test"].remove_columns("audio").add_column("audio", [str(clips["a1"])])
    parts.save_to_disk(tmp_path / "saved")
    with pytest.raises(CorpusError, match="some splits carry their audio and others point at files; save them alike"):
        load_corpus("huggingface", tmp_path / "saved")


@pytest.fixture
def audiofolder(clips):
    """Makes an audiofolder in the recordings' own folder."""

    def make(*lines, header="file_name,emotion,speaker", name="metadata.csv"):
        root = clips["a1"].parent
        (root / name).write_text("\n".join((header, *lines)))
        return root

    return make


def test_an_audiofolder_is_read_without_the_librarys_decoder(audiofolder, clips, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    root = audiofolder(*(f"{name}.wav,{'angry' if name[1] == '1' else 'sad'},{name[0]}" for name in NAMES))
    corpus = load_corpus("huggingface", root)
    assert corpus["id"] == NAMES
    assert corpus["emotion"] == ["anger", "sadness"] * 2
    assert [row["audio"]["path"] for row in corpus] == [str(path) for path in clips.values()]


def test_metadata_in_each_split_and_in_json(clips, audiofolder):
    root = clips["a1"].parent
    for part, names in (("train", NAMES[:2]), ("test", NAMES[2:])):
        (root / part).mkdir()
        for name in names:
            clips[name].rename(root / part / "1.wav" if name[1] == "1" else root / part / f"{name}.wav")
        files = ["1.wav", f"{names[1]}.wav"]
        lines = [{"file_name": file, "label": "sad", "speaker": names[0][0]} for file in files]
        (root / part / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    corpus = load_corpus("huggingface", root, columns={"emotion": "label"})
    assert corpus["id"] == ["test/1", "test/b2", "train/1", "train/a2"]
    assert corpus["speaker"] == ["b", "b", "a", "a"]


def test_audio_in_no_metadata_is_not_passed_over(audiofolder):
    root = audiofolder("a1.wav,angry,a", "a2.wav,sad,a", "b1.wav,angry,b")
    with pytest.raises(CorpusError, match=r"1 audio files are in no metadata; add them there or move.*\n.*b2.wav"):
        load_corpus("huggingface", root)


def test_a_hub_id_that_cannot_be_had_names_the_way_out():
    with pytest.raises(CorpusError, match=r"nobody/nothing: the library datasets can't load it") as error:
        load_corpus("huggingface", "nobody/nothing")
    assert "hf download --repo-type dataset nobody/nothing --local-dir FOLDER" in str(error.value)
    assert "is it the right hub id, and is the network there?" in str(error.value)


def test_a_hub_id_is_asked_for_by_its_name(dataset, monkeypatch):
    asked = []

    def load(name):
        asked.append(name)
        if name == "nobody/gone":
            raise DatasetNotFoundError("no such dataset")
        return DatasetDict(train=dataset())

    monkeypatch.setattr(huggingface, "load_dataset", load)
    corpus = load_corpus("huggingface", "someone/speech")
    assert asked == ["someone/speech"]
    assert set(corpus["corpus"]) == {"speech"}
    with pytest.raises(CorpusError, match="DatasetNotFoundError: no such dataset"):
        load_corpus("huggingface", "nobody/gone")


@pytest.mark.parametrize("root", ["./lost/name", "../lost", "a/b/c", "~/lost"])
def test_paths_are_no_hub_ids(root):
    with pytest.raises(CorpusError, match=r"there is no /.*`root` has to be a hub id such as user/name, a folder"):
        load_corpus("huggingface", root)


def test_a_damaged_dataset_says_so(tmp_path):
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(CorpusError, match=r"can't load it .*Save it again with save_to_disk"):
        load_corpus("huggingface", tmp_path)
