"""Where a command writes to, looked at before the work and not after it."""

import os
from pathlib import Path

from ser_tl.errors import ConfigError


def make_folder(path: Path) -> Path:
    """Makes the folder of --output.

    Args:
        path: the folder; may be there

    Returns:
        The same.

    Raises:
        ConfigError: it is a file, or can't be made or written to
    """
    if path.is_file():
        raise ConfigError(f"--output {path} is a file: name a folder, which may be a new one")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output {path} can't be made ({error.strerror}): name a folder elsewhere") from error
    if not os.access(path, os.W_OK):
        raise ConfigError(f"--output {path} can't be written to: name a folder elsewhere")
    return path


def make_empty_folder(path: Path) -> Path:
    """Makes the folder of --output, in which nothing may be yet.

    Raises:
        ConfigError: as `make_folder`, or something is in it
    """
    if path.is_dir() and any(path.iterdir()):
        raise ConfigError(f"--output {path} isn't empty: name a new folder, nothing is replaced")
    return make_folder(path)


def check_picture(path: Path) -> None:
    """Refuses a picture that couldn't be drawn, and makes its folder.

    Args:
        path: of the picture

    Raises:
        ConfigError: no ending that matplotlib knows, a folder, or one that can't be made
    """
    from matplotlib.backend_bases import FigureCanvasBase

    supported = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in supported or path.is_dir():
        raise ConfigError(
            f"--output {path} is no picture: expected is a file that ends with .{', .'.join(sorted(supported))}"
        )
    make_folder(path.parent)
