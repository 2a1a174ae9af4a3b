"""Names of emotions, and the user's mapping to classes."""

from collections import Counter

import pytest

from ser_tl.data.emotions import ALIASES, EMOTIONS, EmotionMap, canonical_name, emotion_name, propose_rename
from ser_tl.errors import ConfigError, CorpusError


@pytest.mark.parametrize("name", EMOTIONS)
def test_every_spelling_means_its_emotion_in_any_case(name):
    assert name in ALIASES[name]
    for alias in ALIASES[name]:
        for spelling in (alias, alias.upper(), alias.title(), f"  {alias}\n"):
            assert canonical_name(spelling, where="here") == name


def test_no_spelling_means_two_emotions():
    counts = Counter(alias for aliases in ALIASES.values() for alias in aliases)
    assert [alias for alias, count in counts.items() if count > 1] == []
    assert all(alias == alias.strip().lower() for alias in counts)


@pytest.mark.parametrize("label", ["meh", "", "happ", "Fröhlichkeit"])
def test_an_unknown_label_tells_where_it_stands_and_how_to_rename_it(label):
    with pytest.raises(CorpusError) as error:
        canonical_name(label, where="list.csv, line 3")
    assert str(error.value).startswith(f"list.csv, line 3: unknown emotion {label!r}")
    assert all(name in str(error.value) for name in EMOTIONS)
    meaning = "happiness" if label == "happ" else "EMOTION"  # never one that says something else
    assert f"emotions.rename '{{\"{label}\": {meaning}}}'" in str(error.value)


def test_renaming_comes_before_the_canonical_names_and_only_for_its_own_spelling():
    mapping = EmotionMap(rename={"Neutral": "calm", "E4": "bliss"})
    assert mapping.read("Neutral", where="here") == "calm"
    assert mapping.read("neutral", where="here") == "neutral"
    assert mapping.read("E4", where="here") == "bliss"
    with pytest.raises(CorpusError, match="unknown emotion 'e4'"):
        mapping.read("e4", where="here")


def test_without_a_mapping_every_emotion_is_its_own_class():
    assert [EmotionMap().target(name) for name in EMOTIONS] == list(EMOTIONS)


def test_merging_takes_one_step_and_comes_before_dropping():
    mapping = EmotionMap(merge={"positive": ["happiness", "surprise"], "fear": ["positive"]}, drop=["positive", "calm"])
    assert mapping.target("happiness") is None
    assert mapping.target("positive") == "fear"
    assert mapping.target("calm") is None
    assert mapping.target("anger") == "anger"


def test_an_emotion_may_be_merged_into_one_of_the_corpus_own():
    mapping = EmotionMap(merge={"happiness": ["excitement"]})
    mapping.check(["excitement", "happiness"])
    assert {mapping.target(name) for name in ("excitement", "happiness")} == {"happiness"}


def test_an_emotion_goes_into_one_class_only():
    with pytest.raises(ConfigError, match="puts calm into two classes: name each emotion once"):
        EmotionMap(merge={"low": ["calm", "sadness"], "neutral": ["calm"]})


def test_what_goes_into_a_class_is_not_dropped_as_well():
    with pytest.raises(ConfigError, match=r"drop names excitement, which .*merge takes.*or drop the class .*happiness"):
        EmotionMap(merge={"happiness": ["excitement"]}, drop=["excitement", "fear"])


def test_renaming_a_label_that_no_utterance_has_shows_how_the_corpus_spells_its_own():
    mapping = EmotionMap(rename={"happy": "joy"})
    for label in ("Happy", "Sad"):
        mapping.read(label, where="here")
    with pytest.raises(
        ConfigError, match=r"rename names happy, which no .*as the corpus spells them.*\n  Happy\n  Sad$"
    ):
        mapping.check(["happiness", "sadness"], labels=["Sad", "Happy"])


