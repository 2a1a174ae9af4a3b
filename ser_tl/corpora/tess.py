"""TESS: two Toronto actresses speak 200 words in seven emotions, 2800 clips (Pichora-Fuller and Dupuis 2020).

    YAF_germ_ps.wav  ->  surprise, speaker tess_YAF

The Toronto Emotional Speech Set is at doi.org/10.5683/SP2/E8H2MF under CC BY-NC-ND 4.0 (24.4 kHz). A name is actress
(OAF, 64 years old, or YAF, 26), word (behind the words "Say the word") and emotion; `ps` is pleasant surprise.

Quirks: the published set spells one actress OA (OA_bite_neutral.wav): it is read as OAF_bite_neutral. A much copied
archive holds the whole corpus twice, in a folder within a folder of the same name; that is refused, since the copies
would look like more data.

Two speakers: leave-one-speaker-out trains on one, chooses the epoch on a fifth of her clips, tests on the other, and
says so in its reports. TESS also serves as the test of a model trained elsewhere (`ser-tl evaluate`).
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "a folder with OAF_back_angry.wav and the others in it, or in folders such as OAF_angry"

_NAME = re.compile(r"(?P<actress>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)")


@register_corpus(
    "tess",
    title="Toronto Emotional Speech Set",
    languages=("en",),
    licence="CC BY-NC-ND 4.0",
    layout=LAYOUT,
    style="acted",
)
def read_tess(root: Path, emotions: EmotionMap) -> Dataset:
    """TESS. Ids are the files' stems with the actress spelled OAF or YAF, speakers tess_OAF and tess_YAF.

    Raises:
        CorpusError: no audio, names of another form, or recordings that are there twice
    """
    rule = "actress (OAF or YAF), word, emotion (angry, disgust, fear, happy, neutral, ps or sad): OAF_back_angry"
    rows = []
    for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule):
        actress = {"OA": "OAF"}.get(name["actress"], name["actress"])
        rows.append(
            {
                "id": f"{actress}_{name['word']}_{name['emotion']}",
                "audio": path,
                "emotion": emotions.read(name["emotion"], where=str(path)),
                "speaker": f"tess_{actress}",
                "corpus": "tess",
                "language": "en",
                "sex": "female",
                "age": {"OAF": 64.0, "YAF": 26.0}[actress],
                "sentence": name["word"],
            }
        )
    return build_corpus(rows, source=str(root), mapping=emotions)
