"""EmoTale: 18 speakers enact five sentences in five emotions, in Danish and in English, 800 clips (Hjuler et al. 2025).

    wav/DK_001_A_1.wav  ->  anger, speaker emotale_001, Danish

The corpus is at github.com/snehadas/EmoTale, 48 kHz WAV, for research. A name is language (DK or EN), speaker, the
first letter of the emotion, and sentence. annotations.csv has, per clip and annotator, a category and arousal, valence
and dominance from 1 to 5 in half steps.

The emotion is the enacted one, from the file's name: it is what the corpus' authors publish as its label (gt_emotion)
and score on. The annotators' categories are the votes: their majority is the enacted emotion in 636 of 800 clips, in 51
there is none. Arousal, valence and dominance are the annotators' means.

Quirks: a person has one number in both languages, so one who is trained on in Danish is never tested in English; four
of the 18 speak Danish only. Three are children of 9 and 12. The authors write of two annotators, the table has three;
any number is read.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ser_tl.corpora.base import wrong_root
from ser_tl.corpora.filename import Clip, filename_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.records import need_columns, number, read_csv
from ser_tl.errors import CorpusError, listing

LAYOUT = "the folder with annotations.csv and the folder wav"

WORDS = {"A": "anger", "B": "boredom", "H": "happiness", "N": "neutral", "S": "sadness"}
LANGUAGES = {"DK": "da", "EN": "en"}
SCALES = {"A": "arousal", "V": "valence", "D": "dominance"}


def _add_ratings(root: Path, clips: Sequence[Clip], emotions: EmotionMap) -> list[dict[str, Any]]:
    """Votes and mean ratings of each clip.

    Raises:
        CorpusError: clips without annotations or the reverse, or annotations that can't be
    """
    table = root / "annotations.csv"
    if not table.is_file():
        raise wrong_root(root, LAYOUT)
    files = {path.stem: name for path, name in clips}
    annotated = _read_annotations(table, emotions)
    alone = sorted(files.keys() ^ annotated.keys())
    if alone:
        odd = [f"{stem}: no {'annotations' if stem in files else 'audio'}" for stem in alone]
        raise CorpusError(
            f"{root}: audio and annotations.csv don't belong together, {len(odd)} clips are in one only; restore what "
            f"is missing\n{listing(odd)}"
        )
    other = [stem for stem, name in files.items() if annotated[stem]["label"] != name["emotion"]]
    if other:
        raise CorpusError(
            f"{table}: gt_emotion is another emotion than in the file's name for {len(other)} clips; restore the "
            f"published table\n{listing(other)}"
        )
    return [{name: value for name, value in annotated[stem].items() if name != "label"} for stem in files]


def _read_annotations(path: Path, emotions: EmotionMap) -> dict[str, dict[str, Any]]:
    """Per stem of a clip: its label, its votes and the means of the annotators' ratings."""
    records = read_csv(path)
    columns = records[0][1]
    annotators = [name.removesuffix("_cat") for name in columns if re.fullmatch(r"a\d+_cat", name)] or ["a1"]
    ratings = {f"{who}_{scale}": name for who in annotators for scale, name in SCALES.items()}
    need_columns(path, columns, ["file", "gt_emotion", *(f"{who}_cat" for who in annotators), *ratings])
    rows: dict[str, dict[str, Any]] = {}
    bad = []
    for line, record in records:
        stem = Path(record["file"]).stem
        given = [record[f"{who}_cat"] for who in annotators if record[f"{who}_cat"]]
        try:
            if stem in rows:
                raise ValueError(f"{stem} stands there twice")
            if not set(given) <= set(WORDS):
                raise ValueError(f"categories are {', '.join(given)}, expected {', '.join(WORDS)}")
            means = {name: _average(record, [f"{who}_{scale}" for who in annotators]) for scale, name in SCALES.items()}
        except ValueError as error:
            bad.append(f"line {line}: {error}")
            continue
        votes = [emotions.read(WORDS[letter], where=f"{path}, line {line}") for letter in given]
        rows[stem] = {"label": record["gt_emotion"], "votes": votes} | means
    if bad:
        raise CorpusError(f"{path}: {len(bad)} lines are wrong; restore the published table\n{listing(bad)}")
    return rows


def _average(record: dict[str, Any], columns: list[str]) -> float | None:
    """The mean of the ratings that were given; None where none was."""
    values = [value for name in columns if (value := number(record, name)) is not None]
    return fmean(values) if values else None


read_emotale = filename_corpus(
    "emotale",
    title="EmoTale, enacted Danish and English",
    languages=("da", "en"),
    licence="for research",
    style="acted",
    layout=LAYOUT,
    pattern=r"(?P<language>DK|EN)_(?P<speaker>\d{3})_(?P<emotion>[ABHNS])_(?P<sentence>\d)",
    rule="language, speaker, emotion (one of A B H N S), sentence: DK_001_A_1",
    words=WORDS,
    columns={"language": lambda name: LANGUAGES[name["language"]], "sentence": "{language}_{sentence}"},
    details=_add_ratings,
)
