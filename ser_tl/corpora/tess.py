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

from ser_tl.corpora.filename import filename_corpus

read_tess = filename_corpus(
    "tess",
    title="Toronto Emotional Speech Set",
    languages=("en",),
    licence="CC BY-NC-ND 4.0",
    style="acted",
    layout="a folder with OAF_back_angry.wav and the others in it, or in folders such as OAF_angry",
    pattern=r"(?P<actress>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
    rule="actress (OAF or YAF), word, emotion (angry, disgust, fear, happy, neutral, ps or sad): OAF_back_angry",
    spelling={"actress": lambda name: {"OA": "OAF"}.get(name, name)},
    id="{actress}_{word}_{emotion}",
    speaker="{actress}",
    columns={
        "sex": "female",
        "age": lambda name: {"OAF": 64.0, "YAF": 26.0}[name["actress"]],
        "sentence": "{word}",
    },
)
