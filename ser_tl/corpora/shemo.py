"""ShEMO: 87 Persian speakers in radio plays, six emotions, 3000 clips (Mohamad Nezami, Jamshid Lou and Karami 2019).

    female/F03S02.wav  ->  sadness, speaker shemo_F03

The Sharif Emotional Speech Database is at github.com/pariajm/sharif-emotional-speech-dataset, free for academic
purposes (44.1 kHz). A name is speaker (F01 to F31 or M01 to M56), emotion (one letter) and number. Twelve listeners
labelled each clip, and the majority's emotion is its name's; the single votes aren't published.

Quirks: F is a woman at the start of a name and fear in its middle. Classes and speakers are very uneven: anger and
neutral are seven clips out of ten, fear one in a hundred, and most speakers lack some emotions. Papers use copies of
2838 clips as well as of 3000: say which.
"""

from ser_tl.corpora.filename import filename_corpus, read_sex

read_shemo = filename_corpus(
    "shemo",
    title="Sharif Emotional Speech Database",
    languages=("fa",),
    licence="for academic purposes",
    style="radio plays",
    layout="a folder with F01A01.wav and the others in it, or in folders female and male",
    pattern=r"(?P<speaker>[FM]\d\d)(?P<emotion>[AFHNSW])(?P<number>\d\d)",
    rule="F or M, two digits, emotion's letter (one of A F H N S W), two digits: F01A01",
    words={"A": "anger", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness", "W": "surprise"},
    columns={"sex": read_sex("speaker")},
)
