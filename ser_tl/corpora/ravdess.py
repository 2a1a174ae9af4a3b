"""RAVDESS: 24 North American actors speak two sentences in eight emotions, 1440 clips (Livingstone and Russo 2018).

    03-01-06-01-02-01-12.wav  ->  fear, speaker ravdess_12

The Ryerson Audio-Visual Database of Emotional Speech and Song is at zenodo.org/records/1188976 under CC BY-NC-SA 4.0;
the speech without video is Audio_Speech_Actors_01-24.zip (48 kHz). The numbers of a name are modality, vocal channel,
emotion, intensity, statement, repetition and actor.

Odd actors are men, even ones women.

Quirks: neutral has no strong intensity, hence half as many clips as the other seven. Some copies on the net hold every
clip twice, in two sets of folders. The song part and the video have names of the same form but are other corpora: a
folder that holds them as well is refused, since training on song is never what one wants by accident.
"""

import re
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import named_files, register_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus
from ser_tl.errors import CorpusError, listing

LAYOUT = "the folder Audio_Speech_Actors_01-24 with the audio files in it, or in Actor_01 and so on"

WORDS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}

_NAME = re.compile(
    r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]-(?P<actor>0[1-9]|1\d|2[0-4])"
)


@register_corpus(
    "ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song, the speech",
    languages=("en",),
    licence="CC BY-NC-SA 4.0",
    layout=LAYOUT,
    style="acted",
)
def read_ravdess(root: Path, emotions: EmotionMap) -> Dataset:
    """RAVDESS' speech. Ids are the files' stems, speakers ravdess_01 to ravdess_24.

    Raises:
        CorpusError: no audio, names of another form, or song or video's audio among the speech
    """
    rule = "03-01-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR with emotions 01 to 08"
    pairs = named_files(root, _NAME, layout=LAYOUT, rule=rule)
    other = [str(path.relative_to(root)) for path, name in pairs if (name["modality"], name["channel"]) != ("03", "01")]
    if other:
        raise CorpusError(
            f"{root}: {len(other)} files aren't audio-only speech (names in 03-01-) but song (03-02-) or from the "
            f"videos; point --root at the folder Audio_Speech_Actors_01-24 alone\n{listing(other)}"
        )
    rows = [
        {
            "id": path.stem,
            "audio": path,
            "emotion": emotions.read(WORDS[name["emotion"]], where=str(path)),
            "speaker": f"ravdess_{name['actor']}",
            "corpus": "ravdess",
            "language": "en",
            "sex": "male" if int(name["actor"]) % 2 else "female",
            "sentence": name["statement"],
        }
        for path, name in pairs
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)
