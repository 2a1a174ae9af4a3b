"""What a CPU computes faster by other means than torch's defaults, put into a model that is to run on one.

    use_cpu_kernels(model)     after it is built or loaded; parameters, their names and files stay

The convolutions of wav2vec 2.0 (`cpu`) need nothing put in: they are chosen where the frames are on a CPU and no graph
is recorded.
"""

from typing import TypeVar

from torch import nn

from ser_tl.encoders.onednn import use_onednn

Module = TypeVar("Module", bound=nn.Module)


def use_cpu_kernels(model: Module) -> Module:
    """The model, its linear layers by whichever library multiplies faster here; on other devices they are torch's."""
    use_onednn(model)
    return model
