"""nEMO's names."""

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import CorpusError

WORDS = ["anger", "fear", "happiness", "neutral", "sadness", "surprised"]


def test_names_tell_speaker_and_emotion(tree):
    root = tree([*(f"samples/EB0_{word}_1.wav" for word in WORDS), "samples/WR0_surprised_64.wav"])
    (root / "data.tsv").write_text("file_id\temotion\n")
    for place in (root, root / "samples"):
        corpus = load_corpus("nemo", place)
        found = dict(zip(corpus["id"], corpus["emotion"], strict=True))
        assert [found[f"EB0_{word}_1"] for word in WORDS] == [*WORDS[:5], "surprise"]
        assert dict(zip(corpus["id"], corpus["speaker"], strict=True))["WR0_surprised_64"] == "nemo_WR0"
        assert set(corpus["language"]) == {"pl"}


@pytest.mark.parametrize("name", ["EB0_joy_1", "EB_anger_1", "EB0_anger", "EB0_surprise_1"])
def test_names_of_another_form_are_listed(tree, name):
    with pytest.raises(CorpusError, match="1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("nemo", tree(["samples/EB0_fear_1.wav", f"samples/{name}.wav"]))
    assert f"{name}.wav" in str(error.value)
