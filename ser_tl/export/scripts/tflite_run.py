"""Computes a TensorFlow Lite graph for another process, in the converter's environment.

python tflite_run.py GRAPH.tflite

Reads frames from standard input and answers each on standard output: eight bytes of length, then an npz file, with the
graph's inputs in their order (arr_0, arr_1) and its outputs likewise. Ends with its input. Independent of ser_tl.
"""

import io
import os
import struct
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints must not be taken for an answer
    run = Interpreter(model_path=sys.argv[1], num_threads=1)
    run.allocate_tensors()
    details = sorted(run.get_input_details(), key=lambda detail: detail["name"])
    outputs = run.get_signature_runner().get_output_details()
    while size := sys.stdin.buffer.read(8):
        with np.load(io.BytesIO(sys.stdin.buffer.read(struct.unpack("<Q", size)[0]))) as given:
            for index, detail in enumerate(details):
                run.set_tensor(detail["index"], given[f"arr_{index}"].astype(detail["dtype"]))
        run.invoke()
        names = sorted(outputs, key=lambda name: int(name.rpartition("_")[2]))
        content = io.BytesIO()
        np.savez(content, *[run.get_tensor(outputs[name]["index"]) for name in names])
        answers.write(struct.pack("<Q", content.tell()) + content.getvalue())
        answers.flush()


if __name__ == "__main__":
    main()
