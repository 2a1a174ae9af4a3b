"""A program of torch.export as a CoreML package, by coremltools in its own environment.

python coreml_convert.py PROGRAM.pt2 OUTPUT.mlpackage SAMPLES NAME...

The clip fills the whole window, so that its length is a constant: the masks that follow from it, which coremltools
can't convert, are computed now. Independent of ser_tl; runs on Linux, and what it writes predicts on a Mac alone.
"""

import sys

import coremltools as ct
import torch
from torch import nn
from torch._export.passes.constant_folding import constant_fold


class WholeWindow(nn.Module):
    """The graph for clips that are as long as the window."""

    def __init__(self, graph: nn.Module, samples: int) -> None:
        super().__init__()
        self.graph = graph
        self.register_buffer("lengths", torch.tensor([samples]))

    def forward(self, waveform: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The graph's outputs."""
        return self.graph(waveform, self.lengths)


def main() -> None:
    """Converts the program."""
    source, target, samples, *names = sys.argv[1:]
    window = WholeWindow(torch.export.load(source).module(), int(samples))
    example = (torch.zeros(1, int(samples)),)
    whole = torch.export.export(window, example, strict=False).run_decompositions({}).module()
    constant_fold(whole)
    program = torch.export.export(whole, example, strict=False).run_decompositions({})
    model = ct.convert(
        program,
        outputs=[ct.TensorType(name=name) for name in names],
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.precision.FLOAT32,
    )
    model.save(target)


if __name__ == "__main__":
    main()
