"""The zoo of audio files (tests/data/zoo.py) beside ffmpeg's decoder: how much of each file both hear.

python -m tests.benchmarks.decoding                  a Markdown table, a line a kind of file
"""

import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from ser_tl.data.audio import SAMPLE_RATE, decode

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))  # where its tests import it from
import zoo

HEADER = "| kind | read | the largest difference to ffmpeg, s | refused | of these, ffmpeg gives a part of |"


def main() -> None:
    """Prints the table."""
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg isn't installed")
    read: dict[str, list[float]] = defaultdict(list)
    refused: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for specimen in zoo.specimens():
            kind = specimen.name.rpartition(".")[2].lower()
            theirs = seconds_by_ffmpeg(specimen.content, Path(folder) / Path(specimen.name).name)
            if specimen.refused is None:
                read[kind].append(abs(len(decode(specimen.content)) / SAMPLE_RATE - theirs))
            else:
                refused[kind].append(theirs)
    print(f"{HEADER}\n|---|---:|---:|---:|---:|")
    for kind in sorted({*read, *refused}):
        largest = f"{max(read[kind]):.3f}" if read[kind] else ""
        partly = sum(seconds > 0 for seconds in refused[kind])
        print(f"| {kind} | {len(read[kind])} | {largest} | {len(refused[kind])} | {partly} |")


def seconds_by_ffmpeg(content: bytes, path: Path) -> float:
    """How much ffmpeg decodes, whatever it complains of."""
    path.write_bytes(content)
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE), "-"]
    return len(subprocess.run(command, capture_output=True, check=False).stdout) / 2 / SAMPLE_RATE


if __name__ == "__main__":
    main()
