"""A graph that only another environment can compute, asked through a script of ours that runs there.

RemoteSession(python, "tflite_run.py", graph, manifest).run(waveform, lengths, wanted) -> Answers
"""

import io
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.errors import ExportError
from ser_tl.export.environment import SCRIPTS, environment_variables
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.manifest import Manifest


class RemoteSession(ExportedSession):
    """A graph in another environment; its process ends with this object.

    Args:
        python: the environment's interpreter
        script: name of a file in `export/scripts`
        graph: the file
        manifest: of its folder
    """

    def __init__(self, python: Path, script: str, graph: Path, manifest: Manifest) -> None:
        super().__init__(manifest)
        self._script = script
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - our script, in the interpreter that the user names
            [str(python), "-I", str(SCRIPTS / script), str(graph)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment_variables(),
        )

    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The graph's outputs."""
        content = io.BytesIO()
        np.savez(content, waveform, lengths)
        ask, answer = self._process.stdin, self._process.stdout
        if ask is None or answer is None:  # for the type checker: both are pipes
            raise ExportError(f"{self._script} has no pipes")
        try:
            ask.write(struct.pack("<Q", content.tell()) + content.getvalue())
            ask.flush()
        except OSError:
            raise ExportError(self._explain()) from None
        size = answer.read(8)
        if len(size) < 8:
            raise ExportError(self._explain())
        with np.load(io.BytesIO(answer.read(struct.unpack("<Q", size)[0]))) as arrays:
            values = [arrays[f"arr_{index}"] for index in range(len(self.manifest.outputs))]
        named = dict(zip(self.manifest.outputs, values, strict=True))
        return [named[name] for name in outputs]

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self.close()

    def _explain(self) -> str:
        self._process.wait(timeout=10)
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-8:]
        return f"{self._script} failed:\n" + "\n".join(lines)
