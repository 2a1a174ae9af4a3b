"""The calibration of a trained model, fitted on speakers whom its weights never saw.

    model, dev clips --calibrate()--> Calibration
    held-out logits of a refitted classifier --fit_calibration()--> Calibration

Dev speakers chose the epoch, by their UAR: what is fitted on them is a little too hopeful of new ones. A classifier
that was refitted has learned from dev as well: its calibration comes from training speakers held out in turn, each
judged by the classifier of the others.

Clips count as often as they are there. Class weights teach a network to answer as if emotions were equally frequent; a
temperature, which has no say in single emotions, makes the best of that on clips as frequent as the calibration
speakers'. Where frequencies are others, so are calibrated probabilities.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batch_plan import average_windows
from ser_tl.data.batching import Clips
from ser_tl.inference.clips import Pass, collect_clips, forward_batch
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets
from ser_tl.modules.feature_norm import NormTable

Method = Literal["temperature", "vector"]

DEV = "dev speakers, on whom the epoch was chosen as well"
HELD_OUT = "training and dev speakers, each judged by the classifier of others"

_PRIOR = 0.5
"""Of the squared logarithm of a scale, and of a squared bias: one clip's worth, so that clips that are all told right
don't ask for certainty."""

_STEPS = 200  # of L-BFGS


def calibrate(
    model: EmotionModel,
    dev: Dataset,
    clips: Clips,
    how: Pass,
    *,
    method: Method = "temperature",
    norms: NormTable | None = None,
) -> Calibration | None:
    """The calibration on dev speakers. Every process calls it and gets the same; None for dimensions alone.

    Args:
        model: with the weights that it keeps, not trained on these speakers
        dev: rows with the columns of `data.schema`
        clips: all of dev, for evaluation
        how: the processes, and the size of batches
        method: `temperature` or `vector`
        norms: statistics of the speakers or corpora that clips are of
    """
    if not model.labels:
        return None
    found = collect_clips([model], clips, lambda batch: forward_batch(model, batch, norms).logits.float(), how)
    speaker_of = dict(zip(dev["id"][:], dev["speaker"][:], strict=True))
    speakers = [speaker_of[name] for name in found.ids]
    return fit_calibration(found.values, found.labels, found.ids, speakers, source=DEV, method=method)


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    speakers: Sequence[str],
    *,
    source: str,
    method: Method = "temperature",
) -> Calibration:
    """The calibration of the lowest log loss, and the prediction sets that go with it.

    Args:
        logits: (n, C) of windows
        labels: (n,) class indices
        ids: of the recording that each window is a part of
        speakers: of each window
        source: whose clips these are, in words
        method: `temperature` or `vector`
    """
    scale, bias = _fit_scale(torch.from_numpy(logits).double(), torch.from_numpy(labels).long(), method)
    plain = Calibration(method, [1.0], [], source, len(set(ids)), len(set(speakers)), 0.0, 0.0)
    fitted = Calibration(method, scale, bias, source, plain.clips, plain.speakers, 0.0, 0.0)
    order = list(dict.fromkeys(ids))
    row = {name: index for index, name in reversed(list(enumerate(ids)))}
    rows = [row[name] for name in order]
    before, after = (average_windows(ids, one.apply(logits), order) for one in (plain, fitted))
    true = labels[rows]
    return Calibration(
        method,
        scale,
        bias,
        source,
        len(order),
        plain.speakers,
        _log_loss(before, true),
        _log_loss(after, true),
        PredictionSets.fit(after, true, [speakers[index] for index in rows]),
    )


def _fit_scale(logits: Tensor, labels: Tensor, method: Method) -> tuple[list[float], list[float]]:
    classes = logits.shape[1]
    vector = method == "vector"
    log_scale = torch.zeros(classes if vector else 1, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes if vector else 0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_scale, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scaled = logits * log_scale.exp() + (bias if vector else 0.0)
        total = torch.nn.functional.cross_entropy(scaled, labels, reduction="sum")
        total = (total + _PRIOR * (log_scale.square().sum() + bias.square().sum())) / len(labels)
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return log_scale.detach().exp().tolist(), bias.detach().tolist()


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())
