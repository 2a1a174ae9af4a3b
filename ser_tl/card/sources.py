"""What a model was made from, and under which terms: corpora and encoders by their names.

    "ravdess" --corpus_source()--> Source(title, licence, terms)      "hubert-base+mfcc" --encoder_sources()--> [Source]

The licences are those of CORPORA and ENCODERS; what stands in neither is said to be unknown, never guessed.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ser_tl.corpora import CORPORA
from ser_tl.encoders import ENCODERS
from ser_tl.hub import HUB_ID

Terms = Literal["free", "non-commercial", "unknown"]

_RESTRICTED = {"nc", "noncommercial", "non", "research", "academic"}
_FREE = {"cc", "cc0", "mit", "apache", "bsd", "odbl"}
NOTHING_NEEDED = "none needed"
UNKNOWN = "its own, which ser_tl doesn't know"


@dataclass(frozen=True)
class Source:
    """A corpus or an encoder.

    Args:
        name: what it is called by options
        title: its full name
        licence: what its authors allow, in their words
        languages: ISO 639-1 codes, where they are known
        hub_id: where it is on the hub; empty if it isn't there
        style: of a corpus: how its speech came about, acted for example; empty if that isn't known
    """

    name: str
    title: str
    licence: str
    languages: tuple[str, ...] = ()
    hub_id: str = ""
    style: str = ""

    @property
    def terms(self) -> Terms:
        """Whether use is free, kept to research and the like, or not known."""
        words = set(re.findall(r"[a-z0-9]+", self.licence.lower()))
        if words & _RESTRICTED:
            return "non-commercial"
        return "free" if words & _FREE or self.licence == NOTHING_NEEDED else "unknown"


def corpus_source(name: str) -> Source:
    """The corpus that a name of CORPORA, or a corpus' own column, means."""
    if name not in CORPORA:
        return Source(name, name, UNKNOWN)
    reader = CORPORA[name]
    return Source(name, reader.title, reader.licence, reader.languages, style=reader.style)


def encoder_sources(name: str) -> list[Source]:
    """The encoders that an encoder's name means; several are joined by +."""
    sources = []
    for encoder in name.split("+") if not Path(name).exists() else [name]:
        if encoder in ENCODERS:
            card = ENCODERS[encoder]
            hub_id = card.source if HUB_ID.fullmatch(card.source) and not card.bundled else ""
            sources.append(Source(encoder, encoder, card.licence, hub_id=hub_id))
        elif HUB_ID.fullmatch(encoder) and not Path(encoder).exists():
            sources.append(Source(encoder, encoder, UNKNOWN, hub_id=encoder))
        elif encoder:  # a folder: its path isn't published
            sources.append(Source(Path(encoder).name, Path(encoder).name, UNKNOWN))
    return sources
