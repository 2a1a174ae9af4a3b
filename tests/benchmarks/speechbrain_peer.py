"""What SpeechBrain's recipe for emotions on IEMOCAP does with the same clips, where SpeechBrain is installed.

Its wav2vec 2.0 wrapper, average pooling over the clip's own frames and a linear layer, driven by its Brain.
"""

import time

import torch
from speechbrain.core import Brain, Stage
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.losses import nll_loss
from speechbrain.nnet.pooling import StatisticsPooling

from tests.benchmarks.clips import CLASSES, Clips


class _EmotionBrain(Brain):
    seconds: float = 0.0

    def compute_forward(self, batch: PaddedBatch, stage: Stage):
        waveforms, lengths = batch.sig
        pooled = self.modules.pool(self.modules.wav2vec2(waveforms, lengths), lengths)
        return self.modules.output(pooled.flatten(1)).log_softmax(dim=-1)

    def compute_objectives(self, predictions, batch: PaddedBatch, stage: Stage):
        return nll_loss(predictions[:, None], batch.label.data)

    def on_stage_start(self, stage: Stage, epoch: int | None = None):
        self._begin = time.perf_counter()

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None):
        self.seconds = time.perf_counter() - self._begin


def trained(clips: Clips, batch: int) -> float:
    """Audio seconds a second of the second epoch of full fine-tuning, decoding included."""
    rows = {
        str(number): {"wav": clips.path(number), "label": torch.tensor([number % len(CLASSES)])}
        for number in range(len(clips.seconds))
    }
    data = DynamicItemDataset(rows, output_keys=["id", "sig", "label"])
    data.add_dynamic_item(read_audio, takes="wav", provides="sig")
    modules = {
        "wav2vec2": Wav2Vec2(clips.base, f"{clips.folder}/speechbrain", output_norm=True),
        "pool": StatisticsPooling(return_std=False),
        "output": Linear(input_size=768, n_neurons=len(CLASSES), bias=False),
    }
    optimizer = lambda weights: torch.optim.Adam(weights, lr=1e-5)  # noqa: E731 - the way Brain takes one
    brain = _EmotionBrain(modules, optimizer, run_opts={"device": "cpu", "noprogressbar": True})
    brain.fit(range(1, 3), data, train_loader_kwargs={"batch_size": batch, "shuffle": True})
    return sum(clips.seconds) / brain.seconds
