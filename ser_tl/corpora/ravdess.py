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

from collections.abc import Sequence
from pathlib import Path

from ser_tl.corpora.filename import Clip, filename_corpus
from ser_tl.errors import CorpusError, listing

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


def _refuse_song_and_video(root: Path, clips: Sequence[Clip]) -> None:
    other = [
        str(clip.path.relative_to(root))
        for clip in clips
        if (clip.name["modality"], clip.name["channel"]) != ("03", "01")
    ]
    if other:
        raise CorpusError(
            f"{root}: {len(other)} files aren't audio-only speech (names in 03-01-) but song (03-02-) or from the "
            f"videos; point `root` at the folder Audio_Speech_Actors_01-24 alone\n{listing(other)}"
        )


read_ravdess = filename_corpus(
    "ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song, the speech",
    languages=("en",),
    licence="CC BY-NC-SA 4.0",
    style="acted",
    layout="the folder Audio_Speech_Actors_01-24 with the audio files in it, or in Actor_01 and so on",
    pattern=(
        r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]"
        r"-(?P<actor>0[1-9]|1\d|2[0-4])"
    ),
    rule="03-01-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR with emotions 01 to 08",
    words=WORDS,
    speaker="{actor}",
    columns={"sex": lambda name: "male" if int(name["actor"]) % 2 else "female", "sentence": "{statement}"},
    check=_refuse_song_and_video,
)
