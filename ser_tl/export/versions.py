"""The packages that made a graph."""

import platform
from importlib import metadata

import ser_tl

PACKAGES = ("torch", "transformers", "numpy", "onnx", "onnxscript", "onnxruntime")


def installed_versions() -> dict[str, str]:
    """Versions by name, of those that are installed; this package's and Python's as well."""
    found = {"ser_tl": ser_tl.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
