"""Several corpora by name: how they are written, and what is refused."""

from pathlib import Path

import pytest

from ser_tl.corpora import CorpusSource, corpus_title, load_corpora, load_corpus, parse_sources
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import ConfigError, CorpusError, UnknownNameError

EMODB = ["03a01Fa", "03a01Wa", "08a01Na", "08a01Fa"]
RAVDESS = ["03-01-03-01-01-01-01", "03-01-05-01-01-01-01", "03-01-02-01-01-01-02", "03-01-03-01-01-01-02"]


@pytest.fixture
def roots(tmp_path):
    """Folders of EMO-DB's and RAVDESS' names and two manifests, one of whose columns have other names."""
    files = {"emodb": [f"{name}.wav" for name in EMODB], "rav+dess": [f"{name}.wav" for name in RAVDESS]}
    for folder, names in files.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(name)
    for manifest, columns in (("mine", "path,emotion,speaker"), ("theirs", "path,feeling,speaker")):
        (tmp_path / manifest).mkdir()
        lines = [columns]
        for number, feeling in enumerate(["happy", "angry", "neutral"]):
            (tmp_path / manifest / f"{number}.wav").write_text(f"{manifest} {number}")
            lines.append(f"{number}.wav,{feeling},anna")
        (tmp_path / manifest / f"{manifest}.csv").write_text("\n".join(lines))
    return tmp_path


def test_names_with_their_roots_are_told_apart():
    assert parse_sources("emodb-mini") == [CorpusSource("emodb-mini")]
    assert parse_sources("ravdess", "/data") == [CorpusSource("ravdess", "/data")]
    assert parse_sources("ravdess:/a+b/c+emodb-mini+csv:x.csv") == [
        CorpusSource("ravdess", "/a+b/c"),
        CorpusSource("emodb-mini"),
        CorpusSource("csv", "x.csv"),
    ]
    assert parse_sources("huggingface:org/name+emodb:/e")[0] == CorpusSource("huggingface", "org/name")
    assert parse_sources(["ravdess:/a+emodb:b", CorpusSource("csv", "x.csv")])[0].root == "/a+emodb:b"
    assert corpus_title("ravdess:/home/me/data+emodb:/e") == "ravdess+emodb"


@pytest.mark.parametrize("corpora", ["emodb:/e+ravdes:/r", "emodb+ravdes:/r", ["emodb:/e", "ravdes:/r"]])
def test_an_unknown_name_is_refused_before_anything_is_read(corpora):
    with pytest.raises(UnknownNameError, match="did you mean 'ravdess'"):
        load_corpora(corpora)


def test_a_root_beside_several_corpora_is_refused():
    with pytest.raises(ConfigError, match="root is /r, but corpus names several corpora"):
        load_corpus("emodb:/e+ravdess:/r", "/r")
    with pytest.raises(ConfigError, match="root is /r, but corpus names its own"):
        load_corpus("emodb:/e", "/r")
    with pytest.raises(ConfigError, match="corpus is an empty list"):
        load_corpus([])


@pytest.mark.slow
def test_labels_meet_by_their_one_name_and_the_notes_say_so(roots):
    corpus, notes = load_corpora(f"emodb:{roots / 'emodb'}+ravdess:{roots / 'rav+dess'}+csv:{roots / 'mine/mine.csv'}")
    assert set(corpus["corpus"]) == {"emodb", "ravdess", "mine"}
    assert corpus["emotion"][:].count("happiness") == 5
    assert "emodb (4 utterances, 2 speakers), mine (3 utterances, 1 speakers), ravdess (4 utterances" in notes[0]
    (labels,) = [note for note in notes if note.startswith("Labels")]
    assert "happiness is 'happiness' (emodb), 'happy' (ravdess, mine)" in labels
    assert len(load_corpus(["emodb-mini", f"ravdess:{roots / 'rav+dess'}"])) == 535 + 4


def test_people_of_one_name_in_two_manifests_are_two(roots):
    sources = [
        f"csv:{roots / 'mine/mine.csv'}",
        CorpusSource("csv", roots / "theirs/theirs.csv", {"emotion": "feeling"}),
    ]
    corpus, notes = load_corpora(sources)
    assert set(corpus["speaker"]) == {"mine_anna", "theirs_anna"}
    assert len(set(corpus["id"])) == 6
    assert any("anna" in note and "different people" in note for note in notes)


def test_the_mapping_may_name_what_one_corpus_has(roots):
    both = f"emodb:{roots / 'emodb'}+ravdess:{roots / 'rav+dess'}"
    mapping = EmotionMap(merge={"neutral": ["calm"]}, drop=["anger"])
    corpus, notes = load_corpora(both, emotions=mapping)
    assert set(corpus["emotion"]) == {"happiness", "neutral"}
    assert notes[-1] == "Emotions of all corpora, as asked: neutral takes in calm; anger left out."
    with pytest.raises(ConfigError, match=r"name boredom, which no utterance has: the corpus has anger, calm, happ"):
        load_corpora(both, emotions=EmotionMap(drop=["boredom"]))
    with pytest.raises(ConfigError, match=r"emotions.rename names gleeful, which no utterance is labelled"):
        load_corpora(both, emotions=EmotionMap(rename={"gleeful": "happiness"}))


def test_columns_are_for_those_who_take_them(roots):
    both = f"emodb:{roots / 'emodb'}+csv:{roots / 'theirs/theirs.csv'}"
    assert len(load_corpus(both, columns={"emotion": "feeling"})) == 7
    with pytest.raises(ConfigError, match="none of the corpora has columns to name"):
        load_corpus(f"emodb:{roots / 'emodb'}+ravdess:{roots / 'rav+dess'}", columns={"emotion": "feeling"})


def test_one_corpus_given_twice_is_refused(roots, monkeypatch):
    monkeypatch.chdir(roots)
    with pytest.raises(CorpusError, match=r"the corpus emodb \(emodb\) is given twice"):
        load_corpus(f"emodb:{roots / 'emodb'}+emodb:emodb")
    with pytest.raises(CorpusError, match="the corpus emodb-mini is given twice"):
        load_corpus("emodb-mini+emodb-mini")


def test_a_corpus_and_its_bundled_part_are_one_corpus_twice(shared):
    with pytest.raises(CorpusError, match="the corpus emodb is given twice: 535 of its utterances"):
        load_corpus(["emodb-mini", CorpusSource("emodb", Path(shared("corpora/emodb")))])
