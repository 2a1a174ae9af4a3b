"""TensorFlow Lite: for phones and small boards. One clip of one length at a time, zeros behind its end.

Graph --torch.export, one shape--> program.pt2 --litert-torch, in an environment of its own--> model.tflite

The converter wants another torch than this package, so it runs in another environment (`python`) and reads the program
there. Layers become integers by the trained weight that they hold, as in `export.quantize`.
"""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ser_tl.errors import ConfigError, ExportError
from ser_tl.export.agreement import Judge, Verdict, sample_corpus
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.calibration import default_corpus, describe, refusal
from ser_tl.export.environment import run_script
from ser_tl.export.graph import Graph, stored_weights, trained_weights
from ser_tl.export.parity import ANY_FINITE, check_parity, measure_parity
from ser_tl.export.remote_session import RemoteSession
from ser_tl.export.signing import sign
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.manifest import Manifest
from ser_tl.inference.session import Session

if TYPE_CHECKING:
    from datasets import Dataset


@EXPORTERS.register("tflite")
class TfLite(Exporter):
    """TensorFlow Lite's flat buffer."""

    file = "model.tflite"
    runtime = "litert"
    tolerance = 2e-5  # 1.1e-5 in clips of a sixth of a second, of the bundled model
    weights = ("float32", "int8")
    has_environment = True
    has_window = True

    def write(self, graph: Graph, path: Path) -> None:
        """Writes the graph."""
        with TemporaryDirectory(prefix="ser_tl_tflite_") as name:
            program = Path(name) / "program.pt2"
            graph.save_program(program, self.samples)
            run_script(self.interpreter, "tflite_convert.py", program, path)

    def open(self, folder: Path, manifest: Manifest) -> ExportedSession:
        """The graph as the converter's environment computes it."""
        return RemoteSession(self.interpreter, "tflite_run.py", folder / manifest.graph, manifest)

    def quantize(
        self, folder: Path, manifest: Manifest, graph: Graph, model: Session, corpus: "Dataset | None"
    ) -> Manifest:
        """Computes trained layers in integers on scales of each call, else only stores them so."""
        sample = sample_corpus(default_corpus() if corpus is None else corpus, graph.model.known_speakers)
        judge, tried = Judge(model, sample), list[Verdict]()
        trained, stored = trained_weights(graph), stored_weights(graph)
        with TemporaryDirectory(prefix="ser_tl_tflite_") as name:
            plain = Path(name) / "plain.tflite"
            plain.write_bytes((folder / self.file).read_bytes())
            for way in ("dynamic", "storage"):
                computed = trained if way == "dynamic" else set[bytes]()
                layers = {"computed": computed, "stored": (trained | stored) - computed}
                listed = Path(name) / "layers.json"
                listed.write_text(json.dumps({kind: [name.hex() for name in names] for kind, names in layers.items()}))
                try:
                    run_script(self.interpreter, "tflite_quantize.py", plain, folder / self.file, listed)
                except ExportError as error:
                    raise ExportError(f"quantize int8: {error}") from error
                changed = replace(sign(manifest, self, folder), weights="int8", quantization={"way": way})
                session = self.open(folder, changed)
                verdict = judge.judge(way, session, (folder / self.file).stat().st_size)
                tried.append(verdict)
                if verdict.acceptable:
                    rows = measure_parity(model, session)
                    check_parity(rows, ANY_FINITE)
                    return replace(changed, parity=rows, quantization=describe(tried, sample))
        raise ExportError(refusal(tried))

    def describe_use(self, manifest: Manifest) -> str:
        """How it is used."""
        seconds = manifest.longest / manifest.sample_rate
        return (
            f"Its two inputs are one clip of {seconds:g} s, zeros behind its end, and its samples; its outputs are "
            f"those of the manifest, in their order. `ser-tl predict` on this folder needs ai-edge-litert: pip install "
            f"ai-edge-litert."
        )

    @property
    def interpreter(self) -> Path:
        """The environment's."""
        if self.python is None:
            raise ConfigError("python: name the environment that has litert-torch")
        return self.python

    @property
    def samples(self) -> int:
        """Of the window."""
        if self.window is None:
            raise ConfigError("window: this format takes clips of one length")
        return self.window
