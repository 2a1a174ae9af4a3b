"""`ser-tl augment`: augmented clips as audio and pictures."""

from jsonargparse import Namespace

from ser_tl.cli.output import make_folder
from ser_tl.errors import ConfigError
from ser_tl.files import write_atomically

CHAINS = 3
"""How many examples of a whole chain are written."""


def augment(options: Namespace) -> int:
    """Writes a FLAC file of each example, and the picture of all."""
    import soundfile

    from ser_tl.augment import AugmentConfig, Augmenter, Example, preview_transforms
    from ser_tl.augment.preview import HOP, log_mel
    from ser_tl.corpora import load_corpus
    from ser_tl.data.audio import SAMPLE_RATE, decode
    from ser_tl.data.checks import audio_source
    from ser_tl.data.emotions import EmotionMap
    from ser_tl.reporting import plots

    if options.seed < 0:
        raise ConfigError(f"--seed is {options.seed}: expected 0 or more")
    if not options.max_seconds >= 0.1:
        raise ConfigError(f"--max_seconds is {options.max_seconds}: clips need at least 0.1 s")
    make_folder(options.output)
    config = AugmentConfig(**vars(options.augment))
    waveform = decode(options.file)[: round(options.max_seconds * SAMPLE_RATE)]
    emotions = EmotionMap(**vars(options.emotions))
    corpus = load_corpus(options.corpus, options.root, emotions=emotions, columns=options.columns)
    chosen = corpus.shuffle(seed=options.seed).select(range(min(16, len(corpus))))
    voices = [decode(audio_source(row), row["start"], row["end"]) for row in chosen]
    previews = list(preview_transforms(waveform, config, voices, options.seed))
    if config.transform_options:
        hear = Augmenter(config, voices, options.seed)
        for number in range(CHAINS):
            augmented = hear([waveform, *voices[:3]], number)[0]
            seconds = f"{len(augmented) / SAMPLE_RATE:.2f} s, each transform at its probability"
            previews.append(Example(f"whole chain {number + 1}", augmented, log_mel(augmented), seconds))
    for number, example in enumerate(previews):
        path = options.output / f"{number:02}_{example.name.replace(' ', '_')}.flac"
        if example.audible:
            with write_atomically(path, durable=False) as part:
                soundfile.write(part, example.waveform, SAMPLE_RATE, format="FLAC")
        print(f"{path if example.audible else '(in the picture)'}  {example.drawn}")
    picture = options.output / "augmentation.png"
    panels = [(preview.name, preview.drawn, preview.mel) for preview in previews]
    title = f"{options.file.name}, as training uses it"
    plots.augmentation_picture(panels, picture, hop=HOP / SAMPLE_RATE, title=title)
    print(picture)
    return 0
