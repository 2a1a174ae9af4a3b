"""Commands that list what there is, and tidy the feature cache."""

import textwrap
from datetime import datetime

from jsonargparse import Namespace

from ser_tl.cli.table import print_table


def corpora(options: Namespace) -> int:  # noqa: ARG001
    """Prints the table of corpora."""
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


def encoders(options: Namespace) -> int:  # noqa: ARG001
    """Prints the table of encoders."""
    from ser_tl.encoders import ENCODERS, FAMILIES, availability

    rows = []
    for name, card in ENCODERS.items():
        values = [card.family, card.dim, card.layers, f"{card.parameters:.1f}", card.licence, availability(card)]
        rows.append([name, *map(str, values)])
    print_table(["name", "family", "channels", "layers", "million parameters", "licence", "weights"], rows)
    without = {"fused"} | {card.family for card in ENCODERS.values() if not card.source and not card.parameters}
    families = ", ".join(sorted(FAMILIES.keys() - without))
    print(f"\nAny folder or hub id whose config.json has one of these model types works as well: {families}")
    return 0


def cache(options: Namespace) -> int:
    """Prints what lies in the cache; status 1 if some of it is damaged."""
    from ser_tl.training.cache import FeatureCache

    found = FeatureCache()
    if options.action == "clear":
        size = sum(encoder.size for encoder in found.encoders())
        found.clear()
        print(f"{found.folder}: {size / 2**20:.1f} MiB deleted")
        return 0
    if options.action == "verify":
        damaged = found.verify(delete=options.delete)
        for path in damaged:
            print(f"{path}: damaged{', deleted' if options.delete else ''}")
        print(f"{found.folder}: {len(damaged)} of {sum(one.entries for one in found.encoders())} entries damaged")
        return 1 if damaged and not options.delete else 0
    rows = [
        [
            str(encoder.facts["encoder"]),
            " ".join(map(str, encoder.facts["layers"])),
            str(encoder.facts["precision"]),
            str(encoder.entries),
            f"{encoder.size / 2**20:.1f}",
            f"{datetime.fromtimestamp(encoder.used):%Y-%m-%d %H:%M}",
            encoder.folder.name,
        ]
        for encoder in found.encoders()
    ]
    print_table(["encoder", "layers", "precision", "clips", "MiB", "last used", "folder"], rows)
    print(f"\n{found.folder}, {sum(one.size for one in found.encoders()) / 2**20:.1f} MiB ($SER_TL_CACHE moves it)")
    return 0
