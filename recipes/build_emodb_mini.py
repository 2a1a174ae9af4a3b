"""Builds the corpus that comes with ser_tl: all of EMO-DB as Ogg Opus, and its listeners' rates as they are.

    python recipes/build_emodb_mini.py EMODB_FOLDER ser_tl/assets/emodb_mini

Each clip keeps its name, its 16 kHz, its length and its alignment, and becomes 1.5 dB quieter: EMO-DB is scaled to full
range, and where Opus goes just beyond that, speech would be clipped. The encoder numbers each Ogg stream at random, so
building again changes a few bytes of every file, and none of the samples.
"""

import shutil
import sys
from pathlib import Path

import soundfile

import ser_tl as ser

GAIN = 0.84  # -1.5 dB
COMPRESSION = 0.9  # 33 kb/s, 6 MB in all; libsndfile's 0 to 1 are 256 kb/s down to 6 for Opus, in a straight line


def main(root: Path, output: Path) -> None:
    """Encodes every clip of the corpus, and checks its length."""
    output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "erkennung.txt", output / "erkennung.txt")
    for row in ser.load_corpus("emodb", root):
        waveform, rate = soundfile.read(row["audio"]["path"], dtype="float32")
        target = output / f"{row['id']}.opus"
        soundfile.write(target, GAIN * waveform, rate, format="OGG", subtype="OPUS", compression_level=COMPRESSION)
        decoded, decoded_rate = soundfile.read(target, dtype="float32")
        if (decoded_rate, decoded.shape) != (rate, waveform.shape):
            raise RuntimeError(f"{target}: {decoded.shape} at {decoded_rate} Hz, from {waveform.shape} at {rate} Hz")
        print(f"{target.name}: {target.stat().st_size} bytes, the loudest sample {abs(decoded).max():.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
