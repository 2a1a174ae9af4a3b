"""Where an export goes: a folder that is whole or not there.

    with replace_folder(FOLDER) as scratch: ...    the graph, the manifest, the card, the table
    write_companions(scratch, model, manifest)     README.md and parity.md

Independent of formats.
"""

import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ser_tl.errors import ExportError
from ser_tl.export.parity import parity_table
from ser_tl.inference.manifest import MANIFEST_FILE, Manifest, is_exported
from ser_tl.model import EmotionModel

CARD_FILE = "README.md"
PARITY_FILE = "parity.md"


@contextmanager
def replace_folder(folder: Path) -> Generator[Path]:
    """A folder to write to, which becomes `folder` if the block ends without an error, and is removed if not.

    Args:
        folder: a new one, an empty one, or an export, which is replaced

    Raises:
        ExportError: something else lies there, or it can't be made
    """
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file: name a folder, which may be a new one")
    if folder.is_dir() and any(folder.iterdir()) and not is_exported(folder):
        content = ", ".join(sorted(path.name for path in folder.iterdir())[:5])
        raise ExportError(f"{folder} holds something that is no export ({content}): name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        scratch.mkdir()
    except OSError as error:
        raise ExportError(f"{folder} can't be made ({error.strerror}): name a folder elsewhere") from error
    try:
        yield scratch
        if folder.exists():
            shutil.rmtree(folder)
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_companions(folder: Path, model: EmotionModel, manifest: Manifest) -> None:
    """Writes the manifest, the card and the table of differences beside the graph."""
    manifest.write(folder)
    text = describe(manifest)
    (folder / PARITY_FILE).write_text(text, encoding="utf-8")
    card = folder / CARD_FILE
    with TemporaryDirectory(prefix="ser_tl_export_") as name:
        saved = Path(name)
        model.save_with_card(saved)
        for name in (CARD_FILE, "confusion.png"):
            if (saved / name).is_file():
                shutil.copyfile(saved / name, folder / name)
    card.write_text(card.read_text(encoding="utf-8").rstrip() + f"\n\n{text}", encoding="utf-8")


def describe(manifest: Manifest) -> str:
    """What was exported and measured, in Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    lines = [
        "## Exported graph",
        f"`{manifest.graph}` for {manifest.runtime}, weights in {manifest.weights}; `{MANIFEST_FILE}` says what goes "
        f"in and what comes out. Made with {versions}.",
    ]
    heading = "Largest differences to the model in torch on each clip alone, of noise and tones:"
    if manifest.quantization is not None:
        lines.append(manifest.quantization["summary"])
        heading = f"{heading[:-1]} (far from the speech on which activations were measured):"
    if manifest.parity:
        lines += [heading, parity_table(manifest.parity)]
    else:
        lines.append("Its answers were not compared with the model's: nothing here computes it.")
    if manifest.use:
        lines.append(manifest.use)
    return "\n\n".join(lines) + "\n"
