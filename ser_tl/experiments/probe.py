"""An encoder's linear probe as a run: layer by layer, and against a teacher's states.

Probe, encoder --print_layer_scores--> a line per layer      Report, Probe, encoder, teacher --add_fidelity--> Report
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.distill import Probe, ProbeConfig
from ser_tl.encoders import Encoder
from ser_tl.evaluation import Report
from ser_tl.options import RunOptions
from ser_tl.runtime.processes import processes


@dataclass(frozen=True)
class ProbeOptions(RunOptions):
    """The options of the recipe.

    Args:
        encoder: a name, a folder or a hub id
        encoder_options: options of the encoder itself
        random: random weights in the same architecture, the control that shows what pretraining gave
        each: probe each layer alone, too
        teacher: an encoder with whose layers the probed one's are compared
        probe: corpus, protocol, layers, and the regression's strength
    """

    encoder: str = "wav2vec2-mini"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    random: bool = False
    each: bool = False
    teacher: str | None = None
    probe: ProbeConfig = field(default_factory=ProbeConfig)

    @property
    def name(self) -> str:
        """Encoder and corpus."""
        return f"probe_{Path(self.encoder).name}{'_random' * self.random}_{self.probe.corpus}"


def print_layer_scores(probe: Probe, statistics: np.ndarray, encoder: Encoder) -> None:
    """Prints each layer's own UAR.

    Args:
        probe: corpus and folds
        statistics: (n, L, 2D), of the probe's corpus
        encoder: whose statistics they are
    """
    for layer in range(encoder.num_states):
        report = probe.report(statistics, encoder, [layer])
        processes().print(f"layer {layer}: UAR {100 * report.uar:.1f}")


def add_fidelity(report: Report, cosines: Sequence[Sequence[float]], teacher: str, layers: Sequence[int]) -> Report:
    """Adds to a report, and prints, how well the encoder's layers predict a teacher's.

    Args:
        report: of the probe
        cosines: the encoder's layers by the teacher's, as `Probe.fidelity` gives them
        teacher: its name
        layers: of the encoder
    """
    for layer, row in zip(layers, cosines, strict=True):
        text = " ".join(f"{value:.3f}" for value in row)
        processes().print(f"layer {layer}: cosines with the teacher's layers from 0: {text}")
    return replace(report, facts={**report.facts, "fidelity": {"teacher": teacher, "cosines": cosines}})


def finish_probe(report: Report, folder: Path) -> Report:
    """Saves the report in the run's folder and prints both."""
    report.save(folder)
    processes().print(f"\n{report}\n{folder}")
    return report
