"""EMOVO: six Italian actors speak 14 sentences in seven emotions, 588 clips (Costantini et al. 2014).

    f1/gio-f1-b1.wav  ->  happiness, speaker emovo_f1

The corpus was recorded at the Fondazione Ugo Bordoni, whose page for it (voice.fub.it) is gone; copies are made for
research, and no licence is stated (48 kHz, stereo). A name is the first three letters of the emotion's Italian name,
actor (three women, three men), kind of sentence (b short, l long, n nonsense, d question) and number.

Quirks: dis is disgusto and no other word; tri is sadness (tristezza), sor surprise. Each actor says every sentence once
in each emotion, so that all classes have 84 clips and all actors 98.
"""

from ser_tl.corpora.filename import filename_corpus, read_sex

WORDS = {
    "dis": "disgust",  # disgusto
    "gio": "happiness",  # gioia
    "neu": "neutral",  # neutrale
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
}

read_emovo = filename_corpus(
    "emovo",
    title="EMOVO Italian Emotional Speech",
    languages=("it",),
    licence="none stated",
    style="acted",
    layout="a folder with dis-f1-b1.wav and the others in it, or in folders f1, f2, f3, m1, m2, m3",
    pattern=r"(?P<emotion>dis|gio|neu|pau|rab|sor|tri)-(?P<actor>[fm][1-3])-(?P<sentence>[bdln]\d)",
    rule="emotion (dis, gio, neu, pau, rab, sor or tri), actor, sentence: dis-f1-b1",
    words=WORDS,
    speaker="{actor}",
    columns={"sex": read_sex("actor"), "sentence": "{sentence}"},
)
