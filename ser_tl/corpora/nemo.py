"""nEMO: nine Polish actors speak 90 sentences in six emotions, 4481 clips (Christop 2024).

    samples/EB0_anger_1.wav  ->  anger, speaker nemo_EB0

The corpus is at github.com/amu-cai/nEMO (the folder samples, and data.tsv with texts, gender and age) under CC BY-NC-SA
4.0, 24 kHz. A name is speaker, emotion and sentence; it says all that is read here, so data.tsv isn't needed.

Quirks: surprise is spelled surprised, unlike the other five. Not every actor has every sentence in every emotion. The
same corpus on the Hugging Face hub, amu-cai/nEMO, is Parquet with the audio inside: that is for the reader
huggingface, with --columns '{speaker: speaker_id}'.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "the folder nEMO with the folder samples in it, or that folder"

_NAME = re.compile(
    r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>anger|fear|happiness|neutral|sadness|surprised)_(?P<sentence>\d+)"
)


@register_corpus(
    "nemo",
    title="nEMO, Polish emotional speech",
    languages=("pl",),
    licence="CC BY-NC-SA 4.0",
    layout=LAYOUT,
    style="acted",
)
def read_nemo(root: Path, emotions: EmotionMap) -> Dataset:
    """The corpus nEMO. Ids are the files' stems, speakers nemo_EB0, nemo_IC0 and so on.

    Raises:
        CorpusError: no audio, or names of another form
    """
    rule = "speaker, emotion (anger, fear, happiness, neutral, sadness or surprised), sentence: EB0_anger_1"
    rows = [
        {
            "id": path.stem,
            "audio": path,
            "emotion": emotions.read(name["emotion"], where=str(path)),
            "speaker": f"nemo_{name['speaker']}",
            "corpus": "nemo",
            "language": "pl",
            "sentence": name["sentence"],
        }
        for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule)
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)
