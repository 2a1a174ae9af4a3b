"""An exported program of torch (torch.export, AOTInductor or TorchScript), computed by torch without model classes.

ProgramSession(FOLDER/model.pt2, manifest).run(waveform, lengths, wanted) -> Answers
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ser_tl.errors import CheckpointError
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.manifest import Manifest


class ProgramSession(ExportedSession):
    """A program of torch that can be asked.

    Args:
        graph: its file
        manifest: of its folder

    Raises:
        CheckpointError: torch can't load the program
    """

    def __init__(self, graph: Path, manifest: Manifest) -> None:
        super().__init__(manifest)
        try:
            if manifest.runtime == "torch.export":
                self._program: Any = torch.export.load(graph).module()
            elif manifest.runtime == "torch.aoti":
                self._program = torch._inductor.aoti_load_package(str(graph))
            else:
                self._program = torch.jit.load(graph)
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise CheckpointError(
                f"{graph}: torch {torch.__version__} can't load it ({error}): export the model again beside this "
                f"version of torch (it was made beside {manifest.versions.get('torch', 'an unknown version')})"
            ) from error

    @torch.inference_mode()
    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The program's outputs."""
        results = self._program(torch.from_numpy(waveform), torch.from_numpy(lengths))
        named = dict(zip(self.manifest.outputs, results, strict=True))
        return [named[name].numpy() for name in outputs]
