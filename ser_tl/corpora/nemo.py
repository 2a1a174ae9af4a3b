"""nEMO: nine Polish actors speak 90 sentences in six emotions, 4481 clips (Christop 2024).

    samples/EB0_anger_1.wav  ->  anger, speaker nemo_EB0

The corpus is at github.com/amu-cai/nEMO (the folder samples, and data.tsv with texts, gender and age) under CC BY-NC-SA
4.0, 24 kHz. A name is speaker, emotion and sentence; it says all that is read here, so data.tsv isn't needed.

Quirks: surprise is spelled surprised, unlike the other five. Not every actor has every sentence in every emotion. The
same corpus on the Hugging Face hub, amu-cai/nEMO, is Parquet with the audio inside: that is for the reader
huggingface, with the option columns {speaker: speaker_id}.
"""

from ser_tl.corpora.filename import filename_corpus

read_nemo = filename_corpus(
    "nemo",
    title="nEMO, Polish emotional speech",
    languages=("pl",),
    licence="CC BY-NC-SA 4.0",
    style="acted",
    layout="the folder nEMO with the folder samples in it, or that folder",
    pattern=r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>anger|fear|happiness|neutral|sadness|surprised)_(?P<sentence>\d+)",
    rule="speaker, emotion (anger, fear, happiness, neutral, sadness or surprised), sentence: EB0_anger_1",
    columns={"sentence": "{sentence}"},
)
