"""IEMOCAP: ten American actors talk in pairs, in five sessions, 10039 turns (Busso et al. 2008).

    [41.5000 - 43.2500]  Ses01F_impro01_M003  fru  [2.5000, 3.5000, 3.5000]    the majority's label, and means
    C-E2:  Frustration; Anger;  ()                                             a listener's categories, the first first
    A-E3:  val 2; act 3; dom  3;  ()                                           one of the scores behind the means
        ->  frustration, speaker iemocap_Ses01M, Session1, votes [frustration, ...], valence 2.5, arousal 3.5

The Interactive Emotional Dyadic Motion Capture database is given on request, for research, by the University of
Southern California (sail.usc.edu/iemocap; 16 kHz). The labels are in SessionN/dialog/EmoEvaluation/DIALOGUE.txt, the
turns' audio in SessionN/sentences/wav/DIALOGUE. Papers take different parts of it, so there are four corpora:

    name       classes and clips                                                                        clips
    iemocap    frustration 1849, neutral 1708, anger 1103, sadness 1084, excitement 1041,
               happiness 595, surprise 107, fear 40, other 3, disgust 2                                  7532
    iemocap-4  neutral 1708, happiness 1636 (with excitement), anger 1103, sadness 1084                  5531
    iemocap-5  the same, and frustration 1849                                                            7380
    iemocap-6  frustration 1849, neutral 1708, anger 1103, sadness 1084, excitement 1041, happiness 595  7380

All leave out the 2507 turns without a majority (xxx), the last three the rarer classes too. "Five classes" means other
things elsewhere: have those from iemocap with the options emotions.merge and emotions.drop.

The user's options come after a corpus' own merging: in iemocap-4 no clip is called excitement any more. But a label
that emotions.rename names is kept by all four and called as it says, {xxx: other} for one. Votes are merged and renamed
as labels are; those for classes that a corpus hasn't (surprise, say) stay.

Quirks: the gender in a dialogue's name is of the actor who wore the markers; the speaker is in the turn's own last
part. Votes hold the actors' views of themselves as well (C-F1, C-M1), which the majority doesn't. Valence, arousal
(called activation) and dominance are means from 1 to 5 over the listeners.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import find_audio, register_corpus, wrong_root
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus
from ser_tl.errors import CorpusError, listing

TITLE = "Interactive Emotional Dyadic Motion Capture"
LICENCE = "for research, on request"
LAYOUT = "the folder with Session1 to Session5, and in each dialog/EmoEvaluation/*.txt and sentences/wav"

WORDS = {
    "Anger": "ang",
    "Disgust": "dis",
    "Excited": "exc",
    "Fear": "fea",
    "Frustration": "fru",
    "Happiness": "hap",
    "Neutral": "neu",
    "Neutral state": "neu",
    "Other": "oth",
    "Sadness": "sad",
    "Surprise": "sur",
}
"""The listeners' categories, with the label of a majority for each."""

NO_MAJORITY = "xxx"

ALL = {label: label for label in WORDS.values()}
FOUR = {"ang": "ang", "exc": "hap", "hap": "hap", "neu": "neu", "sad": "sad"}
FIVE = FOUR | {"fru": "fru"}
SIX = FIVE | {"exc": "exc"}

_HEADER = re.compile(
    r"\[\d+\.\d+ - \d+\.\d+\]\s+(?P<turn>(?P<session>Ses0[1-5])[FM]_\w+_(?P<gender>[FM])\d+)\s+(?P<label>\w+)"
    r"\s+\[(?P<valence>\d+\.\d+), (?P<activation>\d+\.\d+), (?P<dominance>\d+\.\d+)\]"
)
_CATEGORIES = re.compile(r"C-[EFM]\d+:\s*(?P<first>[^;(]*?)\s*[;(].*")


@dataclass(frozen=True)
class _Turn:
    header: re.Match[str]
    where: str
    votes: list[str] = field(default_factory=list)  # labels, each annotator's first


_register = partial(
    register_corpus, languages=("en",), licence=LICENCE, layout=LAYOUT, style="acted, scripted and improvised"
)


@_register("iemocap", title=TITLE)
def read_iemocap(root: Path, emotions: EmotionMap) -> Dataset:
    """Every turn that a majority put into one of ten classes. Ids are the turns' names; the table above counts them.

    Raises:
        CorpusError: no sessions, lines that can't be read, turns without audio, or audio without labels
    """
    return _read(root, emotions, ALL)


@_register("iemocap-4", title=f"{TITLE}, 4 classes")
def read_iemocap_4(root: Path, emotions: EmotionMap) -> Dataset:
    """Anger, happiness with excitement in it, neutral, sadness. Raises as `read_iemocap`."""
    return _read(root, emotions, FOUR)


