"""MESD: Mexican women, men and children speak single words in six emotions, 864 clips (Duville et al. 2021).

    Anger_C_A_basta_ya.wav  ->  anger, speaker mesd_C

The Mexican Emotional Speech Database is at doi.org/10.17632/cy34mh68j9 under CC BY 4.0 (48 kHz). A name is emotion,
voice (F woman, M man, C child), set of words (A the same in every emotion, B chosen for each) and word, whose spaces
are underscores.

Quirks: the speakers aren't published. There are three women, two men and six children, and a name has only which of
these groups. The group is taken as the speaker: no one is in two groups, so a split by group never shares a speaker.
That makes three speakers, and each test is on a kind of voice that isn't in training; such a score isn't comparable
with published ones, whose speakers are mixed. Much copied sets lack two of the 864 clips. Clips are short, of a fifth
of a second upwards.
"""

from ser_tl.corpora.filename import filename_corpus

read_mesd = filename_corpus(
    "mesd",
    title="Mexican Emotional Speech Database",
    languages=("es",),
    licence="CC BY 4.0",
    style="acted",
    layout="a folder with Anger_C_A_abajo.wav and the others in it",
    pattern=(
        r"(?P<emotion>Anger|Disgust|Fear|Happiness|Neutral|Sadness)_(?P<voice>[CFM])_(?P<words>[AB])_(?P<word>.+)"
    ),
    rule="emotion, voice (C, F or M), set of words (A or B), word: Anger_C_A_abajo",
    speaker="{voice}",  # a group of people, see above
    columns={"sex": lambda name: {"F": "female", "M": "male"}.get(name["voice"]), "sentence": "{word}"},
)
