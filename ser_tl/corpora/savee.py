"""SAVEE: four English men speak TIMIT sentences in seven emotions, 480 clips (Haq and Jackson 2009).

    DC_su03.wav, or DC/su03.wav  ->  surprise, speaker savee_DC

The Surrey Audio-Visual Expressed Emotion database is at kahlan.eps.surrey.ac.uk/savee, free for research after
registration (44.1 kHz). A name is emotion (a d f h n sa su) and sentence (01 to 15, neutral to 30); the speaker (DC,
JE, JK or KL) is the folder in the original, AudioData/DC/a01.wav, and stands before it in copies that have one folder.

Quirks: neutral has twice as many clips as the others. `s` alone isn't an emotion: sa is sadness, su surprise. All four
speakers are men, so what a model learned here says little about women's voices.
"""

from ser_tl.corpora.filename import filename_corpus

WORDS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

read_savee = filename_corpus(
    "savee",
    title="Surrey Audio-Visual Expressed Emotion",
    languages=("en",),
    licence="for research, after registration",
    style="acted",
    layout="a folder with DC/a01.wav and the others in it (the original AudioData), or with DC_a01.wav and the others",
    pattern=r"(?:[^/]+/)?(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>a|d|f|h|n|sa|su)(?P<sentence>\d\d)",
    rule="speaker (DC, JE, JK or KL), emotion (a, d, f, h, n, sa or su), sentence: DC/a01 or DC_a01",
    parts=2,
    words=WORDS,
    id="{speaker}_{emotion}{sentence}",  # in either layout
    columns={"sex": "male"},
)
