"""A package of somebody else that adds to ser_tl, installed or as a single file."""

from pathlib import Path

SOURCE = '''
"""An encoder, a corpus, a pooling, a strategy, a part, a transform and an export format of one's own."""

from dataclasses import dataclass

from ser_tl.augment.base import TRANSFORMS, ClipTransform
from ser_tl.corpora import register_corpus
from ser_tl.data.schema import build_corpus
from ser_tl.encoders import ENCODERS, FAMILIES, EncoderCard, MFCC
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.modules.pooling import POOLINGS, Mean
from ser_tl.training import PARTS, Part
from ser_tl.transfer import STRATEGIES, Frozen


@POOLINGS.register("tiny-mean")
class TinyMean(Mean):
    pass


@STRATEGIES.register("tiny-frozen")
class TinyFrozen(Frozen):
    pass


@PARTS.register("tiny-part")
@dataclass
class TinyPart(Part):
    share: float = 0.5

    @property
    def facts(self):
        return {"tiny": self.share}


@FAMILIES.register("tiny-mfcc")
class TinyMFCC(MFCC):
    family = "tiny-mfcc"


ENCODERS.register("tiny-mfcc")(EncoderCard("", "tiny-mfcc", 39, 0, 0.0, "none needed", bundled=True))


@EXPORTERS.register("tiny-format")
class TinyFormat(Exporter):
    file, runtime, tolerance = "tiny.bin", "tiny", 1e-3

    def write(self, graph, path):
        path.write_bytes(b"")


@TRANSFORMS.register("tiny-flip")
@dataclass
class TinyFlip(ClipTransform):
    probability: float = 0.5

    def change(self, waveform, lengths, draws):
        return -waveform, lengths, {}


@register_corpus("tiny-tones", title="Tiny", languages=("de",), licence="none", layout="a folder of A_speaker.wav")
def read_tiny(root, emotions):
    rows = []
    for path in sorted(root.glob("*.wav")):
        emotion, speaker, _ = path.stem.split("_")
        rows.append({"id": path.stem, "audio": path, "emotion": emotion, "speaker": speaker, "corpus": "tiny"})
    return build_corpus([row | {"language": "de"} for row in rows], source=str(root))
'''

GROUPS = {
    "encoders": "tiny-mfcc",
    "encoder_families": "tiny-mfcc",
    "corpora": "tiny-tones",
    "poolings": "tiny-mean",
    "strategies": "tiny-frozen",
    "parts": "tiny-part",
    "augmentations": "tiny-flip",
    "exporters": "tiny-format",
}
"""The groups of entry points, and the name that the package adds to each."""


def install(folder: Path, module: str = "tiny_ser", source: str = SOURCE, groups: dict[str, str] | None = None) -> Path:
    """Lays a package out as pip does, with entry points; it is installed where the folder is on Python's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    chosen = GROUPS if groups is None else groups
    lines = [f"[ser_tl.{group}]\n{name} = {module}\n" for group, name in chosen.items()]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return folder
