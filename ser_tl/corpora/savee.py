"""SAVEE: four English men speak TIMIT sentences in seven emotions, 480 clips (Haq and Jackson 2009).

    DC_su03.wav, or DC/su03.wav  ->  surprise, speaker savee_DC

The Surrey Audio-Visual Expressed Emotion database is at kahlan.eps.surrey.ac.uk/savee, free for research after
registration (44.1 kHz). A name is emotion (a d f h n sa su) and sentence (01 to 15, neutral to 30); the speaker (DC,
JE, JK or KL) is the folder in the original, AudioData/DC/a01.wav, and stands before it in copies that have one folder.

Quirks: neutral has twice as many clips as the others. `s` alone isn't an emotion: sa is sadness, su surprise. All four
speakers are men, so what a model learned here says little about women's voices.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "a folder with DC/a01.wav and the others in it (the original AudioData), or with DC_a01.wav and the others"

WORDS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

_NAME = re.compile(r"(?:[^/]+/)?(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>a|d|f|h|n|sa|su)(?P<sentence>\d\d)")


@register_corpus(
    "savee",
    title="Surrey Audio-Visual Expressed Emotion",
    languages=("en",),
    licence="for research, after registration",
    layout=LAYOUT,
    style="acted",
)
def read_savee(root: Path, emotions: EmotionMap) -> Dataset:
    """SAVEE. Ids are as DC_a01 in either layout, speakers savee_DC, savee_JE, savee_JK and savee_KL.

    Raises:
        CorpusError: no audio, or names of another form
    """
    rule = "speaker (DC, JE, JK or KL), emotion (a, d, f, h, n, sa or su), sentence: DC/a01 or DC_a01"
    rows = [
        {
            "id": f"{name['speaker']}_{name['emotion']}{name['sentence']}",
            "audio": path,
            "emotion": emotions.read(WORDS[name["emotion"]], where=str(path)),
            "speaker": f"savee_{name['speaker']}",
            "corpus": "savee",
            "language": "en",
            "sex": "male",
        }
        for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule, parts=2)
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)
