"""Emotion names: one canonical spelling each, the aliases corpora use, and the user's own mapping.

    corpus label --canonical()--> canonical name --EmotionMap--> the name the model learns, or dropped
    any name of an option --emotion_name()--> canonical name, or a class of the user's own

Models and reports key everything by name. Numbers exist only inside a model, next to its list of names. Whatever names
an emotion (data, the options emotions.rename, merge and drop, from_transformers) is read here and by nothing else: an
emotion under two names would be two classes.
"""

import difflib
import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

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


def emotion_name(label: object) -> str:
    """The one name of an emotion, or of a class of the user's own: canonical if it is known, else in lower case.

    Args:
        label: in any spelling, or a number, as YAML reads {0: angry}
    """
    plain = label_text(label)
    return _CANONICAL.get(plain.lower(), plain.lower())


def label_text(label: object) -> str:
    """A label as it is compared with others: text in Unicode's form C, without outer spaces."""
    return unicodedata.normalize("NFC", str(label)).strip()


def is_emotion(label: str) -> bool:
    """Whether a label is a usual spelling of a canonical name."""
    return label_text(label).lower() in _CANONICAL


def canonical_name(label: str, *, where: str) -> str:
    """The canonical name of a corpus' own label.

    Args:
        label: the label as the corpus spells it
        where: the file and line it stands in, for the error

    Raises:
        CorpusError: no canonical name has this spelling
    """
    if not is_emotion(label):
        raise CorpusError(
            f"{where}: unknown emotion {label!r}. Known are {', '.join(EMOTIONS)} and their usual spellings; "
            f"give other labels a meaning with the option emotions.rename, {propose_rename([label])}, or take them as "
            f"they are (emotions.free true)"
        )
    return emotion_name(label)


def propose_rename(labels: Iterable[str]) -> str:
    """All unknown labels with a meaning each: the nearest spelling where one is near, else EMOTION, to be filled in.

    Args:
        labels: as the corpus spells them
    """
    near = {label: difflib.get_close_matches(label.strip().lower(), _CANONICAL, n=1, cutoff=0.8) for label in labels}
    meant = {label: _CANONICAL[match[0]] if match else "EMOTION" for label, match in near.items()}
    pairs = [f"{json.dumps(label, ensure_ascii=False)}: {name}" for label, name in meant.items()]
    return f"for example emotions.rename '{{{', '.join(pairs)}}}'"


class EmotionName(str):
    """An emotion's name that knows the label it was read from.

    Attributes:
        label: as the corpus spells it
    """

    __slots__ = ("label",)
    label: str

    def __new__(cls, name: str, label: str) -> Self:
        """The name of a label."""
        emotion = super().__new__(cls, name)
        emotion.label = label
        return emotion


@dataclass(frozen=True)
class EmotionMap:
    """How a corpus' emotions become the classes of a model.

    The steps are taken in this order: rename, then merge, then drop. Names of emotions may be spelled in any usual way
    (happy, joy, Happiness); they are kept as `emotion_name` reads them.

    Args:
        rename: new names of the corpus' labels, {label: name}; needed for labels that aren't known emotions
        merge: emotions to merge into a class, for example {happiness: [excitement]}
        drop: emotions whose utterances are left out
        free: take the corpus' own class names as they are spelled, known emotions or not; other corpora and models
            then share a class only where they spell it likewise
    """

    rename: dict[str, str] = field(default_factory=dict)
    merge: dict[str, list[str]] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    free: bool = False

    def __post_init__(self) -> None:
        self._read_names()
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

    def _read_names(self) -> None:
        """Sets every name to its one spelling. YAML makes numbers of {0: angry}: labels are text."""
        odd = [repr(name) for name in [*self.rename, *self.merge] if name is None or isinstance(name, bool)]
        if odd:
            raise ConfigError(
                f"emotions.rename or emotions.merge names {', '.join(odd)}, which is how YAML reads no, yes, on, "
                f'off and null: put the label in quotes, {{"no": neutral}}'
            )
        for option, names in (("rename", map(label_text, self.rename)), ("merge", map(self.name, self.merge))):
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise ConfigError(
                    f"emotions.{option} names {', '.join(twice)} in two spellings "
                    f"({', '.join(map(repr, getattr(self, option)))}): name each once"
                )
        rename = {label_text(label): self.name(name) for label, name in self.rename.items()}
        merge = {self.name(name): list(dict.fromkeys(map(self.name, taken))) for name, taken in self.merge.items()}
        object.__setattr__(self, "rename", rename)
        object.__setattr__(self, "merge", merge)
        object.__setattr__(self, "drop", list(dict.fromkeys(map(self.name, self.drop))))

    def name(self, label: object) -> str:
        """The one name of an emotion or class: as it is spelled where names are free, else as `emotion_name` has it."""
        return label_text(label) if self.free else emotion_name(label)

    def read(self, label: str, *, where: str) -> EmotionName:
        """The name of a corpus' label: as `rename` says, else its canonical one. It carries the label.

        Raises:
            CorpusError: the label is neither renamed nor known
        """
        plain = label_text(label)
        name = self.rename.get(plain)
        if name is None:
            name = plain if self.free else canonical_name(label, where=where)
        return EmotionName(name, plain)

    def renames(self, label: str) -> bool:
        """Whether the user gave a label a meaning."""
        return label_text(label) in self.rename

    def target(self, emotion: str) -> str | None:
        """The class of an emotion; None when its utterances are dropped."""
        for name, members in self.merge.items():
            if emotion in members:
                emotion = name
                break
        return None if emotion in self.drop else emotion

    def check(self, present: Sequence[str], labels: Collection[str] = ()) -> None:
        """Refuses a mapping that names emotions the corpus doesn't have, most often a slip of the pen.

        Args:
            present: the emotions that utterances or votes have
            labels: how the corpus spells them; empty where that isn't known

        Raises:
            ConfigError: `merge` or `drop` names an emotion that no utterance has, or `rename` a label that isn't among
                the corpus' own; or free names differ in case alone
        """
        unread = sorted(set(self.rename) - set(labels))
        if unread and labels:
            raise ConfigError(
                f"the option emotions.rename names {', '.join(unread)}, which no utterance is labelled: give labels as "
                f"the corpus spells them. Those that were read are\n{listing(sorted(labels), most=30)}"
            )
        alike = Counter(name.casefold() for name in set(present))
        twice = sorted(name for name in set(present) if alike[name.casefold()] > 1)
        if twice:
            raise ConfigError(
                f"emotions.free takes {', '.join(twice)} for classes of their own, which differ in case alone: give "
                f"them one name, for example emotions.rename '{{{twice[0]}: {twice[-1]}}}'"
            )
        named = {member for members in self.merge.values() for member in members} | set(self.drop) - set(self.merge)
        unknown = sorted(named - set(present))
        if unknown:
            raise ConfigError(
                f"the options emotions.merge and emotions.drop name {', '.join(unknown)}, which no utterance has: "
                f"the corpus has {', '.join(sorted(present))}"
            )
