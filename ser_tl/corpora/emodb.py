"""EMO-DB: ten German actors speak ten sentences in seven emotions, 535 clips (Burkhardt et al. 2005).

    03a01Fa.wav  ->  happiness, speaker emodb_03

The Berlin Database of Emotional Speech lived at emodb.bilderbar.info; today its authors publish it in audformat, at
16 kHz, under CC0 1.0. A name is speaker (two digits), sentence (a01 to b10), the first letter of the emotion's German
name, and take.

Quirks: F is Freude (happiness) and A is Angst (fear), not the English initials. Only the clips that listeners
recognised are in it, so takes have gaps and classes differ in size (127 anger, 46 disgust).

"emodb-mini" is the same corpus, all 535 clips as Ogg Opus at 33 kb/s and 1.5 dB quieter, and comes with ser_tl. Its
rows have the same ids, speakers and corpus name as "emodb": they are the same recordings.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build

LAYOUT = "a folder with 03a01Fa.wav and the others in it, or in a folder wav"
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

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFNT])(?P<take>[a-z])")


@register_corpus("emodb", title=TITLE, languages=("de",), licence="CC0 1.0", layout=LAYOUT)
@register_corpus(
    "emodb-mini",
    title=f"{TITLE}, as Ogg Opus",
    languages=("de",),
    licence="CC0 1.0",
    layout=LAYOUT,
    asset="emodb_mini",
)
def read_emodb(root: Path, emotions: EmotionMap) -> Dataset:
    """EMO-DB. Ids are the files' stems, speakers emodb_03 to emodb_16.

    Raises:
        CorpusError: no audio, or names of another form
    """
    rule = "two digits, sentence, emotion's letter (one of W L E A F N T), take: 03a01Fa"
    rows = [
        {
            "id": path.stem,
            "audio": path,
            "emotion": emotions.read(WORDS[name["emotion"]], where=str(path)),
            "speaker": f"emodb_{name['speaker']}",
            "corpus": "emodb",
            "language": "de",
        }
        for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule)
    ]
    return build(rows, source=str(root), mapping=emotions)
