"""Measures what augmentation costs: its share of a training step, and the speed of each transform.

    OMP_NUM_THREADS=2 python -m tests.benchmarks.augmentation
    python -m tests.benchmarks.augmentation --augment.preset ser --encoder openai/whisper-tiny.en

Without arguments: the preset `everything`, on the bundled wav2vec 2.0, fully fine-tuned on the bundled EMO-DB. Epochs
with and without augmentation take turns, so that a machine that is busy with other things slows both. Medians.
"""

import time
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

import ser_tl as ser

INSIDE = {"mask", "mask-mel", "mixup-embedding"}
"""Transforms that act inside the model: they take no time of their own."""


@dataclass(frozen=True)
class Options(ser.Options):
    """Options of the benchmark; of the training's options it uses all but splits and output.

    Args:
        rounds: how often everything is measured, after one round that isn't
        clips: number of training clips
    """

    strategy: str = "full"
    augment: ser.AugmentConfig = field(default_factory=lambda: ser.AugmentConfig("everything"))
    rounds: int = 5
    clips: int = 20


def main(options: Options) -> None:
    """Prints both tables."""
    corpus = ser.load_corpus(options.corpus, options.root, emotions=options.emotions, columns=options.columns)
    train = corpus.shuffle(seed=options.seed).select(range(min(options.clips, len(corpus))))
    config = replace(options.train, epochs=1, tracker="none")
    steps: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(options.rounds + 1):
        for name, augment in (("without", ser.AugmentConfig()), ("with", options.augment)):
            ser.seed_everything(options.seed)
            model = ser.build_model(options, ser.emotions(train))
            trainer = ser.Trainer(model, ser.build_strategy(options), config, augment=augment, seed=options.seed)
            record = trainer.fit(train, train.select(range(5)))[0]  # no epoch is chosen here, so any dev part will do
            steps[name].append(record["seconds"] / record["steps"])
    without, augmented = (median(seconds[1:]) for seconds in steps.values())
    print(f"\nseconds a step: {without:.3f} without, {augmented:.3f} with: {100 * (augmented / without - 1):+.1f} %\n")
    noise = np.random.default_rng(options.seed)
    clips = [noise.normal(0.0, 0.1, 48_000).astype(np.float32) for _ in range(10)]
    settings_of = {name: settings for name, settings in options.augment.transform_options.items() if name not in INSIDE}
    for name, settings in settings_of.items():
        hear = ser.Augmenter(ser.AugmentConfig(transforms={name: {**settings, "probability": 1.0}}), clips)
        seconds = []
        for turn in range(options.rounds + 1):
            begin = time.perf_counter()
            hear(clips, turn)
            seconds.append(time.perf_counter() - begin)
        print(f"{name:16} {30.0 / median(seconds[1:]):8.0f} seconds of audio a second")


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
