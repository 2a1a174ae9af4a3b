"""Distils an encoder: a small student learns to predict layers of a large teacher, from audio without labels.

    accelerate launch recipes/distill_encoder.py --teacher whisper-tiny.en --student student.json --audio SPEECH \
        --distill.layers '[1, 2, 3]' --distill.minutes 120 --distill.probe_every 20 --output runs/mini
    accelerate launch recipes/distill_encoder.py --config runs/mini/config.yaml --resume --distill.minutes 180

Without arguments: two minutes in which a smaller wav2vec 2.0 learns from the bundled one, on the bundled EMO-DB without
its labels. The run's folder is the student, in transformers' layout: --encoder runs/mini (docs/distillation.md).
"""

import yaml

import ser_tl as ser


def main(options: ser.EncoderDistillationOptions) -> ser.Report:
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
    ser.run_main(main, ser.EncoderDistillationOptions, __doc__)
