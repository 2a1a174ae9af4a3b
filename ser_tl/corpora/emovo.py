"""EMOVO: six Italian actors speak 14 sentences in seven emotions, 588 clips (Costantini et al. 2014).

    f1/gio-f1-b1.wav  ->  happiness, speaker emovo_f1

The corpus was recorded at the Fondazione Ugo Bordoni, whose page for it (voice.fub.it) is gone; copies are made for
research, and no licence is stated (48 kHz, stereo). A name is the first three letters of the emotion's Italian name,
actor (three women, three men), kind of sentence (b short, l long, n nonsense, d question) and number.

Quirks: dis is disgusto and no other word; tri is sadness (tristezza), sor surprise. Each actor says every sentence once
in each emotion, so that all classes have 84 clips and all actors 98.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "a folder with dis-f1-b1.wav and the others in it, or in folders f1, f2, f3, m1, m2, m3"

WORDS = {
    "dis": "disgust",  # disgusto
    "gio": "happiness",  # gioia
    "neu": "neutral",  # neutrale
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
}

_NAME = re.compile(r"(?P<emotion>dis|gio|neu|pau|rab|sor|tri)-(?P<actor>[fm][1-3])-(?P<sentence>[bdln]\d)")


@register_corpus(
    "emovo",
    title="EMOVO Italian Emotional Speech",
    languages=("it",),
    licence="none stated",
    layout=LAYOUT,
    style="acted",
)
def read_emovo(root: Path, emotions: EmotionMap) -> Dataset:
    """EMOVO. Ids are the files' stems, speakers emovo_f1 to emovo_m3.

    Raises:
        CorpusError: no audio, names of another form, or recordings that are there twice
    """
    rule = "emotion (dis, gio, neu, pau, rab, sor or tri), actor, sentence: dis-f1-b1"
    rows = [
        {
            "id": path.stem,
            "audio": path,
            "emotion": emotions.read(WORDS[name["emotion"]], where=str(path)),
            "speaker": f"emovo_{name['actor']}",
            "corpus": "emovo",
            "language": "it",
            "sex": {"f": "female", "m": "male"}[name["actor"][0]],
            "sentence": name["sentence"],
        }
        for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule)
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)
