"""IEMOCAP's evaluation files, and the four corpora that papers make of them. The labels here are invented."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.splits import make_splits
from ser_tl.errors import ConfigError, CorpusError

LABELS = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
NAMES = (
    "anger", "disgust", "excitement", "fear", "frustration", "happiness", "neutral", "other", "sadness", "surprise"
)  # fmt: skip

EVALUATION = """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[5.1200 - 7.0400]\tSes03F_impro02_F000\tfru\t[2.5000, 3.0000, 3.5000]
C-E2:\tFrustration;\t()
C-E4:\tAnger; Frustration;\t(raises his voice)
C-E1:\tFrustration; Sadness;\t()
C-F3:\tNeutral state;\t(thinking; [5.0] or so)
A-E3:\tval 2; act 3; dom  3;\t()
A-F3:\tval 3; act 3; dom  4;\t(caf\xe9)

[7.5000 - 9.2500]\tSes03F_impro02_M000\texc\t[4.3333, 4.0000, 3.0000]
C-E2:\tExcited;\t()
C-E4:\tHappiness; Excited;\t()
C-E1:\tExcited;\t()
C-M3:\t\t()
A-E3:\tval 4; act 4; dom  3;\t()

[9.3000 - 9.9000]\tSes03F_impro02_M001\txxx\t[3.0000, 3.0000, 3.0000]
C-E2:\tSurprise;\t()
C-E4:\tOther;\t(bored)
C-E1:\tNeutral;\t()
"""

Make = Callable[[Iterable[str]], Path]


def audio(turn: str) -> str:
    return f"Session{turn[4]}/sentences/wav/{turn.rpartition('_')[0]}/{turn}.wav"


def write(root: Path, dialogue: str, content: str) -> Path:
    path = root / f"Session{dialogue[4]}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "latin-1")
    return path


def plain(turns: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"[1.0000 - 2.0000]\t{turn}\t{label}\t[2.5000, 3.0000, 3.5000]\n" for turn, label in turns)


@pytest.fixture
def dialogue(stubs: Make) -> Path:
    """One dialogue in the third session: a frustrated woman, an excited man, and a turn without a majority."""
    root = stubs(audio(f"Ses03F_impro02_{turn}") for turn in ("F000", "M000", "M001"))
    write(root, "Ses03F_impro02", EVALUATION)
    deeper = root / "Session3" / "dialog" / "EmoEvaluation" / "Categorical" / "Ses03F_impro02_e2_cat.txt"
    deeper.parent.mkdir()
    deeper.write_text("Ses03F_impro02_F000 :Frustration; ()")
    (deeper.parents[1] / "._Ses03F_impro02.txt").write_bytes(b"\x00\x05\x16\x07\n[hidden]\n")
    return root


@pytest.fixture
def every_label(stubs: Make) -> Path:
    """A clip for each label."""
    turns = [(f"Ses01M_script01_1_F{number:03d}", label) for number, label in enumerate(LABELS)]
    root = stubs(audio(turn) for turn, _ in turns)
    write(root, "Ses01M_script01_1", plain(turns))
    return root


def test_a_dialogue_is_read_with_its_votes_and_dimensions(dialogue):
    frustrated, excited = load_corpus("iemocap", dialogue)
    assert frustrated | {"audio": None} == {
        "id": "Ses03F_impro02_F000",
        "audio": None,
        "emotion": "frustration",
        "speaker": "iemocap_Ses03F",
        "corpus": "iemocap",
        "language": "en",
        "start": 0.0,
        "end": None,
        "session": "Session3",
        "sex": "female",
        "votes": ["frustration", "anger", "frustration", "neutral"],
        "arousal": 3.0,
        "valence": 2.5,
        "dominance": 3.5,
    }
    assert Path(frustrated["audio"]["path"]) == dialogue / audio("Ses03F_impro02_F000")
    assert excited["votes"] == ["excitement", "happiness", "excitement"]
    assert (excited["valence"], excited["arousal"], excited["dominance"]) == (4.3333, 4.0, 3.0)


def test_the_speaker_is_in_the_turn_and_not_in_the_dialogue(dialogue):
    corpus = load_corpus("iemocap", dialogue)
    assert dict(zip(corpus["id"], corpus["speaker"], strict=True)) == {
        "Ses03F_impro02_F000": "iemocap_Ses03F",
        "Ses03F_impro02_M000": "iemocap_Ses03M",
    }


def test_votes_are_merged_and_renamed_as_labels_are(dialogue):
    corpus = load_corpus("iemocap-4", dialogue)
    assert corpus["emotion"] == ["happiness"]
    assert corpus["votes"] == [["happiness", "happiness", "happiness"]]
    corpus = load_corpus("iemocap-5", dialogue, emotions=EmotionMap(rename={"fru": "anger", "hap": "calm"}))
    assert corpus["emotion"] == ["anger", "calm"]
    assert corpus["votes"] == [["anger", "anger", "anger", "neutral"], ["calm", "calm", "calm"]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("iemocap", NAMES),
        ("iemocap-4", ("anger", "happiness", "happiness", "neutral", "sadness")),
        ("iemocap-5", ("anger", "happiness", "frustration", "happiness", "neutral", "sadness")),
        ("iemocap-6", ("anger", "excitement", "frustration", "happiness", "neutral", "sadness")),
    ],
)
def test_each_corpus_has_its_classes(every_label, name, expected):
    corpus = load_corpus(name, every_label)
    assert tuple(corpus["emotion"]) == expected
    assert set(corpus["corpus"]) == {"iemocap"}
    assert "votes" not in corpus.column_names


def test_the_users_options_come_after_the_merging(every_label):
    corpus = load_corpus("iemocap", every_label, emotions=EmotionMap(merge={"anger": ["frustration"]}, drop=["other"]))
    assert Counter(corpus["emotion"])["anger"] == 2
    assert len(corpus) == 9
    with pytest.raises(ConfigError, match="excitement, which no utterance has"):
        load_corpus("iemocap-4", every_label, emotions=EmotionMap(merge={"happiness": ["excitement"]}))


def test_a_label_that_is_renamed_is_kept(every_label):
    corpus = load_corpus("iemocap-4", every_label, emotions=EmotionMap(rename={"xxx": "other", "exc": "surprise"}))
    assert corpus["emotion"] == ["anger", "surprise", "happiness", "neutral", "sadness", "other"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tfru\t", "\tjoy\t", "line 3: the label 'joy' isn't one of IEMOCAP's"),
        ("C-E2:\tFrustration", "C-E2:\tIrritation", "line 3: unknown emotion 'Irritation'"),
        ("[2.5000, 3.0000, 3.5000]", "[2.5000, 3.0000]", "line 3: .*Ses03F_impro02_F000"),
        ("C-E2:\tExcited;\t()", "C-E2 Excited", "line 12: 'C-E2 Excited'"),
        ("_F000\tfru", "_M001\tfru", r"repeat a turn(?s:.*)line 18: .*Ses03F_impro02_M001"),
        ("% [START_TIME", "C-E1:\tAnger;\t()\n[START_TIME", "line 1: .*Anger"),
    ],
)
def test_broken_lines_are_named(dialogue, old, new, message):
    assert old in EVALUATION
    write(dialogue, "Ses03F_impro02", EVALUATION.replace(old, new, 1))
    with pytest.raises(CorpusError, match=rf"Ses03F_impro02.txt, {message}" if "(?s" not in message else message):
        load_corpus("iemocap", dialogue)


def test_labels_without_audio_and_audio_without_labels_are_refused(dialogue):
    excited = dialogue / audio("Ses03F_impro02_M000")
    excited.rename(excited.with_stem("Ses03F_impro02_M009"))
    with pytest.raises(CorpusError, match=r"1 labelled turns have no audio; restore it\n  Ses03F_impro02_M000 "):
        load_corpus("iemocap", dialogue)
    write(dialogue, "Ses03F_impro02", EVALUATION.replace("\texc\t", "\txxx\t"))
    with pytest.raises(CorpusError, match=r"1 audio files stand in no file of dialog/EmoEvaluation(?s:.*)_M009.wav"):
        load_corpus("iemocap", dialogue)


def test_another_folder_is_refused_with_what_is_there(stubs, dialogue):
    for root in (dialogue / "Session3", stubs(["a/b.wav"]) / "a"):
        with pytest.raises(CorpusError, match="`root` has to be the folder with Session1 to Session5"):
            load_corpus("iemocap", root)
    write(dialogue, "Ses03F_impro02", "").unlink()
    with pytest.raises(CorpusError, match="EmoEvaluation: no labels; restore this folder's files"):
        load_corpus("iemocap", dialogue)


@pytest.mark.slow
def test_sessions_are_folds_that_share_no_speaker(stubs):
    turns = [f"Ses0{number}F_impro01_{sex}{index:03d}" for number in range(1, 6) for sex in "FM" for index in range(4)]
    root = stubs(map(audio, turns))
    for number in range(5):
        names = turns[8 * number : 8 * number + 8]
        write(root, names[0].rpartition("_")[0], plain(zip(names, ("ang", "exc", "neu", "sad") * 2, strict=True)))
    splits = make_splits(load_corpus("iemocap-4", root), "sessions")
    assert [split.name for split in splits] == [f"Session{number}" for number in range(1, 6)]
    for number, split in enumerate(splits, 1):
        assert set(split.test["speaker"]) == {f"iemocap_Ses0{number}{sex}" for sex in "FM"}


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_listed_clips_have_the_published_counts(stubs, shared):
    lines = [line.split("\t") for line in shared("listings/iemocap.tsv").read_text("utf-8").splitlines()[1:]]
    root = stubs(path for path, _, _ in lines)
    dialogues = defaultdict(list)
    for path, label, _ in lines:
        dialogues[PurePosixPath(path).parent.name].append((PurePosixPath(path).stem, label))
    for name, turns in dialogues.items():
        write(root, name, plain(turns))
    merged = load_corpus("iemocap-4", root)
    assert Counter(merged["emotion"]) == {"neutral": 1708, "happiness": 1636, "anger": 1103, "sadness": 1084}
    apart = load_corpus("iemocap", root)
    assert Counter(apart["emotion"]) == {
        "neutral": 1708, "happiness": 595, "excitement": 1041, "anger": 1103, "sadness": 1084
    }  # fmt: skip
    assert apart["id"] == merged["id"]
    assert Counter(apart["session"]) == {
        "Session1": 1085, "Session2": 1023, "Session3": 1151, "Session4": 1031, "Session5": 1241
    }  # fmt: skip
    assert Counter(name[-1] for name in apart["speaker"]) == {"F": 2649, "M": 2882}
    assert len(set(apart["speaker"])) == 10
