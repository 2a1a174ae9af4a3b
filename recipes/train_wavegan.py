"""Trains a class-conditional WaveGAN on the training speakers of a split, and makes synthetic clips for training sets.

    accelerate launch recipes/train_wavegan.py --corpus ravdess --root RAVDESS --output runs/gan --wavegan.minutes 600
    accelerate launch recipes/train_wavegan.py --config runs/gan/config.yaml --resume --wavegan.minutes 1200
    accelerate launch recipes/compare_encoders.py --systems '{real: {}, real + synthetic: {synthetic: runs/gan}}'

Without arguments: under a minute of training on the bundled EMO-DB, which shows the way and no more. Of a classifier's
options it reads corpus, emotions, labels, split, seed, --encoder (which judges the clips) and --train.precision. The
last command measures whether the clips help, on the same split (docs/generation.md).
"""

import ser_tl as ser


def main(options: ser.WaveGanOptions) -> None:
    """Trains a generator on every split of the protocol, writes its clips, and measures how near to speech they are."""
    splits = ser.load_splits(options)
    print("\n".join(splits[0].remarks))
    judge = ser.load_encoder(options.encoder, **options.encoder_options)  # before the training: a wrong one ends it
    run = ser.start_run(options, changeable=[*options.wavegan.changeable, "encoder", "encoder_options"])
    for split in splits:
        folder = run if len(splits) == 1 else run / split.name
        trainer = ser.WaveGanTrainer(options.wavegan, folder, options.train, seed=options.seed)
        gan = trainer.fit(split, resume=options.resume)
        if trainer.accelerator.is_main_process:
            manifest = ser.write_synthetic(gan, split, folder, seed=options.seed)
            quality = ser.measure_synthetic_quality(split, manifest, judge, options.encoder, seed=options.seed)
            quality.save(folder)
            minutes = trainer.seconds / 60
            print(f"\n{split.name}: {trainer.step} steps in {minutes:.1f} minutes\n\n{quality}\n\n{manifest}")


if __name__ == "__main__":
    ser.run_main(main, ser.WaveGanOptions, __doc__)
