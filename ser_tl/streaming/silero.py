"""Speech by silero's network, which ships with ser_tl and runs in onnxruntime: 0.5 % of a core.

frame (512,) with the 64 samples before it, state (2, 1, 128) --ONNX--> probability of speech, state
"""

from importlib.util import find_spec

import numpy as np

from ser_tl.assets import asset
from ser_tl.errors import ConfigError
from ser_tl.inference.onnx_session import load_onnxruntime
from ser_tl.streaming.gate import FRAME

_CONTEXT = 64  # samples of the frame before


def has_onnxruntime() -> bool:
    """Whether the network can be run here."""
    return find_spec("onnxruntime") is not None


class SileroScorer:
    """Scores a frame by silero VAD's probability of speech.

    Args:
        on: probability that begins speech
        off: probability below which it ends

    Raises:
        ConfigError: onnxruntime isn't installed
    """

    name = "silero"

    def __init__(self, on: float = 0.5, off: float = 0.35) -> None:
        if not has_onnxruntime():
            raise ConfigError(
                "voice activity by silero needs onnxruntime, which isn't installed: pip install onnxruntime, or choose "
                "`voice` energy"
            )
        onnxruntime = load_onnxruntime()
        self.on, self.off = on, off
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = asset("silero_vad") / "silero_vad_16k_op15.onnx"
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(16_000, np.int64)
        self.reset()

    def score(self, frame: np.ndarray) -> float:
        """The probability of speech in the next frame."""
        self._input[0, :_CONTEXT] = self._input[0, FRAME:]
        self._input[0, _CONTEXT:] = frame
        inputs = {"input": self._input, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(None, inputs)
        return float(np.asarray(probability).ravel()[0])

    def reset(self) -> None:
        """Forgets the frames before."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, _CONTEXT + FRAME), np.float32)
