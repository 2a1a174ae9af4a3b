"""EMO-DB: ten German actors speak ten sentences in seven emotions, 535 clips (Burkhardt et al. 2005).

    03a01Fa.wav  ->  happiness, speaker emodb_03

The Berlin Database of Emotional Speech lived at emodb.bilderbar.info; today its authors publish it in audformat, at
16 kHz, under CC0 1.0. A name is speaker (two digits), sentence (a01 to b10), the first letter of the emotion's German
name, and take.

Quirks: F is Freude (happiness) and A is Angst (fear), not the English initials. Only the clips that listeners
recognised are in it, so takes have gaps and classes differ in size (127 anger, 46 disgust).

erkennung.txt, where it lies in the root or beside it, has the share of twenty listeners who recognised each clip's
emotion: the column recognised. The answers of the others were never published, so there are no votes.

"emodb-mini" is the same corpus, all 535 clips as Ogg Opus at 33 kb/s and 1.5 dB quieter, and comes with ser_tl, its
erkennung.txt too. Its rows have the same ids, speakers and corpus name as "emodb": they are the same recordings.
"""

from collections.abc import Sequence
from pathlib import Path

from ser_tl.corpora.base import register_corpus
from ser_tl.corpora.filename import Clip, filename_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import CorpusError, listing

LAYOUT = "a folder with 03a01Fa.wav and the others in it, or in a folder wav"
TABLE = "erkennung.txt"
TITLE = "Berlin Database of Emotional Speech"

WORDS = {
    "W": "anger",  # Wut, or Ärger
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "N": "neutral",
    "T": "sadness",  # Trauer
}

PEOPLE = {  # sex and age, as the corpus' page has them
    "03": ("male", 31.0),
    "08": ("female", 34.0),
    "09": ("female", 21.0),
    "10": ("male", 32.0),
    "11": ("male", 26.0),
    "12": ("male", 30.0),
    "13": ("female", 32.0),
    "14": ("female", 35.0),
    "15": ("male", 25.0),
    "16": ("female", 31.0),
}


def _add_rates(root: Path, clips: Sequence[Clip], emotions: EmotionMap) -> list[dict[str, float | None]]:  # noqa: ARG001
    """The column recognised of each clip, where erkennung.txt exists."""
    table = next((folder / TABLE for folder in (root, root.parent) if (folder / TABLE).is_file()), None)
    rates = {} if table is None else _read_rates(table, [clip.path.stem for clip in clips])
    return [{"recognised": rates.get(clip.path.stem)} for clip in clips]


def _read_rates(path: Path, clips: list[str]) -> dict[str, float]:
    """The share of listeners, 0 to 1, who recognised each clip. The table has all 816 recordings, of which 535 remain.

    It is Latin-1, tab-separated, with percent as 65,00 and no-break spaces around.
    """
    first, *lines = path.read_bytes().decode("latin-1").splitlines() or [""]
    if [name.strip() for name in first.split("\t")][:3] != ["Nr.", "Satz", "erkannt"]:
        raise CorpusError(
            f"{path}: the columns are {first!r}, expected Nr., Satz, erkannt, with tabs between; restore the published "
            f"table, or move it away to do without"
        )
    rates, bad = {}, []
    for number, line in enumerate(lines, 2):
        try:
            _, name, percent, *_ = (field.strip() for field in line.split("\t"))
            rates[Path(name).stem] = float(percent.replace(",", ".")) / 100
        except ValueError:
            bad += [f"line {number}: {line.strip()!r}"] if line.strip() else []
    lost = [f"no rate of {clip}" for clip in clips if clip not in rates]
    if bad or lost:
        raise CorpusError(
            f"{path}: {len(bad)} lines aren't number, file, percent, and {len(lost)} clips have no line; restore the "
            f"published table, or move it away to do without\n{listing([*bad, *lost])}"
        )
    return rates


read_emodb = filename_corpus(
    "emodb",
    title=TITLE,
    languages=("de",),
    licence="CC0 1.0",
    style="acted",
    layout=LAYOUT,
    pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFNT])(?P<take>[a-z])",
    rule="two digits, sentence, emotion's letter (one of W L E A F N T), take: 03a01Fa",
    words=WORDS,
    columns={
        "sex": lambda name: PEOPLE.get(name["speaker"], (None, None))[0],
        "age": lambda name: PEOPLE.get(name["speaker"], (None, None))[1],
        "sentence": "{text}",
    },
    details=_add_rates,
)

register_corpus(
    "emodb-mini",
    title=f"{TITLE}, as Ogg Opus",
    languages=("de",),
    licence="CC0 1.0",
    layout=LAYOUT,
    style="acted",
    asset="emodb_mini",
)(read_emodb)
