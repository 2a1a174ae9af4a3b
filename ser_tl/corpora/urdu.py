"""URDU: 400 utterances of Urdu talk shows in four emotions (Latif et al. 2018).

    Angry/SM1_F4_A04.wav  ->  anger, speaker urdu_SM1

The corpus is at github.com/siddiquelatif/URDU-Dataset, for research only; it was cut from YouTube. A name is speaker
(SM for men, SF for women), the speaker's file, and the emotion's first letter with a number of its own.

Quirks: the authors count 38 speakers; the published names have 29, as SM8 to SM16 don't occur. Each emotion has 100
utterances, but voices and emotions nearly coincide: three speakers have more than one emotion (SM3, SM5, SM6), anger
has four speakers, SM5 speaks 72 of the neutral utterances, SM24 and SM25 speak 78 of the sad ones. A model can learn
the voice instead of the emotion, so keep speakers apart and look at the report's figures by speaker. Numbers have a 0
in front however long they are (A04, A0100).
"""

from collections.abc import Sequence
from pathlib import Path

from ser_tl.corpora.filename import Clip, filename_corpus, read_sex
from ser_tl.errors import CorpusError, listing

FOLDERS = {"A": "Angry", "H": "Happy", "N": "Neutral", "S": "Sad"}


def _refuse_other_folders(root: Path, clips: Sequence[Clip]) -> None:
    """Refuses files in another emotion's folder."""
    folders = {folder.lower() for folder in FOLDERS.values()}
    odd = [
        str(path.relative_to(root))
        for path, name in clips
        if folders & {part.lower() for part in path.relative_to(root).parent.parts} - {FOLDERS[name["emotion"]].lower()}
    ]
    if odd:
        raise CorpusError(
            f"{root}: {len(odd)} files are named for another emotion than their folder; restore the published "
            f"folders\n{listing(odd)}"
        )


read_urdu = filename_corpus(
    "urdu",
    title="URDU, talk shows",
    languages=("ur",),
    licence="research only",
    style="natural, talk shows",
    layout="the folder with the folders Angry, Happy, Neutral and Sad in it",
    pattern=r"(?P<speaker>S[MF]\d+)_F\d+_(?P<emotion>[AHNS])\d+",
    rule="speaker (SM or SF and a number), file, letter of the emotion (one of A H N S) and number: SM1_F4_A04",
    words=FOLDERS,
    columns={"sex": read_sex("speaker", 1)},
    check=_refuse_other_folders,
)
