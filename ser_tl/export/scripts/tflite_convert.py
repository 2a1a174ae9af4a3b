"""A program of torch.export as TensorFlow Lite, by litert-torch in its own environment.

python tflite_convert.py PROGRAM.pt2 OUTPUT.tflite

Independent of ser_tl: the environment has another torch than the one that wrote the program, which both can read.
"""

import sys

import litert_torch
import torch


def main() -> None:
    """Converts the program; shapes are those of its inputs."""
    source, target = sys.argv[1:]
    program = torch.export.load(source)
    shapes = [node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    inputs = tuple(torch.ones(value.shape, dtype=value.dtype) for value in shapes)
    inputs = (inputs[0], torch.full_like(inputs[1], inputs[0].shape[1]))
    litert_torch.convert(program.module(), inputs).export(target)


if __name__ == "__main__":
    main()
