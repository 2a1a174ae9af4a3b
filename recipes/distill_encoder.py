"""Distils an encoder: a small student learns to say what layers of a large teacher say, from audio without labels.

    accelerate launch recipes/distill_encoder.py
    accelerate launch recipes/distill_encoder.py --teacher whisper-tiny.en --student student.json --audio SPEECH \
        --distill.layers '[1, 2, 3]' --distill.minutes 120 --distill.probe_every 20 --output runs/mini
    accelerate launch recipes/distill_encoder.py --config runs/mini/config.yaml --resume --distill.minutes 180

Without arguments: two minutes in which a smaller wav2vec 2.0 learns from the bundled one, on the bundled EMO-DB without
its labels. The run's folder is the student, in transformers' layout: --encoder runs/mini (docs/distillation.md).
"""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.RunOptions):
    """The options of the recipe.

    Args:
        teacher: an encoder's name, folder or hub id
        student: a config.json of transformers (random weights), or an encoder's name, folder or hub id to go on from
        corpus: of the audio, by name
        root: the corpus' folder, manifest or hub id
        columns: which column of a manifest holds what
        audio: a folder of audio files of any length, instead of a corpus
        augment: what happens to the student's input, and not to the teacher's
        distill: what is learned, and for how long
        probe: the labelled corpus that the student is probed on
    """

    teacher: str = "wav2vec2-mini"
    student: str = str(Path(__file__).with_name("distill_student.json"))
    corpus: str = "emodb-mini"
    root: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    audio: Path | None = None
    augment: ser.AugmentConfig = field(
        default_factory=lambda: ser.AugmentConfig(transforms={"gain": {}, "noise": {"snr": [5.0, 30.0]}})
    )
    distill: ser.DistillConfig = field(default_factory=ser.DistillConfig)
    probe: ser.ProbeConfig = field(default_factory=ser.ProbeConfig)

    @property
    def name(self) -> str:
        """The student's, and whose it is."""
        return f"{Path(self.student).stem}_of_{Path(self.teacher).name}"


def main(options: Options) -> ser.Report:
    """Trains the student, probes it, and writes its folder."""
    sources = ser.find_recordings(options.corpus, options.root, options.audio, options.columns)
    distill = options.distill
    recordings = ser.CropSampler(sources, distill.crop, distill.memory, distill.normalise, distill.speed)
    probe = ser.Probe(options.probe, seed=options.seed)
    folder = ser.start_run(options, changeable=distill.changeable)
    ser.seed_everything(options.seed)
    teacher, student = ser.load_encoder(options.teacher), ser.load_student(options.student)
    trainer = ser.EncoderDistiller(teacher, student, distill, folder, augment=options.augment, seed=options.seed)
    trainer.accelerator.print(recordings)
    trainer.fit(recordings, probe, resume=options.resume)
    report = probe(student, trainer.accelerator)
    if trainer.accelerator.is_main_process:
        ser.finish_distillation(trainer, recordings, report, yaml.safe_load(options.as_yaml()))
        print(f"\n{report}\n{folder}")
    return report


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
