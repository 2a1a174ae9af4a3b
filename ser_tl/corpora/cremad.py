"""CREMA-D: 91 American actors speak twelve sentences in six emotions, 7442 clips (Cao et al. 2014).

    1001_DFA_ANG_XX.wav  ->  anger, speaker cremad_1001, votes [anger x 6, disgust x 2, neutral]

The Crowd-sourced Emotional Multimodal Actors Dataset is at github.com/CheyneyComputerScience/CREMA-D under the Open
Database License 1.0 (16 kHz). A name is actor (1001 to 1091), sentence, emotion and level (LO, MD and HI for one of the
sentences, XX for the others). The emotion is what the actor meant; listeners recognised it in four clips out of ten.

Votes are the choices of about ten listeners of the sound alone, from processedResults/tabulatedVotes.csv beside the
folder of the audio, if it is there. Its rows are numbered by what was shown: those from 100001 on are of the voice,
from 200001 of the face, from 300001 of both; the latter two are left out.

VideoDemographics.csv there has the actors' sex and age.

Quirks: 1076_MTI_SAD_XX is silent, which the check before training finds (the option skip-unreadable leaves it
out). Listeners had MP3 files, of which those of MISHEARD were broken: these clips have no votes. The repository once
had 1040_ITH_SAD_X.wav, read as 1040_ITH_SAD_XX. Its audio is in Git LFS: a ZIP download holds notes of 130 bytes
instead. It holds the clips as AudioMP3 too, so of a whole checkout only AudioWAV is read.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser_tl.corpora.filename import Clip, filename_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.records import need_columns, number, read_csv
from ser_tl.errors import CorpusError, listing

ID = "{actor}_{sentence}_{emotion}_{level}"

MISHEARD = ("1064_IEO_DIS_MD", "1064_TIE_SAD_XX", "1076_MTI_NEU_XX", "1076_MTI_SAD_XX")
"""Clips whose MP3 was silent or another clip's, as the repository says, so that listeners judged something else."""

LETTERS = {"A": "ANG", "D": "DIS", "F": "FEA", "H": "HAP", "N": "NEU", "S": "SAD"}
"""The columns of the votes, with the emotion's code in file names."""


def _read_votes_and_actors(root: Path, clips: Sequence[Clip], emotions: EmotionMap) -> list[dict[str, Any]]:
    """Votes, sex and age of each clip, where their tables are."""
    home = root / "AudioWAV" if (root / "AudioWAV").is_dir() else root
    tables = [folder / "processedResults" / "tabulatedVotes.csv" for folder in (home, home.parent)]
    votes = next((_read_votes(table) for table in tables if table.is_file()), {})
    demographics = [folder / "VideoDemographics.csv" for folder in (home, home.parent)]
    actors = next((_read_actors(table) for table in demographics if table.is_file()), {})
    rows = []
    for _, name in clips:
        clip = ID.format(**name)
        clip_votes = votes.get(clip, []) if clip not in MISHEARD else []
        chosen = [emotions.read(vote, where=f"the votes on {clip}") for vote in clip_votes]
        rows.append({**actors.get(name["actor"], {}), "votes": chosen or None})
    return rows


def _read_actors(table: Path) -> dict[str, dict[str, str | float]]:
    """Sex and age of each actor."""
    records = read_csv(table)
    need_columns(table, records[0][1], ("ActorID", "Age", "Sex"))
    people: dict[str, dict[str, str | float]] = {}
    bad = []
    for line, row in records:
        try:
            people[row["ActorID"]] = {"sex": row["Sex"].lower(), "age": number(row, "Age") or float("nan")}
        except ValueError as error:
            bad.append(f"line {line}: {error}")
    if bad:
        raise CorpusError(f"{table}: {len(bad)} lines are wrong; restore the file from the repository\n{listing(bad)}")
    return people


def _read_votes(table: Path) -> dict[str, list[str]]:
    """The votes of the listeners of the voice alone for each clip, in the codes of file names."""
    records = read_csv(table)
    need_columns(table, records[0][1], (*LETTERS, "fileName"))
    votes: dict[str, list[str]] = {}
    bad = []
    for line, row in records:
        shown = re.fullmatch(r"([123])\d{5}", next(iter(row.values())))  # R writes the row's name into the first column
        try:
            counts = {code: int(number(row, letter) or 0) for letter, code in LETTERS.items()}
        except ValueError as error:
            bad.append(f"line {line}: {error}")
            continue
        if shown is None:
            bad.append(f"line {line}: {next(iter(row.values()))!r} isn't a row's number, expected such as 100001")
        elif shown[1] == "1":
            votes[row["fileName"]] = [code for code, count in counts.items() for _ in range(count)]
    if bad:
        raise CorpusError(f"{table}: {len(bad)} lines are wrong; restore the file from the repository\n{listing(bad)}")
    return votes


read_cremad = filename_corpus(
    "cremad",
    title="Crowd-sourced Emotional Multimodal Actors Dataset",
    languages=("en",),
    licence="ODbL 1.0, contents DbCL 1.0",
    style="acted",
    layout="the repository of CREMA-D with the folder AudioWAV, or that folder",
    pattern=(
        r"(?P<actor>10(?:0[1-9]|[1-8]\d|9[01]))_(?P<sentence>DFA|IEO|IOM|ITH|ITS|IWL|IWW|MTI|TAI|TIE|TSI|WSI)"
        r"_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>XX|LO|MD|HI|(?<=1040_ITH_SAD_)X)"
    ),
    rule="actor (1001 to 1091), sentence, emotion, level (XX, LO, MD or HI): 1001_DFA_ANG_XX",
    folder="AudioWAV",
    spelling={"level": lambda level: "XX" if level == "X" else level},
    id=ID,
    speaker="{actor}",
    columns={"sentence": "{sentence}"},
    details=_read_votes_and_actors,
)
