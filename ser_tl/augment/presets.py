"""Chains of transforms after published recipes, by name.

What a recipe leaves open is at the transform's default. Where a paper draws from a list, the range spans it.
"""

from dataclasses import dataclass
from typing import Any

from ser_tl.registry import Registry


@dataclass(frozen=True)
class Preset:
    """A chain.

    Args:
        source: whose recipe it is, and what differs from it
        chain: transforms, in order, to the options that aren't their defaults
    """

    source: str
    chain: dict[str, dict[str, Any]]


PRESETS: Registry[Preset] = Registry("augmentation preset")
"""Presets by name."""

for _name, _preset in {
    "ser": Preset(
        "what recipes for speech emotion recognition have in common: white noise at 20 dB, tempo by 15 %, pitch by 50 "
        "cents",
        {
            "stretch": {"probability": 0.3},
            "pitch": {"probability": 0.3},
            "noise": {"probability": 0.5, "snr": 20},
        },
    ),
    "speed-perturbation": Preset(
        "Ko et al. 2015, Audio augmentation for speech recognition: speeds 0.9, 1.0 and 1.1. They triple the data, "
        "here each clip is drawn anew in each epoch",
        {"speed": {"probability": 1.0, "factor": [0.9, 1.1], "step": 0.1}},
    ),
    "specaugment": Preset(
        "Park et al. 2019, SpecAugment, policy LD without time warping: two stretches of up to 27 of 80 bands and two "
        "of time. For encoders with a log-mel front end",
        {"mask-mel": {"time": [0.0, 0.4], "time_stretches": 2, "bands": [0.0, 0.67], "band_stretches": 2}},
    ),
    "wav2vec2": Preset(
        "Baevski et al. 2020, wav2vec 2.0, as it is fine-tuned on little speech: spans of time and of channels, here "
        "on the states that the head sees rather than on the first layer's input",
        {"mask": {"time": [0.3, 0.5], "time_stretches": 8, "channels": [0.0, 0.25], "channel_stretches": 4}},
    ),
    "robust": Preset(
        "Snyder et al. 2018, X-vectors: each clip reverberant, or with babble (13 to 20 dB) or noise (0 to 15 dB), or "
        "as it is. Here each is drawn by itself, and noise colours stand in for MUSAN unless background names a folder",
        {
            "reverb": {"probability": 0.25},
            "babble": {"probability": 0.25, "snr": [13, 20], "voices": [3, 7]},
            "background": {"probability": 0.25, "snr": [0, 15]},
        },
    ),
    "environment": Preset(
        "Salamon and Bello 2017, Deep convolutional neural networks and data augmentation for environmental sound: "
        "tempo 0.81 to 1.23, pitch by up to 3.5 semitones, background sound",
        {
            "stretch": {"probability": 0.25, "factor": [0.81, 1.23]},
            "pitch": {"probability": 0.25, "cents": [-350, 350]},
            "background": {"probability": 0.25},
        },
    ),
    "telephone": Preset(
        "for models of telephone speech: G.711 (ITU-T) and GSM full rate on half of the clips, at other levels",
        {"gain": {"probability": 0.5}, "telephone": {"probability": 0.5}},
    ),
    "field": Preset(
        "for recordings as they come: late starts, rooms, noises of three colours, babble, silence and room tone at "
        "the ends, levels, clipping, telephones, Opus and MP3, at probabilities that leave one clip in eight as it is. "
        "no published recipe: docs/robustness.md measures it",
        {
            "crop": {"probability": 0.15, "keep": [0.6, 1.0]},
            "reverb": {"probability": 0.3, "seconds": [0.2, 0.8], "lead": [-2.0, 12.0]},
            "background": {"probability": 0.35, "snr": [3.0, 30.0]},
            "babble": {"probability": 0.1, "snr": [10.0, 25.0]},
            "silence": {"probability": 0.25},
            "gain": {"probability": 0.3, "decibels": [-20.0, 6.0]},
            "clipping": {"probability": 0.05},
            "telephone": {"probability": 0.12},
            "codec": {"probability": 0.12},
        },
    ),
    "mixup": Preset("Zhang et al. 2018, mixup, alpha 0.4", {"mixup": {"probability": 1.0, "alpha": 0.4}}),
    "manifold-mixup": Preset(
        "Verma et al. 2019, Manifold mixup, at the embedding alone, alpha 2",
        {"mixup-embedding": {"probability": 1.0, "alpha": 2.0}},
    ),
    "everything": Preset(
        "each transform that suits any encoder, at moderate probabilities: no published recipe; throughput is "
        "measured on",
        {
            "crop": {"probability": 0.3},
            "speed": {"probability": 0.3},
            "stretch": {"probability": 0.2},
            "pitch": {"probability": 0.2},
            "reverb": {"probability": 0.2},
            "noise": {"probability": 0.3},
            "background": {"probability": 0.2},
            "babble": {"probability": 0.2},
            "telephone": {"probability": 0.1},
            "gain": {"probability": 0.5},
            "mixup": {"probability": 0.3},
            "mask": {},
            "mixup-embedding": {"probability": 0.3},
        },
    ),
}.items():
    PRESETS.register(_name)(_preset)
