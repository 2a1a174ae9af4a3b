"""Probes an encoder: how much of emotion a linear model reads from its states, on held-out speakers.

    accelerate launch recipes/probe_encoder.py
    accelerate launch recipes/probe_encoder.py --encoder runs/mini --probe.corpus ravdess --probe.root RAVDESS \
        --probe.protocol folds --probe.folds EMOBOX/ravdess
    accelerate launch recipes/probe_encoder.py --encoder runs/mini --random --probe.protocol loso
    accelerate launch recipes/probe_encoder.py --encoder runs/mini --teacher openai/whisper-tiny.en

Mean and deviation of each layer over time, set side by side and standardised, then a logistic regression: no training
of the encoder, no choice on dev. With a teacher also, without labels, how far the encoder says what that says: the mean
cosine of the teacher's layers with a linear guess at them from each of the encoder's, on the first fold's test part.
Without arguments: the bundled encoder, on the bundled EMO-DB in five folds.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.RunOptions):
    """The options of the recipe.

    Args:
        encoder: a name, a folder or a hub id
        encoder_options: what the encoder takes of its own
        random: the same architecture with random weights, the control of what its training gave
        each: probe each layer alone, too
        teacher: an encoder with whose layers the probed one's are compared
        probe: corpus, protocol, layers, and the regression's strength
    """

    encoder: str = "wav2vec2-mini"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    random: bool = False
    each: bool = False
    teacher: str | None = None
    probe: ser.ProbeConfig = field(default_factory=ser.ProbeConfig)

    @property
    def name(self) -> str:
        """Encoder and corpus."""
        return f"probe_{Path(self.encoder).name}{'_random' * self.random}_{self.probe.corpus}"


def main(options: Options) -> ser.Report:
    """Probes all chosen layers together, and perhaps each alone."""
    ser.seed_everything(options.seed)
    probe = ser.Probe(options.probe, seed=options.seed)
    folder = ser.start_run(options)
    device = Accelerator().device
    encoder = ser.load_encoder(options.encoder, pretrained=not options.random, **options.encoder_options).to(device)
    teacher = None if options.teacher is None else ser.load_encoder(options.teacher).to(device)
    cosines = None if teacher is None else probe.fidelity(encoder, teacher).tolist()
    statistics = probe.statistics(encoder)
    for layer in range(encoder.num_states) if options.each else []:
        print(f"layer {layer}: UAR {100 * probe.report(statistics, encoder, [layer]).uar:.1f}")
    report = probe.report(statistics, encoder, options.probe.layers)
    if cosines is not None:
        report = replace(report, facts={**report.facts, "fidelity": {"teacher": options.teacher, "cosines": cosines}})
        for layer, row in zip(options.probe.layers or range(encoder.num_states), cosines, strict=True):
            print(
                f"layer {layer}: cosines with the teacher's layers from 0: {' '.join(f'{value:.3f}' for value in row)}"
            )
    report.save(folder)
    print(f"\n{report}\n{folder}")
    return report


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
