"""What comes with ser_tl, so that its defaults work offline: a small corpus and a small pretrained encoder.

    asset("emodb_mini") -> the folder, as a path

The package is always unpacked on disk (a wheel installs so), hence plain paths. NOTICE.md names the source, the authors
and the licence of each asset. It is independent of what reads them: corpora and encoders do.
"""

from importlib.resources import files
from pathlib import Path

from ser_tl.errors import UnknownNameError


def asset(name: str) -> Path:
    """The folder of the asset called `name`.

    Raises:
        UnknownNameError: no such asset; the message lists those there are
    """
    home = Path(str(files(__name__)))
    there = sorted(path.name for path in home.iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))
    if name not in there:
        raise UnknownNameError(f"there is no asset called {name!r}: known are {', '.join(there)}")
    return home / name
