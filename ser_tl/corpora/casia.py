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

from ser_tl.corpora.filename import filename_corpus

read_casia = filename_corpus(
    "casia",
    title="CASIA Chinese Emotional Corpus",
    languages=("zh",),
    licence="sold: ask its authors",
    style="acted",
    layout="a folder with liuchanhg/angry/201.wav and the others in it",
    pattern=(
        r"(?P<speaker>(?i:liuchanhg|wangzhe|zhaoquanyin|zhaozuoxiang))"
        r"/(?P<emotion>angry|fear|happy|neutral|sad|surprise)/(?P<sentence>\d+)"
    ),
    rule="speaker (liuchanhg, wangzhe, zhaoquanyin or zhaozuoxiang), emotion, number: liuchanhg/angry/201",
    parts=3,
    spelling={"speaker": str.lower},
    id="{sentence}-{speaker}-{emotion}",  # EmoBox' too
    columns={"sentence": "{sentence}"},
)
