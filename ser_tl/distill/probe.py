"""A linear probe of an encoder's states for emotion: the score that distillation is monitored by.

    clips --encoder--> states (L, B, T, D) --mean and deviation over time--> (n, L, 2D) --logistic regression--> Report

The encoder stays as it is. All chosen layers are set side by side, each feature standardised on the training speakers;
train and dev of a split are both learned from, since nothing is chosen on dev.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset, concatenate_datasets
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ser_tl.corpora import corpus_title, load_corpus
from ser_tl.data import schema
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import Batch, UtteranceDataset
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.splits import ProtocolName, Split, SplitConfig, describe_shared, make_splits
from ser_tl.distill.fidelity import measure_fidelity
from ser_tl.encoders import Encoder, select_layers
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Predictions, Report
from ser_tl.inference.clips import Pass, collect_clips
from ser_tl.inference.processes import OneProcess
from ser_tl.modules.pooling import Stats

_BATCH_SECONDS = 60.0
_STEPS = 1000  # of L-BFGS, at most


@dataclass(frozen=True)
class ProbeConfig:
    """The probe's corpus and its only setting.

    Args:
        corpus: labelled speech, by name
        root: its folder, manifest or hub id; not needed for a bundled corpus
        columns: which of its columns holds what
        emotions: how its emotions become classes
        protocol: who is tested on, as in fine-tuning
        folds: published folds, with `protocol` folds
        split: how many speakers go where
        layers: of the encoder's states, set side by side; all if None
        strength: of the regression, C: the smaller, the more its weights are held small
    """

    corpus: str = "emodb-mini"
    root: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    emotions: EmotionMap = field(default_factory=EmotionMap)
    protocol: ProtocolName = "kfold"
    folds: Path | None = None
    split: SplitConfig = field(default_factory=SplitConfig)
    layers: list[int] | None = None
    strength: float = 0.1

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ConfigError(f"probe.strength is {self.strength}: expected more than 0")


class Probe:
    """A labelled corpus in speaker-disjoint folds, on which encoders are compared.

    Args:
        config: corpus, protocol, layers, strength
        seed: of the folds

    Raises:
        CorpusError: the corpus isn't there
        SplitError: folds that can't be had, or share speakers
    """

    def __init__(self, config: ProbeConfig, seed: int = 0) -> None:
        self.config = config
        self.corpus = load_corpus(config.corpus, config.root, emotions=config.emotions, columns=config.columns)
        self.splits = make_splits(self.corpus, config.protocol, config.split, folds=config.folds, seed=seed)

    def __call__(self, encoder: Encoder, accelerator: Accelerator | None = None) -> Report:
        """The probe's report over all folds.

        Args:
            encoder: on the accelerator's device
            accelerator: its precision; None computes in the encoder's own
        """
        return self.report(self.statistics(encoder, accelerator), encoder, self.config.layers)

    def statistics(self, encoder: Encoder, accelerator: Accelerator | None = None) -> np.ndarray:
        """Mean and deviation of each state of each clip, (n, L, 2D), in the order of the corpus."""
        return clip_statistics(encoder, self.corpus, accelerator)

    def fidelity(self, encoder: Encoder, teacher: Encoder) -> torch.Tensor:
        """The mean cosine of a teacher's states with the best linear guess at them, on the first fold's test speakers.

        Args:
            encoder: whose chosen layers guess; the maps are fitted on the fold's other speakers
            teacher: whose states are guessed

        Returns:
            (L, L') float64: the chosen layers by the teacher's.
        """
        split = self.splits[0]
        others = concatenate_datasets([split.train, split.dev])
        return measure_fidelity(encoder, teacher, others, split.test, self.config.layers)

    def report(self, statistics: np.ndarray, encoder: Encoder, layers: Sequence[int] | None) -> Report:
        """The same, of statistics that are there.

        Args:
            statistics: (n, L, 2D), in the order of the corpus
            encoder: whose they are, for the title
            layers: set side by side; all if None
        """
        chosen = select_layers(statistics.shape[1], layers)
        features = statistics[:, chosen].reshape(len(statistics), -1).astype(np.float64)
        reports = {split.name: self._fold(split, features) for split in self.splits}
        layer_text, corpus = " ".join(map(str, chosen)), corpus_title(self.config.corpus)
        title = f"linear probe of {encoder.family}, layers {layer_text}, on {corpus}"
        return Report.over_folds(reports, title=title)

    def _fold(self, split: Split, features: np.ndarray) -> Report:
        row_of = {name: row for row, name in enumerate(self.corpus["id"][:])}
        labels = schema.emotions(self.corpus)
        inside = [row_of[name] for name in (*split.train["id"][:], *split.dev["id"][:])]
        outside = [row_of[name] for name in split.test["id"][:]]
        classes = np.array(
            [labels.index(emotion) for emotion in (*split.train["emotion"][:], *split.dev["emotion"][:])]
        )
        # All principal components: a rotation, which the regression's penalty doesn't feel, to fewer features.
        rotation = PCA(svd_solver="full")
        model = make_pipeline(StandardScaler(), rotation, LogisticRegression(C=self.config.strength, max_iter=_STEPS))
        with warnings.catch_warnings(), threadpool_limits(1):  # more threads than idle cores take ten times as long
            warnings.simplefilter("ignore", ConvergenceWarning)  # the report says it: a training isn't stopped for it
            model.fit(features[inside], classes)
        settled = int(model[-1].n_iter_.max()) < _STEPS
        probabilities = np.zeros((len(outside), len(labels)))
        probabilities[:, model.classes_] = model.predict_proba(features[outside])
        test = split.test
        facts = {"probe": "logistic regression on mean and deviation", "C": self.config.strength}
        shared = {"speaker_independent": False} if split.shared else {}
        unsettled = [] if settled else [f"the regression hadn't settled after {_STEPS} steps: lower probe.strength"]
        marked = [describe_shared(split.shared, test["speaker"][:])] if split.shared else []
        return Report.of(
            Predictions(test["id"][:], test["speaker"][:], test["emotion"][:], probabilities, labels),
            notes=[*marked, *split.notes, *unsettled],
            facts=facts | shared,
        )


def clip_statistics(encoder: Encoder, corpus: Dataset, accelerator: Accelerator | None = None) -> np.ndarray:
    """Mean and deviation over time of each state, clip by clip; of longer clips the mean of their windows.

    Args:
        encoder: left as it is
        corpus: rows with the columns of `data.schema`
        accelerator: its precision and device; None computes where the encoder is, as it is

    Returns:
        (n, L, 2D) float32, in the order of the corpus.
    """
    clips = UtteranceDataset(corpus, [], AudioConfig(), training=False)
    pool = Stats(encoder.dim)
    device = next(encoder.parameters(), torch.empty(0)).device
    processes = OneProcess(device, None if accelerator is None else accelerator.autocast)  # by itself, of however many

    def statistics(batch: Batch) -> torch.Tensor:  # (B, L, 2D)
        states, mask = encoder(batch.waveform, batch.lengths)
        return torch.stack([pool(frames.float(), mask) for frames in states], dim=1)

    collected = collect_clips([encoder], clips, statistics, Pass(processes, _BATCH_SECONDS))
    return collected.by_utterance(corpus["id"][:])
