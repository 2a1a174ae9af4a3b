"""MESD: Mexican women, men and children speak single words in six emotions, 864 clips (Duville et al. 2021).

    Anger_C_A_basta_ya.wav  ->  anger, speaker mesd_C

The Mexican Emotional Speech Database is at doi.org/10.17632/cy34mh68j9 under CC BY 4.0 (48 kHz). A name is emotion,
voice (F woman, M man, C child), set of words (A the same in every emotion, B chosen for each) and word, whose spaces
are underscores.

Quirks: who spoke isn't published. Three women, two men and six children did, and a name tells only which of these
groups. The group is taken as the speaker: no one is in two groups, so speakers that a split keeps apart are apart
indeed, which nothing finer could promise. The price is that there are three speakers, and each test is on a kind of
voice that training never heard; such a score isn't comparable with published ones, whose speakers are mixed. Much
copied sets lack two of the 864 clips. Clips are short, of a fifth of a second upwards.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "a folder with Anger_C_A_abajo.wav and the others in it"

_NAME = re.compile(r"(?P<emotion>Anger|Disgust|Fear|Happiness|Neutral|Sadness)_(?P<voice>[CFM])_(?P<words>[AB])_.+")


@register_corpus(
    "mesd",
    title="Mexican Emotional Speech Database",
    languages=("es",),
    licence="CC BY 4.0",
    layout=LAYOUT,
    style="acted",
)
def read_mesd(root: Path, emotions: EmotionMap) -> Dataset:
    """MESD. Ids are the files' stems; the speakers mesd_C, mesd_F and mesd_M are groups of people, see above.

    Raises:
        CorpusError: no audio, names of another form, or recordings that are there twice
    """
    rule = "emotion, voice (C, F or M), set of words (A or B), word: Anger_C_A_abajo"
    rows = [
        {
            "id": path.stem,
            "audio": path,
            "emotion": emotions.read(name["emotion"], where=str(path)),
            "speaker": f"mesd_{name['voice']}",
            "corpus": "mesd",
            "language": "es",
            "sex": {"F": "female", "M": "male", "C": None}[name["voice"]],
            "sentence": path.stem.split("_", 3)[3],
        }
        for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule)
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)
