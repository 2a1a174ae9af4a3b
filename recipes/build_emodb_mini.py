"""Builds the corpus that comes with ser_tl: all of EMO-DB as Ogg Opus, and its listeners' rates as they are.

    python recipes/build_emodb_mini.py --root EMODB_FOLDER

Each clip keeps its name, its 16 kHz, its length and its alignment, and becomes 1.5 dB quieter: EMO-DB is scaled to full
range, and where Opus goes just beyond that, speech would be clipped. The encoder numbers each Ogg stream at random, so
building again changes a few bytes of every file, and none of the samples.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jsonargparse import auto_cli

import ser_tl
from ser_tl.corpora import load_corpus
from ser_tl.corpora.emodb import TABLE


@dataclass(frozen=True)
class Options:
    """What to encode, and how.

    Args:
        root: EMO-DB's folder, with erkennung.txt in it
        output: where the clips go
        compression: libsndfile's compression level, 0 to 1: for Opus 256 kb/s down to 6, in a straight line
        gain: what the samples are multiplied by
    """

    root: Path
    output: Path = Path(ser_tl.__file__).parent / "assets" / "emodb_mini"
    compression: float = 0.9  # 33 kb/s: 6 MB in all
    gain: float = 0.84  # -1.5 dB


def encode(source: Path, target: Path, options: Options) -> tuple[float, int, float]:
    """Encodes one clip; gives its length in seconds, the bytes written, and the loudest sample after decoding."""
    waveform, rate = soundfile.read(source, dtype="float32")
    quieter = options.gain * waveform
    soundfile.write(target, quieter, rate, format="OGG", subtype="OPUS", compression_level=options.compression)
    decoded, decoded_rate = soundfile.read(target, dtype="float32")
    if (decoded_rate, decoded.shape) != (rate, waveform.shape):
        raise RuntimeError(f"{target}: {decoded.shape} at {decoded_rate} Hz came of {waveform.shape} at {rate} Hz")
    return len(waveform) / rate, target.stat().st_size, float(np.abs(decoded).max())


def main(options: Options) -> None:
    """Encodes every clip of the corpus, and prints what came of it."""
    corpus = load_corpus("emodb", options.root)
    options.output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(options.root / TABLE, options.output / TABLE)
    clips = [encode(Path(row["audio"]["path"]), options.output / f"{row['id']}.opus", options) for row in corpus]
    seconds, sizes, peaks = map(np.array, zip(*clips, strict=True))
    rate = sizes.sum() * 8 / seconds.sum() / 1000
    print(f"{len(clips)} clips, {seconds.sum():.0f} s, {sizes.sum() / 1e6:.2f} MB, {rate:.1f} kb/s")
    print(f"the loudest sample after decoding is {peaks.max():.3f}, in {corpus[int(peaks.argmax())]['id']}")


if __name__ == "__main__":
    main(auto_cli(Options, as_positional=False))
