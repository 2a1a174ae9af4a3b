"""Synthetic speech for training sets, by a class-conditional WaveGAN (Donahue et al. 2019).

    Split.train --WaveGanTrainer--> WaveGan --write_synthetic--> WAV files, synthetic.csv, synthetic.json
    splits, synthetic.csv --add_synthetic--> the same splits, whose training parts have the synthetic clips besides
    Split, WaveGan --measure_synthetic_quality--> Quality: how far from real speech, and does the emotion come through

Only training speech goes in, the output records whose speech that was, and it is refused wherever one of these
speakers is in dev or test.
"""

from ser_tl.generate.addition import add_synthetic as add_synthetic
from ser_tl.generate.clips import write_synthetic as write_synthetic
from ser_tl.generate.gan import WaveGan as WaveGan
from ser_tl.generate.quality import Quality as Quality
from ser_tl.generate.quality import measure_synthetic_quality as measure_synthetic_quality
from ser_tl.generate.trainer import WaveGanTrainer as WaveGanTrainer
from ser_tl.generate.wavegan_config import WaveGanConfig as WaveGanConfig
