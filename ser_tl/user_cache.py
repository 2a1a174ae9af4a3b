"""Where on this machine what can be computed again is kept: features of encoders, rendered help."""

import os
from pathlib import Path

from ser_tl.errors import StorageError

WAY_OUT = "name a folder that can be written to ($SER_TL_CACHE), or do without a cache (train.cache false)"


def find_cache_folder() -> Path:
    """$SER_TL_CACHE, or ser_tl in the user's cache folder.

    Raises:
        StorageError: there is neither that variable nor a home folder
    """
    if given := os.environ.get("SER_TL_CACHE"):
        return Path(given)
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "ser_tl"
    try:
        return Path.home() / ".cache" / "ser_tl"
    except RuntimeError as error:
        raise StorageError(f"there is no home folder ({error}) for the cache: {WAY_OUT}") from error