@_register("iemocap-5", title=f"{TITLE}, 5 classes")
def read_iemocap_5(root: Path, emotions: EmotionMap) -> Dataset:
    """Anger, frustration, happiness with excitement in it, neutral, sadness. Raises as `read_iemocap`."""
    return _read(root, emotions, FIVE)


@_register("iemocap-6", title=f"{TITLE}, 6 classes")
def read_iemocap_6(root: Path, emotions: EmotionMap) -> Dataset:
    """Anger, excitement, frustration, happiness, neutral, sadness. Raises as `read_iemocap`."""
    return _read(root, emotions, SIX)


def _read(root: Path, emotions: EmotionMap, classes: Mapping[str, str]) -> Dataset:
    """The turns whose label is one of `classes` (a label, and the label it is merged into) or renamed by the user."""

    def rename(label: str, where: str) -> str:
        return emotions.read(label if emotions.renames(label) else classes.get(label, label), where=where)

    rows, without_audio, unlabelled = [], [], []
    for folder in _find_sessions(root):
        audio = {path.stem: path for path in find_audio(folder / "sentences" / "wav", LAYOUT)}
        turns = _read_turns(folder / "dialog" / "EmoEvaluation")
        unlabelled += [str(audio[name].relative_to(root)) for name in audio if name not in turns]
        for name, turn in sorted(turns.items()):
            header = turn.header
            if not _is_wanted(header["label"], turn.where, emotions, classes):
                continue
            if name not in audio:
                without_audio.append(f"{name} ({turn.where})")
                continue
            rows.append(
                {
                    "id": name,
                    "audio": audio[name],
                    "emotion": rename(header["label"], turn.where),
                    "speaker": f"iemocap_{header['session']}{header['gender']}",
                    "corpus": "iemocap",
                    "language": "en",
                    "sex": {"F": "female", "M": "male"}[header["gender"]],
                    "session": f"Session{header['session'][-1]}",
                    "votes": [rename(label, turn.where) for label in turn.votes] or None,
                    "valence": float(header["valence"]),
                    "arousal": float(header["activation"]),
                    "dominance": float(header["dominance"]),
                }
            )
    if without_audio:
        raise CorpusError(
            f"{root}: {len(without_audio)} labelled turns have no audio; restore it\n{listing(without_audio)}"
        )
    if unlabelled:
        raise CorpusError(
            f"{root}: {len(unlabelled)} audio files stand in no file of dialog/EmoEvaluation; restore those files, or "
            f"move the audio elsewhere\n{listing(unlabelled)}"
        )
    return build_corpus(rows, source=str(root), mapping=emotions)


def _find_sessions(root: Path) -> list[Path]:
    sessions = sorted(path for path in root.glob("Session[1-5]") if path.is_dir())
    if not sessions:
        raise wrong_root(root, LAYOUT)
    return sessions


def _is_wanted(label: str, where: str, emotions: EmotionMap, classes: Mapping[str, str]) -> bool:
    if label in classes or emotions.renames(label):
        return True
    if label == NO_MAJORITY or label in ALL:
        return False
    raise CorpusError(
        f"{where}: the label {label!r} isn't one of IEMOCAP's, {', '.join((*ALL, NO_MAJORITY))}; correct it, or give "
        f"it a meaning with the option emotions.rename"
    )


def _read_turns(folder: Path) -> dict[str, _Turn]:
    """The turns of a session's evaluation files; a listener's own file lies deeper, in Categorical and the like."""
    turns: dict[str, _Turn] = {}
    bad = []
    for path in sorted(path for path in folder.glob("*.txt") if not path.name.startswith(".")):
        turn = None
        # Latin-1 takes every byte: what listeners wrote in brackets isn't looked at, all else is ASCII
        for number, line in enumerate(path.read_text("latin-1").split("\n"), 1):
            where = f"{path}, line {number}"
            header, categories = _HEADER.fullmatch(line.strip()), _CATEGORIES.fullmatch(line.strip())
            if header and header["turn"] not in turns:
                turn = turns[header["turn"]] = _Turn(header, where)
            elif categories and turn:
                first = categories["first"]
                turn.votes.extend([WORDS.get(first, first)] if first else [])
            elif line.startswith(("[", "C-")):
                bad.append(f"{where}: {line.strip()!r}")
    if bad:
        raise CorpusError(
            f"{folder}: {len(bad)} lines aren't of the form [START - END] TURN LABEL [V, A, D], follow no such line "
            f"with a listener's choice, or repeat a turn; restore the files\n{listing(bad)}"
        )
    if not turns:
        raise CorpusError(f"{folder}: no labels; restore this folder's files, such as Ses01F_impro01.txt")
    return turns
