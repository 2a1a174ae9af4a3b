"""The folder of an exported model: a graph, and the JSON beside it that says what goes in and what comes out.

    FOLDER/model.onnx, FOLDER/ser_tl_export.json --read_manifest(FOLDER)--> Manifest, checked against both files

docs/exporting.md describes the format for readers in other languages. Independent of what computes the graph.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ser_tl.data.audio_config import AudioConfig
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.files import write_atomically

MANIFEST_FILE = "ser_tl_export.json"

FORMAT = 1
"""Version of the folder; a newer one is refused."""

KIND = "ser_tl export"

CLASSIFIER_FILE = "classifier.onnx"
"""Of a stitched model: the graph of what is made of all pieces' frames."""

_LATER: dict[str, Any] = {"companions": {}, "use": "", "stitching": None}
"""Keys that the first manifests of this format lack."""

AGAIN = "copy the folder again, or export the model again (ser-tl export)"


@dataclass(frozen=True)
class Manifest:
    """What is known of an exported graph.

    Args:
        graph: name of its file
        runtime: what computes it: onnxruntime, openvino, litert, torch.export, torch.aoti or torch.jit
        sha256: of the graph's file
        labels: the emotions, in the order of the probabilities
        dimensions: names of the dimensions, in their order
        outputs: the graph's outputs, in their order: probabilities, dimensions, embedding, outlier (a score a clip),
            speech (seconds of it)
        sample_rate: of the waveform that goes in, in Hz
        hop: samples of which the waveform is a multiple, zeros behind its end
        shortest: samples that it has at least
        longest: samples that it has at most
        audio: how recordings are cut into windows (`AudioConfig`); loudness is normalised inside the graph
        frame_rate: frames a second that the pooling sees
        batching: `any` number of clips at once, or each `alone`: where activations are quantised by what is in the
            batch, the answer for a clip depends on its company
        weights: how weights are stored: float32, float16, int8
        quantization: how the graph was quantised and what that cost; None where it wasn't
        calibration: what makes probabilities match frequencies and is in the graph already, with the thresholds of
            prediction sets; None where the model was never calibrated
        encoder: name and family
        known_speakers: hashes of the speakers of training and dev by their salt, as in a saved model's config.json
        versions: of the packages that made the graph
        parity: the largest difference to the model in torch, by case
        companions: other files that the graph needs, and their sha256
        use: what is left to do with the graph where it runs, in Markdown; empty for nothing
        stitching: hop and context, in seconds, of the pieces of which the graph takes one and its companion the frames
            of all; None for a graph of whole clips
    """

    graph: str
    runtime: str
    sha256: str
    labels: list[str]
    dimensions: list[str]
    outputs: list[str]
    sample_rate: int
    hop: int
    shortest: int
    longest: int
    audio: dict[str, Any]
    frame_rate: float
    batching: str = "any"
    weights: str = "float32"
    quantization: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    encoder: dict[str, str] = field(default_factory=dict)
    known_speakers: dict[str, list[str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    parity: list[dict[str, Any]] = field(default_factory=list)
    companions: dict[str, str] = field(default_factory=dict)
    use: str = ""
    stitching: dict[str, float] | None = None

    @property
    def files(self) -> dict[str, str]:
        """All files of the graph, and their sha256."""
        return {self.graph: self.sha256} | self.companions

    @property
    def windows(self) -> AudioConfig:
        """How recordings are cut."""
        return AudioConfig(**self.audio)

    def write(self, folder: Path) -> None:
        """Writes the JSON, whole or not at all."""
        content = {"kind": KIND, "format": FORMAT} | asdict(self)
        with write_atomically(folder / MANIFEST_FILE) as temporary:
            temporary.write_text(json.dumps(content | {"digest": digest(content)}, indent=2) + "\n", encoding="utf-8")


def is_exported(folder: str | Path) -> bool:
    """Whether a folder is that of an exported model."""
    return (Path(folder) / MANIFEST_FILE).is_file()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder whose files are what they were when it was written.

    Raises:
        CheckpointError: it was written by a newer version, or one of the files is missing, damaged or changed
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: can't be read as JSON ({error}): {AGAIN}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND or not isinstance(content.get("format"), int):
        raise CheckpointError(f"{path}: not the description of an exported model of ser_tl: {AGAIN}")
    if content["format"] != FORMAT:
        maker = dict(content.get("versions") or {}).get("ser_tl", "of an unknown version")
        raise CheckpointError(
            f"{path}: format {content['format']}, written by ser_tl {maker}, and this ser_tl reads format {FORMAT}: "
            f"install that version of ser_tl, or export the model again with this one"
        )
    if content.pop("digest", None) != digest(content):
        raise CheckpointError(f"{path}: changed since it was written, its digest doesn't match: {AGAIN}")
    content = _LATER | content
    try:
        manifest = Manifest(**{item.name: content[item.name] for item in fields(Manifest)})
        _ = manifest.windows
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: incomplete ({error}): {AGAIN}") from error
    for name, sha256 in manifest.files.items():
        if Path(name).name != name:
            raise CheckpointError(f"{path}: its graph, {name}, lies outside of the folder: {AGAIN}")
        file = folder / name
        if not file.is_file():
            entries = ", ".join(sorted(entry.name for entry in folder.iterdir()))
            raise CheckpointError(f"{file}: missing (found: {entries}): {AGAIN}")
        if hash_file(file) != sha256:
            raise CheckpointError(f"{file}: damaged or changed, its sha256 isn't the one in {MANIFEST_FILE}: {AGAIN}")
    return manifest


def digest(content: Mapping[str, Any]) -> str:
    """The sha256 of JSON: keys in order, no spaces, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def hash_file(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
