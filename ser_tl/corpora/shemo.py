"""ShEMO: 87 Persian speakers in radio plays, six emotions, 3000 clips (Mohamad Nezami, Jamshid Lou and Karami 2019).

    female/F03S02.wav  ->  sadness, speaker shemo_F03

The Sharif Emotional Speech Database is at github.com/pariajm/sharif-emotional-speech-dataset, free for academic
purposes (44.1 kHz). A name is speaker (F01 to F31 or M01 to M56), emotion (one letter) and number. Twelve listeners
labelled each clip, and the majority's emotion is its name's; the single votes aren't published.

Quirks: F is a woman at the start of a name and fear in its middle. Classes and speakers are very uneven: anger and
neutral are seven clips out of ten, fear one in a hundred, and most speakers lack some emotions. Papers use copies of
2838 clips as well as of 3000: say which.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "a folder with F01A01.wav and the others in it, or in folders female and male"

WORDS = {"A": "anger", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness", "W": "surprise"}

_NAME = re.compile(r"(?P<speaker>[FM]\d\d)(?P<emotion>[AFHNSW])(?P<number>\d\d)")


@register_corpus(
    "shemo",
    title="Sharif Emotional Speech Database",
    languages=("fa",),
    licence="for academic purposes",
    layout=LAYOUT,
    style="radio plays",
)
def read_shemo(root: Path, emotions: EmotionMap) -> Dataset:
    """ShEMO. Ids are the files' stems, speakers shemo_F01 to shemo_M56.

    Raises:
        CorpusError: no audio, names of another form, or recordings that are there twice
    """
    rule = "F or M, two digits, emotion's letter (one of A F H N S W), two digits: F01A01"
    rows = [
        {
            "id": path.stem,
            "audio": path,
            "emotion": emotions.read(WORDS[name["emotion"]], where=str(path)),
            "speaker": f"shemo_{name['speaker']}",
            "corpus": "shemo",
            "language": "fa",
            "sex": {"F": "female", "M": "male"}[name["speaker"][0]],
        }
        for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule)
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)
