"""Corpora as they might have been recorded elsewhere: the same speech at other levels, in other amounts and lengths.

    corpus --write_variant(name, folder)--> folder/NAME.flac ..., folder/corpus.csv (path, id, emotion, speaker)

Each variant draws from a fixed seed, changes clips without mixing speakers, and keeps each clip's emotion. Nothing is
clipped: a gain that would exceed full scale is lowered to what reaches it, as in `augment.gain`.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from datasets import Dataset

from ser_tl.data.audio import SAMPLE_RATE, decode
from ser_tl.data.checks import audio_source
from ser_tl.registry import Registry

GAINS = (-30.0, 6.0)  # dB, evenly
CLIPS = (2, 80)  # of a speaker, evenly in the logarithm
SECONDS = (1.0, 15.0)  # of a clip, evenly in the logarithm
NOISE = (10.0, 25.0)  # SNR in dB
BAND = (300.0, 3400.0)  # Hz, of a telephone
STRANGERS = 2  # clips of other emotions that a speaker keeps in `coinciding`


class Clip(NamedTuple):
    """A clip of a corpus.

    Attributes:
        name: its id
        emotion: its label
        speaker: who speaks
        waveform: (N,) at 16 kHz
    """

    name: str
    emotion: str
    speaker: str
    waveform: np.ndarray


Variant = Callable[[list[Clip], np.random.Generator], Iterator[Clip]]

VARIANTS: Registry[Variant] = Registry("variant of a corpus")
"""What makes other clips of a corpus' clips, by name."""


def write_variant(corpus: Dataset, name: str, folder: Path, *, seed: int = 0) -> Path:
    """Writes a variant as 16-bit FLAC files with a manifest, unless it is there already.

    Args:
        corpus: rows with the columns of `data.schema`
        name: of the variant
        folder: for its files; one folder a variant
        seed: of what it draws

    Returns:
        The manifest, for `load_corpus("csv", ...)`.
    """
    manifest = folder / "corpus.csv"
    if manifest.is_file():  # written last: where it is, everything is
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    rows = [["path", "id", "emotion", "speaker", "language"]]
    languages = dict(zip(corpus["id"][:], corpus["language"][:], strict=True))
    for clip in VARIANTS[name](read_clips(corpus), np.random.default_rng(seed)):
        soundfile.write(folder / f"{clip.name}.flac", clip.waveform, SAMPLE_RATE, subtype="PCM_16")
        rows.append([f"{clip.name}.flac", clip.name, clip.emotion, clip.speaker, languages[clip.name]])
    with (folder / "corpus.part").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (folder / "corpus.part").replace(manifest)
    return manifest


def read_clips(corpus: Dataset) -> list[Clip]:
    """All clips of a corpus, decoded, in its order."""
    return [
        Clip(row["id"], row["emotion"], row["speaker"], decode(audio_source(row), row["start"], row["end"]))
        for row in corpus
    ]


@VARIANTS.register("as recorded")
def keep(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """The corpus itself."""
    yield from clips


@VARIANTS.register("clip gains")
def change_clip_gains(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """Each clip at a level of its own, as where recordings of many origins were put together."""
    for clip, gain in zip(clips, generator.uniform(*GAINS, len(clips)), strict=True):
        yield clip._replace(waveform=amplify(clip.waveform, gain))


@VARIANTS.register("speaker gains")
def change_speaker_gains(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """All clips of a speaker at one level, as where everybody has a microphone of their own."""
    speakers = sorted({clip.speaker for clip in clips})
    gains = dict(zip(speakers, generator.uniform(*GAINS, len(speakers)), strict=True))
    for clip in clips:
        yield clip._replace(waveform=amplify(clip.waveform, gains[clip.speaker]))


@VARIANTS.register("channels")
def change_channels(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """Clip gains, and each speaker through a telephone's band, in noise, or neither: the nearest to broadcasts here."""
    ways = {speaker: generator.integers(3) for speaker in sorted({clip.speaker for clip in clips})}
    for clip in clips:
        waveform = clip.waveform
        if ways[clip.speaker] == 1:
            waveform = keep_band(waveform, *BAND)
        elif ways[clip.speaker] == 2:
            level = 10 ** (-generator.uniform(*NOISE) / 20) * np.sqrt(np.mean(waveform**2))
            waveform = waveform + level * generator.standard_normal(len(waveform))
        yield clip._replace(waveform=amplify(waveform, generator.uniform(*GAINS)))


@VARIANTS.register("unbalanced")
def unbalance(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """Of each speaker 2 to 80 clips, drawn from all of theirs, at most as many as there are."""
    lines = defaultdict(list)
    for clip in clips:
        lines[clip.speaker].append(clip)
    for speaker in sorted(lines):
        count = round(np.exp(generator.uniform(*np.log(CLIPS))))
        order = generator.permutation(len(lines[speaker]))
        yield from (lines[speaker][index] for index in sorted(order[:count]))


@VARIANTS.register("1 to 15 s")
def change_lengths(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """Clips of 1 to 15 s: crops, and clips of one speaker in one emotion joined."""
    alike = defaultdict(list)
    for clip in clips:
        alike[clip.speaker, clip.emotion].append(clip.waveform)
    for clip in clips:
        wanted = round(SAMPLE_RATE * np.exp(generator.uniform(*np.log(SECONDS))))
        parts, length = [clip.waveform], len(clip.waveform)
        others = alike[clip.speaker, clip.emotion]
        while length < wanted:
            parts.append(others[generator.integers(len(others))])
            length += len(parts[-1])
        start = generator.integers(min(length - wanted, len(clip.waveform) // 2) + 1)  # a part of the clip itself stays
        yield clip._replace(waveform=np.concatenate(parts)[start : start + wanted])


@VARIANTS.register("coinciding")
def let_voices_coincide(clips: list[Clip], generator: np.random.Generator) -> Iterator[Clip]:
    """Each speaker has nearly one emotion: all clips of it and two of others, as in URDU's talk shows."""
    speakers = generator.permutation(sorted({clip.speaker for clip in clips})).tolist()
    emotions = sorted({clip.emotion for clip in clips})
    own = {speaker: emotions[number % len(emotions)] for number, speaker in enumerate(speakers)}
    others = {speaker: [] for speaker in speakers}
    for clip in clips:
        if clip.emotion != own[clip.speaker]:
            others[clip.speaker].append(clip.name)
    strangers = {name for names in others.values() for name in generator.choice(names, STRANGERS, replace=False)}
    yield from (clip for clip in clips if clip.emotion == own[clip.speaker] or clip.name in strangers)


def amplify(waveform: np.ndarray, decibels: float) -> np.ndarray:
    """The waveform louder by so many dB, or by as many as full scale allows."""
    return waveform * min(10 ** (decibels / 20), 1.0 / max(np.abs(waveform).max(), 1e-12))


def keep_band(waveform: np.ndarray, low: float, high: float) -> np.ndarray:
    """What of a waveform is between two frequencies in Hz."""
    spectrum = np.fft.rfft(waveform)
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.fft.irfft(spectrum, len(waveform))
