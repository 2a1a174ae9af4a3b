"""What all subjects of a benchmark share: the same clips, as 16 kHz WAV files, and a wav2vec 2.0 of base's size."""

import json
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import soundfile
import torch

from ser_tl.data.audio import SAMPLE_RATE, decode
from ser_tl.data.checks import audio_source
from ser_tl.data.schema import build_corpus

CLASSES = ["anger", "happiness", "neutral", "sadness"]  # dealt out in turn: only time is measured


class Clips(NamedTuple):
    """Clips on disk, with what is theirs.

    Attributes:
        folder: where everything lies
        seconds: the length of each clip
        threads: of each process
    """

    folder: str
    seconds: list[float]
    threads: int

    @classmethod
    def taken(cls, corpus, count: int, folder: Path, threads: int) -> Self:
        """Every so many-th clip of a corpus, so that the speakers' and sentences' lengths are all there."""
        seconds = []
        for number, row in enumerate(np.linspace(0, len(corpus) - 1, count).astype(int).tolist()):
            utterance = corpus[row]
            waveform = decode(audio_source(utterance), utterance["start"], utterance["end"])
            soundfile.write(folder / f"{number}.wav", waveform, SAMPLE_RATE)
            seconds.append(len(waveform) / SAMPLE_RATE)
        clips = cls(str(folder), seconds, threads)
        (folder / "clips.json").write_text(json.dumps(clips._asdict()))
        _base_sized(folder / "base")
        return clips

    @classmethod
    def read(cls, folder: str) -> Self:
        """What `taken` left in a folder, with torch's threads set."""
        clips = cls(**json.loads((Path(folder) / "clips.json").read_text()))
        torch.set_num_threads(clips.threads)
        return clips

    def path(self, number: int) -> str:
        return f"{self.folder}/{number}.wav"

    def waveform(self, number: int) -> np.ndarray:
        return soundfile.read(self.path(number), dtype="float32")[0]

    @property
    def corpus(self):
        rows = [
            {"id": str(number), "audio": self.path(number), "emotion": CLASSES[number % 4], "speaker": f"{number % 5}"}
            for number in range(len(self.seconds))
        ]
        return build_corpus([row | {"corpus": "clips", "language": "und"} for row in rows], source=self.folder)

    @property
    def base(self) -> str:
        """A wav2vec 2.0 of base's size, random weights, in transformers' layout."""
        return f"{self.folder}/base"


def _base_sized(home: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    # No layer drop and no masks in time: the same work in every step, for both sides.
    Wav2Vec2Model(Wav2Vec2Config(layerdrop=0.0, mask_time_prob=0.0)).save_pretrained(home)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(home)  # as facebook/wav2vec2-base says
