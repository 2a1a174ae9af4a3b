"""Readers by name, and roots that are wrong."""

import os

import pytest

from ser_tl.corpora import CORPORA, load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import REQUIRED
from ser_tl.errors import ConfigError, CorpusError, UnknownNameError

FOLDERS = ["ravdess", "emodb"]
BROUGHT = [name for name, reader in CORPORA.items() if not reader.bundled]


def test_the_readers_are_registered_with_their_facts():
    assert set(CORPORA) == {
        *(
            "casia",
            "cremad",
            "emodb",
            "emodb-mini",
            "emotale",
            "emovo",
            "iemocap",
            "iemocap-4",
            "iemocap-5",
            "iemocap-6",
        ),
        *("mesd", "nemo", "ravdess", "savee", "shemo", "tess", "urdu"),
        *("audformat", "csv", "emobox", "folder", "huggingface", "jsonl"),
    }
    for name, reader in CORPORA.items():
        assert reader.name == name
        assert all((reader.title, reader.licence, reader.layout))
        assert "\n" not in reader.layout
    assert [name for name, reader in CORPORA.items() if reader.bundled] == ["emodb-mini"]


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'ravdess'"):
        load_corpus("ravdes")


@pytest.mark.parametrize("name", BROUGHT)
def test_without_a_root_the_layout_is_told(name):
    with pytest.raises(CorpusError, match="give its location as `root`") as error:
        load_corpus(name)
    assert CORPORA[name].layout in str(error.value)


@pytest.mark.parametrize("name", BROUGHT)
def test_a_root_that_is_not_there_shows_its_surroundings(name, tmp_path):
    (tmp_path / "Audio_Speech").mkdir()
    with pytest.raises(CorpusError, match=r"there is no .*lost.*`root` has to be") as error:
        load_corpus(name, tmp_path / "lost" / "corpus")
    assert CORPORA[name].layout in str(error.value)
    assert "Audio_Speech/" in str(error.value)


@pytest.mark.parametrize("name", BROUGHT)
def test_a_folder_of_something_else_shows_what_is_there(name, tmp_path):
    for number in range(30):
        (tmp_path / f"image_{number:02d}.png").touch()
    with pytest.raises(CorpusError, match="a folder that doesn't fit; `root` has to be") as error:
        load_corpus(name, tmp_path)
    assert CORPORA[name].layout in str(error.value)
    assert "image_00.png" in str(error.value)
    assert "and 20 more" in str(error.value)


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(CorpusError, match="nothing"):
        load_corpus("ravdess", tmp_path)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_is_no_folder(name, tmp_path):
    (tmp_path / "corpus.zip").touch()
    with pytest.raises(CorpusError, match="a file that doesn't fit; `root` has to be"):
        load_corpus(name, tmp_path / "corpus.zip")


@pytest.mark.parametrize("suffix", [".m4a", ".WMA", ".aac"])
def test_recordings_of_a_kind_that_is_not_read_are_not_passed_over(tree, suffix):
    root = tree(["03a01Fa.wav", "03a01Wa.flac"])
    (root / f"03a01Wa{suffix}").touch()  # somebody has converted it
    (root / f".03a01Na{suffix}").touch()  # what a system leaves behind
    (root / "notes.txt").touch()
    (root / "03a02Wa.mp4").touch()  # a video
    assert len(load_corpus("emodb", root)) == 2
    (root / f"03a02Fa{suffix}").touch()
    with pytest.raises(CorpusError, match=r"1 recordings can't be read here.*Convert them.*or move them") as error:
        load_corpus("emodb", root)
    assert str(error.value).endswith(f"\n  03a02Fa{suffix}")


def test_a_folder_that_cannot_be_read_is_not_passed_over(tree, monkeypatch):
    root = tree(["03a01Fa.wav", "more/03a02Fa.wav"])
    scandir = os.scandir

    def locked(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(CorpusError, match=r"more: can't look into this folder .* make it readable"):
        load_corpus("emodb", root)


def test_linked_folders_are_followed(tree, tmp_path):
    root = tree(["speakers/03a01Fa.wav"])
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "wav").symlink_to(root / "speakers", target_is_directory=True)
    assert load_corpus("emodb", tmp_path / "links")["id"] == ["03a01Fa"]


def test_rows_hold_absolute_paths_whatever_the_root(tree, monkeypatch):
    root = tree(["03a01Fa.wav"])
    monkeypatch.chdir(root.parent)
    monkeypatch.setenv("HOME", str(root.parent))
    for given in ("corpus", "~/corpus", root):
        assert load_corpus("emodb", given)[0]["audio"]["path"] == str(root / "03a01Fa.wav")


def test_the_mapping_of_emotions_is_applied(tree):
    root = tree(["03a01Fa.wav", "03a01Wa.wav", "03a01Na.wav"])
    corpus = load_corpus("emodb", root, emotions=EmotionMap(merge={"active": ["anger", "happiness"]}, drop=["neutral"]))
    assert corpus["emotion"] == ["active", "active"]
    assert set(REQUIRED) <= set(corpus.column_names)
    with pytest.raises(ConfigError, match="surprise, which no utterance has"):
        load_corpus("emodb", root, emotions=EmotionMap(drop=["surprise"]))


def test_renaming_is_held_to_the_labels_of_the_corpus_that_is_read(tree):
    mapping = EmotionMap(rename={"anger": "rage"})
    assert load_corpus("emodb", tree(["03a01Wa.wav"]), emotions=mapping)["emotion"] == ["rage"]
    root = tree(["calm/03a01Fa.wav"])
    (root / "03a01Wa.wav").unlink()
    with pytest.raises(ConfigError, match=r"rename names anger, which no utterance(?s:.)*\n  happiness$"):
        load_corpus("emodb", root, emotions=mapping)


def test_columns_are_for_readers_that_have_some(tree):
    takers = [name for name, reader in CORPORA.items() if reader.takes_columns]
    assert set(takers) == {"audformat", "csv", "huggingface", "jsonl"}
    with pytest.raises(ConfigError, match=r"the corpus emodb has no columns to name: leave `columns` out, .* csv"):
        load_corpus("emodb", tree(["03a01Fa.wav"]), columns={"emotion": "label"})
    assert [name for name, reader in CORPORA.items() if reader.takes_ids] == ["huggingface"]
