"""Emotion names: one canonical spelling each, the aliases corpora use, and the user's own mapping.

    corpus label --canonical()--> canonical name --EmotionMap--> the name the model learns, or dropped

Models and reports key everything by name. Numbers exist only inside a model, next to its list of names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ser_tl.errors import ConfigError, CorpusError, listing

ALIASES: Mapping[str, tuple[str, ...]] = {
    "anger": ("angry", "ang", "anger"),
    "boredom": ("bored", "boredom", "boredem", "bor"),  # boredem: as EmoBox's EMO-DB lists spell it
    "calm": ("calm", "calmness"),
    "contempt": ("contempt", "contemptuous", "con"),
    "disgust": ("disgust", "disgusted", "dis"),
    "excitement": ("excited", "excitement", "exc"),
    "fear": ("fear", "fearful", "afraid", "anxiety", "anxious", "anxiety/fear", "fea", "scared"),
    "frustration": ("frustrated", "frustration", "fru"),
    "happiness": ("happy", "happiness", "joy", "joyful", "hap"),
    "neutral": ("neutral", "neu", "neutrality"),
    "sadness": ("sad", "sadness", "sorrow"),
    "surprise": ("surprise", "surprised", "ps", "pleasant surprise", "pleasant_surprise", "sur"),
    "other": ("other", "oth"),
}
"""Canonical names, each with the spellings that mean it (compared in lower case)."""

EMOTIONS: tuple[str, ...] = tuple(ALIASES)
"""The canonical names."""

_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in aliases}


def canonical(label: str, *, where: str) -> str:
    """The canonical name of a corpus' own label.

    Args:
        label: the label as the corpus spells it
        where: the file and line it stands in, for the error

    Raises:
        CorpusError: no canonical name has this spelling
    """
    name = _CANONICAL.get(label.strip().lower())
    if name is None:
        raise CorpusError(
            f"{where}: unknown emotion {label!r}. Known are {', '.join(EMOTIONS)} and their usual spellings; "
            f"give other labels a meaning with the option emotions.rename, for example "
            f"--emotions.rename '{{\"{label}\": neutral}}'"
        )
    return name


@dataclass(frozen=True)
class EmotionMap:
    """How a corpus' emotions become the classes of a model.

    The steps are taken in this order: rename, then merge, then drop.

    Args:
        rename: a corpus' own spelling to the name it shall have; the only way in for a label that isn't canonical
        merge: class to the emotions it takes in, for example {happiness: [excitement]}
        drop: emotions whose utterances are left out
    """

    rename: dict[str, str] = field(default_factory=dict)
    merge: dict[str, list[str]] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        members = [member for taken in self.merge.values() for member in taken]
        twice = sorted({member for member in members if members.count(member) > 1})
        if twice:
            raise ConfigError(f"emotions.merge puts {', '.join(twice)} into two classes: name each emotion once")
        gone = sorted(set(self.drop) & set(members) - set(self.merge))
        if gone:
            raise ConfigError(
                f"emotions.drop names {', '.join(gone)}, which emotions.merge takes into a class before: take it out "
                f"of one of the two, or drop the class (classes of emotions.merge are {', '.join(self.merge)})"
            )

    @cached_property
    def labels(self) -> set[str]:
        """How the corpus spells its emotions: every label that `read` has told the name of."""
        return set()

    def read(self, label: str, *, where: str) -> str:
        """The name of a corpus' label: as `rename` says, else its canonical one.

        Raises:
            CorpusError: the label is neither renamed nor known
        """
        name = self.rename[label] if label in self.rename else canonical(label, where=where)
        self.labels.add(label)
        return name

    def target(self, emotion: str) -> str | None:
        """The class of an emotion; None when its utterances are dropped."""
        for name, members in self.merge.items():
            if emotion in members:
                emotion = name
                break
        return None if emotion in self.drop else emotion

    def check(self, present: Sequence[str]) -> None:
        """Refuses a mapping that names emotions the corpus doesn't have, most often a slip of the pen.

        Raises:
            ConfigError: `merge` or `drop` names an emotion that no utterance has, or `rename` a label that wasn't among
                those that were read
        """
        unread = sorted(set(self.rename) - self.labels)
        if unread and self.labels:
            raise ConfigError(
                f"the option emotions.rename names {', '.join(unread)}, which no utterance is labelled: give labels as "
                f"the corpus spells them. Those that were read are\n{listing(sorted(self.labels), most=30)}"
            )
        named = {member for members in self.merge.values() for member in members} | set(self.drop) - set(self.merge)
        unknown = sorted(named - set(present))
        if unknown:
            raise ConfigError(
                f"the options emotions.merge and emotions.drop name {', '.join(unknown)}, which no utterance has: "
                f"the corpus has {', '.join(sorted(present))}"
            )
