"""A labelled source and an unlabelled target: training speakers, and the clips that the model is adapted to.

    source, target --cross_domain()--> Split(train and dev from the source, test: the target), notes

Both keep the emotions that they share. The target's clips may be used in training, but their emotions are not looked
at: dev speakers come out of the source, so that no label of the target chooses anything.
"""

from collections.abc import Collection

from datasets import Dataset

from ser_tl.data.long_tail import thin_classes
from ser_tl.data.schema import emotions
from ser_tl.data.speakers import UNKNOWN, normalise_speaker
from ser_tl.data.split import Split
from ser_tl.data.splits import SplitConfig, hold_out_dev
from ser_tl.errors import SplitError, listing


def cross_domain(
    source: Dataset,
    target: Dataset,
    *,
    speakers: Collection[str] = (),
    config: SplitConfig | None = None,
    seed: int = 0,
) -> tuple[Split, list[str]]:
    """The split of a transfer between two domains.

    Args:
        source: whose emotions are known
        target: what is tested on; may be the same corpus as the source, if `speakers` divides it
        speakers: whose clips are the target, all of the target's if empty; they are taken out of the source
        config: `dev` is the share of the source's speakers that choose the epoch
        seed: chooses them, unless the config has a seed for that

    Returns:
        The split, and lines for the report: what was left out, and what the test clips were used for.

    Raises:
        SplitError: fewer than two shared emotions, unknown speakers, or too few of them in the source
    """
    speakers = {normalise_speaker(name) for name in speakers}
    strangers = sorted(set(speakers) - set(target["speaker"][:]))
    if strangers:
        raise SplitError(
            f"target_speakers: {len(strangers)} of them aren't in the target, whose speakers are "
            f"{', '.join(sorted(set(target['speaker'][:])))}\n{listing(strangers)}"
        )
    if speakers:
        target = _rows(target, "speaker", set(speakers))
        source = _rows(source, "speaker", set(source["speaker"][:]) - set(speakers))
    shared = sorted(set(emotions(source)) & set(emotions(target)))
    if len(shared) < 2:
        raise SplitError(
            f"source and target share {len(shared)} emotions, two or more are needed: the source has "
            f"{', '.join(emotions(source))}, the target {', '.join(emotions(target))}; "
            f"emotions.rename and emotions.merge (target_emotions.rename and so on of the target) bring names together"
        )
    notes = []
    for name, corpus in (("source", source), ("target", target)):
        left_out = sorted(set(emotions(corpus)) - set(shared))
        if left_out:
            notes.append(f"The {name}'s {', '.join(left_out)} are left out: the other domain has none.")
    source, target = _rows(source, "emotion", set(shared)), _rows(target, "emotion", set(shared))
    if set(source["corpus"][:]) & set(target["corpus"][:]):  # two domains none the less, for statistics by corpus too
        names = [f"{name} (target)" for name in target["corpus"][:]]
        renamed = target.remove_columns("corpus").add_column("corpus", names, feature=target.features["corpus"])
        target = renamed.select_columns(target.column_names)
    config = config or SplitConfig()
    if not len(source):
        raise SplitError("target_speakers names all speakers of the source: leave some to train on")
    seed = seed if config.seed is None else config.seed
    train, dev = hold_out_dev(source, config.dev, seed)
    train_speakers, dev_speakers = set(train["speaker"][:]), set(dev["speaker"][:])
    split = Split(
        train=thin_classes(train, config.tail, seed=seed),
        dev=dev,
        test=target,
        name=f"{_name(source)} to {_name(target)}",
        shared_dev=train_speakers == dev_speakers,
    )
    notes.append(
        f"Across domains: learned on {_people(train_speakers)} of {_name(source)}, the epoch chosen on "
        f"{'other clips' if train_speakers == dev_speakers else f'{len(dev_speakers)} others'} of it, tested on "
        f"{_people(set(target['speaker'][:]))} of {_name(target)}. What adapts to the target without labels does so on "
        f"the very clips that are tested."
    )
    return split, notes


def _people(speakers: Collection[str]) -> str:
    return "unknown speakers" if UNKNOWN in speakers else f"{len(speakers)} speakers"


def _name(corpus: Dataset) -> str:
    return "+".join(sorted(set(corpus["corpus"][:])))


def _rows(corpus: Dataset, column: str, wanted: Collection[str]) -> Dataset:
    return corpus.select([row for row, value in enumerate(corpus[column][:]) if value in wanted])
