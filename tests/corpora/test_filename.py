"""A corpus whose files are named by a rule is a pattern and a table."""

import pytest

from ser_tl.corpora import CORPORA, filename_corpus, load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import ConfigError, CorpusError


@pytest.fixture
def registered():
    """Names that a test enters into the registry, and that are taken out again."""
    names = ["tiny-names"]
    yield names
    for name in names:
        CORPORA._entries.pop(name, None)
        CORPORA._order.pop(name, None)


def enter(**changes):
    usual = {
        "title": "Tiny",
        "languages": ("sv",),
        "licence": "none",
        "style": "acted",
        "layout": "a folder of a_K1_s3.wav",
        "pattern": r"(?P<emotion>[agx])_(?P<speaker>[KM]\d)_(?P<sentence>s\d)",
        "rule": "letter, speaker, sentence: a_K1_s3",
        "words": {"a": "arg", "g": "happy", "x": "neutral"},
        "columns": {"sentence": "{sentence}", "sex": lambda name: "female" if name["speaker"][0] == "K" else "male"},
    }
    return filename_corpus("tiny-names", **(usual | changes))


@pytest.fixture
def root(tree):
    return tree(["a_K1_s1.wav", "g_K1_s2.wav", "x_M2_s1.wav"])


def test_rows_come_from_the_names(registered, root):
    enter()
    corpus = load_corpus("tiny-names", root, emotions=EmotionMap(rename={"arg": "anger"}))
    assert corpus["id"][:] == ["a_K1_s1", "g_K1_s2", "x_M2_s1"]
    assert corpus["emotion"][:] == ["anger", "happiness", "neutral"]
    assert corpus["speaker"][:] == ["tiny-names_K1", "tiny-names_K1", "tiny-names_M2"]
    assert corpus["sex"][:] == ["female", "female", "male"]
    assert (set(corpus["corpus"][:]), set(corpus["language"][:])) == ({"tiny-names"}, {"sv"})


def test_spellings_ids_and_details_are_the_corpus_own(registered, root):
    seen = []

    def rates(home, clips, emotions):
        seen.append((home, emotions.read("arg", where="a table")))
        return [{"recognised": 0.25 * index} for index, _ in enumerate(clips)]

    enter(spelling={"speaker": str.lower}, id="{sentence}-{speaker}-{emotion}", details=rates, columns={})
    corpus = load_corpus("tiny-names", root, emotions=EmotionMap(rename={"arg": "anger"}))
    assert corpus["id"][:] == ["s1-k1-a", "s2-k1-g", "s1-m2-x"]
    assert corpus["recognised"][:] == [0.0, 0.25, 0.5]
    assert "sentence" not in corpus.column_names
    assert seen == [(root, "anger")]


def test_other_names_and_unused_renames_are_refused(registered, root, tree):
    enter()
    with pytest.raises(ConfigError, match=r"emotions.rename names sur, which no utterance is labelled(?s:.)*arg"):
        load_corpus("tiny-names", root, emotions=EmotionMap(rename={"arg": "anger", "sur": "surprise"}))
    tree(["b_K1_s1.wav"])
    with pytest.raises(CorpusError, match=r"1 of 4 audio files aren't named by the corpus' rule, letter, speaker"):
        load_corpus("tiny-names", root)