@pytest.mark.parametrize(
    "mapping",
    [
        EmotionMap(drop=["suprise"]),
        EmotionMap(merge={"low": ["suprise"]}),
        EmotionMap(merge={"a": ["fear", "suprise"]}),
    ],
)
def test_a_slip_of_the_pen_shows_what_the_corpus_has(mapping):
    with pytest.raises(ConfigError, match="name suprise, which no utterance has: the corpus has fear, surprise"):
        mapping.check(["surprise", "fear"])


def test_a_merged_class_may_be_dropped():
    EmotionMap(merge={"low": ["calm"]}, drop=["low"]).check(["calm", "fear"])


def test_mappings_share_no_lists():
    EmotionMap().drop.append("fear")
    assert EmotionMap().drop == []


@pytest.mark.parametrize("happy", ["happy", "Joy", "HAPPINESS", " hap "])
def test_an_emotion_has_one_name_in_every_option(happy):
    mapping = EmotionMap(
        rename={"E4": happy, "E5": "Bliss"}, merge={happy: ["exc", "Calmness"]}, drop=["Scared", "BLISS"]
    )
    assert mapping.read("E4", where="here") == "happiness"
    assert [mapping.target(name) for name in ("happiness", "excitement", "calm")] == ["happiness"] * 3
    assert mapping.target("fear") is None
    assert mapping.target(mapping.read("E5", where="here")) is None
    assert EmotionMap(merge={"positive": [happy]}).target("happiness") == "positive"
    assert EmotionMap(drop=[happy]).target("happiness") is None
    assert emotion_name(happy) == "happiness"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"merge": {"happy": ["calm"], "joy": ["surprise"]}}, "emotions.merge names happiness in two spellings"),
        ({"merge": {"a": ["happy"], "b": ["joy"]}}, "puts happiness into two classes"),
        ({"merge": {"a": ["happy"]}, "drop": ["joy"]}, "drop names happiness"),
        ({"rename": {0: "angry", "0": "sad"}}, "emotions.rename names 0 in two spellings"),
        ({"rename": {"\u00fc": "angry", "u\u0308": "sad"}}, "emotions.rename names ü in two spellings"),
        ({"rename": {False: "neutral"}}, r"names False, which is how YAML reads no.*put the label in quotes"),
        ({"rename": {None: "neutral"}}, r"names None, which is how YAML reads"),
    ],
)
def test_one_name_in_two_spellings_is_seen(options, message):
    with pytest.raises(ConfigError, match=message):
        EmotionMap(**options)


@pytest.mark.parametrize(("key", "label"), [(0, "0"), ("0", "0"), (10, " 10"), ("fro\u0308hlich", "fr\u00f6hlich")])
def test_numbers_and_other_forms_of_a_letter_are_the_label(key, label):
    mapping = EmotionMap(rename={key: "happy"})
    assert mapping.read(label, where="here") == "happiness"
    mapping.check(["happiness"])


def test_unknown_labels_are_proposed_a_meaning_that_is_near_or_none():
    told = propose_rename(["Fröhlichkeit", "happines", "angry!"])
    assert told == """for example emotions.rename '{"Fröhlichkeit": EMOTION, "happines": happiness, "angry!": anger}'"""
    assert propose_rename("abcdefg").count("EMOTION") == 7  # complete, to be pasted


def test_free_names_are_taken_as_they_are_spelled():
    free = EmotionMap(rename={"x": "Wut!"}, merge={"Laut": ["Wut!", "Angry"]}, drop=["Ruhe"], free=True)
    assert [free.read(label, where="row") for label in ("x", "Angry", " Ruhe ")] == ["Wut!", "Angry", "Ruhe"]
    assert [free.target(name) for name in ("Wut!", "Angry", "Ruhe", "sad")] == ["Laut", "Laut", None, "sad"]
    free.check(["Wut!", "Angry", "Ruhe"])
    with pytest.raises(ConfigError, match="differ in case alone: give them one name"):
        EmotionMap(free=True).check(["Happy", "happy"])
