"""The versions of what rows depend on."""

import ser_tl
from ser_tl.dependencies import installed_version

PACKAGES = ("numpy", "pyarrow", "soundfile", "soxr", "onnxruntime", "torch")


def find_versions() -> dict[str, str]:
    """Package and version, of those that are installed."""
    versions = {name: installed_version(name) for name in PACKAGES}
    return {"ser_tl": ser_tl.__version__} | {name: version for name, version in versions.items() if version is not None}
