"""Synthetic clips on disk, and whose speech they were made from.

    WaveGan, Split --write_synthetic--> folder/synthetic/EMOTION_0000.wav
                                        folder/synthetic.csv    a manifest, read by `load_corpus("csv", ...)`
                                        folder/synthetic.json   the training speakers, and the split
    folder/synthetic.csv --load_synthetic--> a corpus

All rows of the manifest have the speaker `synthetic`. By the JSON file `add_synthetic` decides whether the clips may
be trained on beside a dev and a test part.
"""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from datasets import Dataset

from ser_tl.corpora import load_corpus
from ser_tl.data.audio import SILENCE
from ser_tl.data.checks import content_keys
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import SYNTHETIC
from ser_tl.data.splits import Split
from ser_tl.errors import ConfigError
from ser_tl.files import write_atomically, write_text
from ser_tl.generate.gan import WaveGan

MANIFEST = "synthetic.csv"
ORIGIN = "synthetic.json"
COLUMNS = ("path", "id", "emotion", "speaker", "corpus")


def write_synthetic(gan: WaveGan, split: Split, folder: Path, *, seed: int = 0) -> Path:
    """Makes the clips that the generator's options ask for, over older ones.

    Args:
        gan: a generator that was trained on the split's training part
        split: whose training speakers it was trained on
        folder: where to
        seed: the same gives the same clips

    Returns:
        The manifest.

    Raises:
        ConfigError: the generator makes silence
    """
    clips_of = {emotion: gan.sample(emotion, gan.config.clips, seed) for emotion in gan.labels}
    silent = [emotion for emotion, clips in clips_of.items() if (np.abs(clips).max(axis=1) <= SILENCE).any()]
    if silent:
        raise ConfigError(
            f"the generator makes silence for {', '.join(silent)}: it has collapsed, or hasn't begun to learn. Train "
            f"it for longer (wavegan.minutes), or with a lower wavegan.learning_rate"
        )
    for name in (MANIFEST, ORIGIN):  # written last: where it is, everything is
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / SYNTHETIC, ignore_errors=True)
    (folder / SYNTHETIC).mkdir(parents=True)
    rows = []
    for emotion, clips in clips_of.items():
        plain = emotion.replace("%", "%25").replace("/", "%2F")  # merged classes may be called happy/bored
        for number, clip in enumerate(clips):
            name = f"{SYNTHETIC}/{plain}_{number:04}"
            with write_atomically(folder / f"{name}.wav", size=2 * len(clip), durable=False) as part:
                soundfile.write(part, clip, gan.config.rate, subtype="PCM_16", format="WAV")
            rows.append((f"{name}.wav", name, emotion, SYNTHETIC, SYNTHETIC))
    write_text(folder / ORIGIN, json.dumps(_origin(gan, split), indent=1, ensure_ascii=False) + "\n")
    with write_atomically(folder / MANIFEST) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder / MANIFEST


def load_synthetic(manifest: Path) -> Dataset:
    """The clips of a manifest, whose classes are the generator's own, merged and renamed ones too.

    Raises:
        CorpusError: no such manifest, or another file than one of clips
    """
    try:
        labels = set(json.loads(manifest.with_name(ORIGIN).read_text(encoding="utf-8"))["labels"])
        with manifest.open(encoding="utf-8", newline="") as file:
            emotions_in_file = {row.get("emotion") for row in csv.DictReader(file)}
        mapping = EmotionMap(free=emotions_in_file <= labels)
    except (OSError, LookupError, TypeError, ValueError, csv.Error):  # whoever needs the files says what is wrong
        mapping = EmotionMap()
    return load_corpus("csv", manifest, emotions=mapping)


def _origin(gan: WaveGan, split: Split) -> dict[str, object]:
    parts = {"train": split.train, "dev": split.dev, "test": split.test}
    return {
        "made_by": "ser_tl, WaveGAN",
        "split": split.name,
        "speakers": {part: sorted(set(corpus["speaker"][:])) for part, corpus in parts.items()},
        "corpora": sorted(set(split.train["corpus"][:])),
        "heard": sorted(set(content_keys(split.train))),  # of audio: it shows under another speaker's name too
        "labels": gan.labels,
        "wavegan": asdict(gan.config),
    }
