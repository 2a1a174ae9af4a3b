"""The packages that made a graph."""

import platform
from collections.abc import Iterable
from importlib import metadata

import ser_tl

PACKAGES = ("torch", "transformers", "numpy", "onnx", "onnxscript", "onnxruntime")


def installed_versions(others: Iterable[str] = ()) -> dict[str, str]:
    """Versions by name, of those that are installed; this package's and Python's as well.

    Args:
        others: packages beside the usual ones
    """
    versions = {"ser_tl": ser_tl.__version__, "python": platform.python_version()}
    for name in dict.fromkeys((*PACKAGES, *others)):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
