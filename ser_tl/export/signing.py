"""Digests of a graph's files, for its manifest."""

from dataclasses import replace
from pathlib import Path

from ser_tl.export.base import Exporter
from ser_tl.inference.manifest import Manifest, hash_file


def sign(manifest: Manifest, exporter: Exporter, folder: Path) -> Manifest:
    """The manifest with the digests of the files that lie in a folder now."""
    companions = {name: hash_file(folder / name) for name in exporter.companions}
    return replace(manifest, sha256=hash_file(folder / manifest.graph), companions=companions)
