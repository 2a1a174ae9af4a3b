"""Takes out of an environment what predicting with an ONNX export never loads: 200 MB become 85.

    python -m venv env && env/bin/pip install -r requirements/runtime.txt && env/bin/pip install --no-deps ser_tl
    python deploy/slim.py env

Gone are onnxruntime's C library, which its Python binding doesn't use (it holds the same code once more), and its tools
for making and changing graphs; the tests of numpy; compiled copies of sources, which Python makes again where it may
write; and ser_tl's bundled corpus and models, whose place in the command line an export takes. Nothing outside the
folder is touched, and an environment with torch is refused: it trains, and needs them all.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PATTERNS = (
    "onnxruntime/capi/libonnxruntime.so*",
    "onnxruntime/transformers",
    "onnxruntime/tools",
    "onnxruntime/quantization",
    "numpy/**/tests",
    "numpy/f2py",
    "numpy/distutils",
    "ser_tl/assets/emodb_mini",
    "ser_tl/assets/emodb_model",
    "ser_tl/assets/soundnet8",
    "ser_tl/assets/wav2vec2_mini",
    "**/__pycache__",
)
"""What goes, below site-packages."""


def site_packages(environment: Path) -> Path:
    """Where an environment's packages lie.

    Raises:
        SystemExit: it is none, or not one for predicting alone
    """
    found = sorted(environment.glob("lib/python3*/site-packages")) or sorted(environment.glob("Lib/site-packages"))
    if len(found) != 1:
        raise SystemExit(f"error: {environment} is no virtual environment: name the folder that `python -m venv` made")
    if not (found[0] / "onnxruntime").is_dir():
        raise SystemExit(f"error: {found[0]} has no onnxruntime: install requirements/runtime.txt first")
    if (found[0] / "torch").is_dir():
        raise SystemExit(
            f"error: {found[0]} has torch, and needs what would be taken out: make one for predicting alone"
        )
    return found[0]


def unneeded(packages: Path, patterns: Sequence[str] = PATTERNS) -> Iterator[Path]:
    """What goes, none of it inside another."""
    gone: set[Path] = set()
    for pattern in patterns:
        for path in sorted(packages.glob(pattern)):
            if gone.isdisjoint(path.parents):
                gone.add(path)
                yield path


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    return sum(each.stat().st_size for each in files)


def main(arguments: list[str] | None = None) -> int:
    """Takes it out and says how much is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="folder of a virtual environment")
    packages = site_packages(parser.parse_args(arguments).environment)
    before = size(packages)
    for path in list(unneeded(packages)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    sys.stdout.write(f"{packages}: {before / 1e6:.0f} MB, now {size(packages) / 1e6:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
