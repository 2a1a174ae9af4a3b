"""What every recipe begins with: the options' corpus, read through and relabelled, and its splits.

options --load_checked--> corpus, notes --load_splits--> splits of the protocol, with the notes
options of two domains --load_domains--> one split from the source's speakers to the target's

Several corpora are one from here on: `corpora.several` reads them, `data.combination` keeps their names apart.
"""

from collections.abc import Sequence
from dataclasses import replace

from datasets import Dataset

from ser_tl.corpora import load_corpora, load_corpus
from ser_tl.data.checks import check_audio
from ser_tl.data.combination import column_ranges, refuse_shared_audio, select_classes
from ser_tl.data.domains import cross_domain
from ser_tl.data.splits import Split, make_splits
from ser_tl.data.votes import relabel
from ser_tl.generate import add_synthetic
from ser_tl.options import DomainOptions, Options
from ser_tl.runtime.processes import processes


def load_checked(options: Options) -> tuple[Dataset, list[str]]:
    """The corpus or corpora that the options name: every file read through, emotions as the options want them.

    Returns:
        The corpus, and notes for reports: what was left out, whose labels count, and of several corpora which names and
        emotions were merged, changed or left out, which is printed as well.

    Raises:
        CorpusError: it can't be read
        AudioError: files can't be used, and aren't to be left out
    """
    corpus, combined = load_corpora(options.corpus, options.root, emotions=options.emotions, columns=options.columns)
    corpus, skipped = check_audio(corpus, skip_unreadable=options.skip_unreadable)
    corpus, voted = relabel(corpus, options.labels)
    if not combined:
        return corpus, [*skipped, *voted]
    refuse_shared_audio(corpus)
    combined += _describe_scales(corpus, options.dimensions.names)
    corpus, classes = select_classes(corpus, options.labels.classes)
    combined += classes
    processes().print("\n".join(combined))
    return corpus, [*combined, *skipped, *voted]


def _describe_scales(corpus: Dataset, dimensions: Sequence[str]) -> list[str]:
    """A note on each dimension that several corpora annotate, for they may do so on other scales."""
    notes = []
    for name in dimensions:
        ranges = column_ranges(corpus, name)
        if len(ranges) > 1:
            spans = ", ".join(f"{home} {low:g} to {high:g}" for home, (low, high) in ranges.items())
            notes.append(f"The {name} of several corpora is learned as one, each on its own scale: {spans}.")
    return notes


def load_splits(options: Options) -> list[Split]:
    """The splits of the options' protocol, with their synthetic clips, if any; their notes say what reports have to.

    Raises:
        CorpusError, AudioError: as of `load_checked`
        SplitError: too few speakers, or folds that don't fit the corpus
    """
    corpus, notes = load_checked(options)
    splits = make_splits(corpus, options.protocol, options.split, folds=options.folds, seed=options.seed)
    return [with_remarks(split, notes) for split in add_synthetic(splits, options.synthetic)]


def load_domains(options: DomainOptions) -> Split:
    """One split: the source's speakers train and choose the epoch, the target's are tested.

    Raises:
        CorpusError, AudioError: as of `load_checked`
        SplitError: the domains share speakers, or there are too few of them
    """
    source, notes = load_checked(options)
    target = load_corpus(
        options.target, options.target_root, emotions=options.target_emotions, columns=options.target_columns
    )
    target, skipped = check_audio(target, skip_unreadable=options.skip_unreadable)
    split, crossed = cross_domain(
        source, target, speakers=options.target_speakers, config=options.split, seed=options.seed
    )
    (split,) = add_synthetic([split], options.synthetic)
    return with_remarks(split, [*crossed, *(f"Of the source: {note}" for note in notes), *skipped])


def with_remarks(split: Split, notes: list[str]) -> Split:
    """The split, whose reports say these notes as well."""
    return replace(split, remarks=(*split.remarks, *notes)) if notes else split
