"""CASIA: four Chinese speakers say 50 sentences in six emotions, 1200 clips.

    liuchanhg/angry/201.wav  ->  anger, speaker casia_liuchanhg

The CASIA Chinese Emotional Corpus, by the Institute of Automation of the Chinese Academy of Sciences, holds 9600 clips
and is sold; the 1200 that go round the net, and that papers mean, are its sentences 201 to 250 (16 kHz). No licence
comes with them: ask the institute. Two folders are the speaker and the emotion, the file's name the sentence.

Quirks: every speaker says the same sentences, so the number alone names 24 recordings. Copies write ZhaoZuoxiang with
capitals or without, and both are one speaker. The full corpus calls the same people otherwise in its second part
(Chang.Liu is liuchanhg): folders of other names are refused, since one speaker under two names would be in training and
test at once.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus

LAYOUT = "a folder with liuchanhg/angry/201.wav and the others in it"

_NAME = re.compile(
    r"(?P<speaker>(?i:liuchanhg|wangzhe|zhaoquanyin|zhaozuoxiang))"
    r"/(?P<emotion>angry|fear|happy|neutral|sad|surprise)/(?P<sentence>\d+)"
)


@register_corpus(
    "casia",
    title="CASIA Chinese Emotional Corpus",
    languages=("zh",),
    licence="sold: ask its authors",
    layout=LAYOUT,
    style="acted",
)
def read_casia(root: Path, emotions: EmotionMap) -> Dataset:
    """CASIA. Ids are as 201-liuchanhg-angry (EmoBox' too), speakers casia_liuchanhg and so on, in lower case.

    Raises:
        CorpusError: no audio, names or folders of another form, or recordings that are there twice
    """
    rule = "speaker (liuchanhg, wangzhe, zhaoquanyin or zhaozuoxiang), emotion, number: liuchanhg/angry/201"
    rows = []
    for path, name in named_files(root, _NAME, layout=LAYOUT, rule=rule, parts=3):
        speaker = name["speaker"].lower()
        rows.append(
            {
                "id": f"{name['sentence']}-{speaker}-{name['emotion']}",
                "audio": path,
                "emotion": emotions.read(name["emotion"], where=str(path)),
                "speaker": f"casia_{speaker}",
                "corpus": "casia",
                "language": "zh",
                "sentence": name["sentence"],
            }
        )
    return build_corpus(rows, source=str(root), mapping=emotions)
