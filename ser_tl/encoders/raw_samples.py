"""What front ends of convolutions on raw samples have in common: frames within a clip, and what a checkpoint says.

No convolution pads, so that a frame whose receptive field lies within the clip never sees what stands behind.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.modules.graph import is_exporting

# Checkpoints on features, at other rates or with several channels have the same model_type and the same shapes.
FRONT_END: dict[str, Any] = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "sampling_rate": SAMPLE_RATE,
    "feature_size": 1,
}
"""What a checkpoint's preprocessor_config.json has to say for it to be one on raw samples."""


def measure_frame(convolutions: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The receptive field of one frame, and the step from one to the next, in samples.

    Args:
        convolutions: kernel and stride of each, lowest first
    """
    field, step = 1, 1
    for kernel, stride in convolutions:
        field += (kernel - 1) * step
        step *= stride
    return field, step


def count_frames(convolution: nn.Conv1d, counts: Tensor) -> Tensor:
    """How many outputs of a convolution lie wholly within the first `counts` (B,) of its inputs."""
    return (counts - convolution.kernel_size[0]) // convolution.stride[0] + 1


def pad_to_frame(waveform: Tensor, samples: int) -> Tensor:
    """Waveform (B, N), where it is shorter than one frame with silence behind."""
    if is_exporting():  # a recorded graph is given more
        return waveform
    return functional.pad(waveform, (0, max(0, samples - waveform.shape[1])))
