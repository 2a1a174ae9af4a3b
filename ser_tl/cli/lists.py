"""Commands that list what there is, tell what is in a corpus, and tidy the feature cache."""

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ser_tl.cli.corpus_arguments import load_named
from ser_tl.cli.table import print_table

if TYPE_CHECKING:
    from ser_tl.data.agreement import AnnotatorAgreement
    from ser_tl.data.summary import Share


def corpora(options: Namespace) -> int:
    """Prints the table of corpora, or what is in one of them."""
    if options.name is not None:
        return _corpus(options)
    from ser_tl.corpora import CORPORA

    rows = [
        [name, reader.title, ", ".join(reader.languages) or "any", reader.licence, "yes" if reader.bundled else ""]
        for name, reader in sorted(CORPORA.items())
    ]
    print_table(["name", "corpus", "language", "licence", "bundled"], rows)
    print("\nWhat --root is, where nothing is bundled:")
    for name, reader in sorted(CORPORA.items()):
        if not reader.bundled:
            print(textwrap.fill(reader.layout, 100, initial_indent=f"  {name:13}", subsequent_indent=" " * 15))
    return 0


def _corpus(options: Namespace) -> int:
    """Prints what there is of each emotion in a corpus, and how far its annotators agree."""
    from ser_tl.data.combination import select_classes
    from ser_tl.data.summary import Summary

    corpus, notes = load_named(options, options.name)
    _, classes = select_classes(corpus, "all")
    print("".join(f"{note}\n" for note in [*notes, *classes]), end="")
    summary = Summary.from_corpus(corpus)
    rated = summary.total.recognised is not None
    rows = [_share(name, share, rated=rated) for name, share in [*summary.emotions.items(), ("all", summary.total)]]
    print_table(["emotion", "utterances", "minutes", "speakers", *(["recognised %"] if rated else [])], rows)
    languages = ", ".join(f"{name} {count}" for name, count in summary.languages.items())
    print(f"\nlanguages: {languages}")
    print(
        "votes: none of two or more on an utterance"
        if summary.agreement is None
        else _describe_agreement(summary.agreement)
    )
    return 0


def _share(name: str, share: "Share", *, rated: bool) -> list[str]:
    """A row of the table."""
    rate = "" if share.recognised is None else f"{100 * share.recognised:.1f}"
    return [name, str(share.utterances), f"{share.seconds / 60:.1f}", str(share.speakers), *([rate] if rated else [])]


def _describe_agreement(agreement: "AnnotatorAgreement") -> str:
    """The agreement of annotators, in words."""
    alpha = "not defined, all votes are the same" if agreement.alpha is None else f"{agreement.alpha:.3f}"
    return (
        f"votes: {agreement.utterances} utterances with two or more, {agreement.votes:.1f} on each\n"
        f"Krippendorff's alpha: {alpha} (1 is agreement throughout, 0 is chance)\n"
        f"unanimous: {100 * agreement.unanimous:.1f} %, tied: {100 * agreement.tied:.1f} %, "
        f"the corpus' own emotion has the most votes alone: {100 * agreement.corpus_label:.1f} %"
    )


def encoders(options: Namespace) -> int:  # noqa: ARG001
    """Prints the table of encoders."""
    from ser_tl.encoders import ENCODERS, FAMILIES, describe_availability

    rows = []
    for name, card in ENCODERS.items():
        values = [
            card.family,
            card.dim,
            card.layers,
            f"{card.parameters:.1f}",
            card.licence,
            describe_availability(card),
        ]
        rows.append([name, *map(str, values)])
    print_table(["name", "family", "channels", "layers", "million parameters", "licence", "weights"], rows)
    without = {"fused"} | {card.family for card in ENCODERS.values() if not card.source and not card.parameters}
    families = ", ".join(sorted(FAMILIES.keys() - without))
    print(f"\nAny folder or hub id whose config.json has one of these model types works as well: {families}")
    return 0


def cache(options: Namespace) -> int:
    """Prints what lies in the cache; status 1 if some of it is damaged."""
    from ser_tl.cache.cache_folder import FACTS_FILE, SUFFIX
    from ser_tl.cache.feature_cache import FeatureCache

    store = FeatureCache()
    if options.action == "clear":
        size = sum(encoder.size for encoder in store.encoders())
        store.clear()
        print(f"{store.folder}: {size / 2**20:.1f} MiB deleted")
        return 0
    if options.action == "verify":
        total = sum(item.entries for item in store.encoders())
        damaged = store.verify(delete=options.delete)
        for path in damaged:
            print(f"{path}: damaged{', deleted' if options.delete else ''}")
        entries = sum(path.suffix == SUFFIX for path in damaged)
        facts = len(damaged) - entries
        print(f"{store.folder}: {entries} of {total} entries damaged{f', {facts} {FACTS_FILE} too' if facts else ''}")
        return 1 if damaged and not options.delete else 0
    rows = [
        [
            str(encoder.facts.get("encoder", "?")),
            " ".join(map(str, encoder.facts.get("layers", "?"))),
            str(encoder.facts.get("precision", "?")),
            str(encoder.facts.get("content", "frames")),
            str(encoder.entries - encoder.views),
            str(encoder.views),
            f"{encoder.size / 2**20:.1f}",
            f"{datetime.fromtimestamp(encoder.used):%Y-%m-%d %H:%M}",
            encoder.folder.name,
        ]
        for encoder in store.encoders()
    ]
    print_table(["encoder", "layers", "precision", "kept", "clips", "views", "MiB", "last used", "folder"], rows)
    print(f"\n{store.folder}, {sum(item.size for item in store.encoders()) / 2**20:.1f} MiB ($SER_TL_CACHE moves it)")
    return 0
