"""Trains a class-conditional WaveGAN on the training speakers of a split, and makes synthetic clips for training sets.

    accelerate launch recipes/train_wavegan.py
    accelerate launch recipes/train_wavegan.py --corpus ravdess --root RAVDESS --output runs/gan --wavegan.width 64 \
        --wavegan.batch 64 --wavegan.minutes 600 --wavegan.clips 100
    accelerate launch recipes/train_wavegan.py --config runs/gan/config.yaml --resume --wavegan.minutes 1200

Without arguments: under a minute of training on the bundled EMO-DB, which shows the way and no more. Of the options of
classifiers it heeds corpus, emotions, labels, split, seed, --encoder (which judges the clips), and --train.precision.
Whether the clips help is for recipes/compare_encoders.py to tell, on the same split (docs/generation.md):

    accelerate launch recipes/compare_encoders.py --split.seed 0 --seeds '[0, 1]' \
        --systems '{real: {}, real + synthetic: {synthetic: runs/gan}}'
"""

from dataclasses import dataclass, field

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.Options):
    """The options of the recipe.

    Args:
        wavegan: sizes of the generator, how long it is trained, and how many clips it makes
    """

    wavegan: ser.WaveGanConfig = field(default_factory=ser.WaveGanConfig)


def main(options: Options) -> None:
    """Trains a generator on every split of the protocol, writes its clips, and tells how near to speech they are."""
    splits = ser.load_splits(options)
    print("\n".join(splits[0].remarks))
    judge = ser.load_encoder(options.encoder, **options.encoder_options)  # a wrong one is told now
    run = ser.start_run(options, changeable=[*options.wavegan.changeable, "encoder", "encoder_options"])
    for split in splits:
        folder = run if len(splits) == 1 else run / split.name
        trainer = ser.WaveGanTrainer(options.wavegan, folder, options.train, seed=options.seed)
        gan = trainer.fit(split, resume=options.resume)
        if trainer.accelerator.is_main_process:
            manifest = ser.write_synthetic(gan, split, folder, seed=options.seed)
            quality = ser.measure_synthetic_quality(split, manifest, judge, options.encoder, seed=options.seed)
            quality.save(folder)
            print(
                f"\n{split.name}: {trainer.step} steps in {trainer.seconds / 60:.1f} minutes\n\n{quality}\n\n{manifest}"
            )


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
