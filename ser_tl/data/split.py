"""Three parts of a corpus, and what a report on them has to say.

    Split(train, dev, test) -> refused, or apart by speaker and audio; notes -> what was compared, and what isn't so

`Split` refuses a speaker, or the very same audio, in two parts, so no protocol and no user can build a leaking one by
accident. There are three exceptions, by name, each of which the report tells:

    shared_speakers   published folds that test on training speakers (EmoBox's of EMO-DB), to reproduce figures on them
    by_clip           clips divided whoever speaks, where nobody knows who does
    shared_dev        the epoch is chosen on clips of training speakers; test speakers are others all the same
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import combinations

from datasets import Dataset

from ser_tl.data.copies import Stretch, copies, stretches
from ser_tl.data.schema import NAMESAKES, SYNTHETIC
from ser_tl.data.speakers import UNKNOWN, find_confusable, name_groups
from ser_tl.errors import SplitError, listing


@dataclass(frozen=True)
class Split:
    """Three parts of a corpus that share neither a speaker, unless that is asked for, nor audio.

    Args:
        train: what is learned from
        dev: what the epoch is chosen on
        test: what is reported
        name: the fold's name
        shared_speakers: the same speakers may be in several parts; only to reproduce figures that others published so
        by_clip: clips were divided whoever speaks; implies `shared_speakers`
        shared_dev: train and dev may share speakers, where there is one besides the test speakers
        remarks: what a report has to say besides

    Attributes:
        compared: what was compared to find copies, a sentence

    Raises:
        SplitError: a part is empty, two parts share a speaker without leave, or the very same audio (`data.copies`
            says what that is), or dev or test has an emotion that no training utterance has, or a synthetic clip
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    name: str = "holdout"
    shared_speakers: bool = False
    by_clip: bool = False
    shared_dev: bool = False
    remarks: tuple[str, ...] = ()
    compared: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        if self.by_clip:
            object.__setattr__(self, "shared_speakers", True)
        for part, corpus in parts.items():
            if not len(corpus):
                raise SplitError(f"split {self.name}: the {part} part is empty")
            made = corpus["speaker"][:].count(SYNTHETIC)
            if made and part != "train":
                raise SplitError(
                    f"split {self.name}: {made} synthetic clips are in the {part} part, where only real speech tells "
                    f"anything: take them out of the corpus, and add them to the training part with --synthetic"
                )
        audio = {part: stretches(corpus) for part, corpus in parts.items()}
        for one, other in combinations(parts, 2):
            if not self.shared_speakers and not (self.shared_dev and {one, other} == {"train", "dev"}):
                self._refuse_shared(one, other, set(parts[one]["speaker"][:]), set(parts[other]["speaker"][:]))
            twice = [f"{first} ({one}) = {second} ({other})" for first, second in copies(audio[one], audio[other])]
            if twice:
                raise SplitError(
                    f"split {self.name}: {len(twice)} utterances of {one} and {other} are the very same audio, or more "
                    f"than half of it; remove the copies, or give what is heard together to one speaker or session\n"
                    f"{listing(twice)}"
                )
        missing = sorted((set(self.dev["emotion"][:]) | set(self.test["emotion"][:])) - set(self.train["emotion"][:]))
        if missing:
            raise SplitError(
                f"split {self.name}: no training utterance is labelled {', '.join(missing)}, so it can't be learned: "
                f"drop it (--emotions.drop '[{', '.join(missing)}]'), merge it, or choose another --seed"
            )
        object.__setattr__(self, "compared", _compared([stretch for part in audio.values() for stretch in part]))

    def _refuse_shared(self, one: str, other: str, speakers: set[str], others: set[str]) -> None:
        shared = sorted(speakers & others)
        if UNKNOWN in shared:
            raise SplitError(
                f"split {self.name}: of clips in both {one} and {other} nobody knows who speaks, so its scores could "
                f"not be called speaker-independent; say who speaks, or divide by clip (--protocol clips), which the "
                f"report will say"
            )
        if shared:
            raise SplitError(
                f"split {self.name}: {len(shared)} speakers are in both {one} and {other}, so its scores would "
                f"not be speaker-independent; choose a protocol that divides by speaker (holdout, loso, kfold). "
                f"Only to reproduce figures published on these very folds: --split.shared_speakers true, which "
                f"the report will say. {NAMESAKES}\n{listing(shared)}"
            )
        groups = find_confusable(speakers | others)
        if groups:
            raise SplitError(
                f"split {self.name}: {len(groups)} speakers of {one} and {other} may be one person in two "
                f"spellings: spell each in one way. {NAMESAKES}\n{listing(name_groups(groups))}"
            )

    @property
    def shared(self) -> list[str]:
        """The speakers of the test part that training may know.

        Those whom train or dev know as well, of published folds; all, where clips were divided whoever speaks; none
        else.
        """
        tested = set(self.test["speaker"][:])
        return sorted(tested if self.by_clip else tested & {*self.train["speaker"][:], *self.dev["speaker"][:]})

    @property
    def ids(self) -> dict[str, list[str]]:
        """The utterance ids of each part."""
        return {"train": self.train["id"][:], "dev": self.dev["id"][:], "test": self.test["id"][:]}

    @property
    def notes(self) -> list[str]:
        """What every report on the split has to say."""
        return [*self.remarks, *([SHARED_DEV_NOTE] if self.shared_dev else []), self.compared]


SHARED_DEV_NOTE = (
    "The epoch was chosen on clips of a speaker that was trained on as well, as there is no other; test speakers are "
    "others. Dev scores are too high, and say little about which epoch suits other speakers."
)


def _compared(audio: Collection[Stretch]) -> str:
    decoded = sum(stretch.samples is not None for stretch in audio)
    how = "decoded samples" if decoded == len(audio) else f"decoded samples (of {decoded} of {len(audio)} clips)"
    return (
        f"Train, dev and test were compared for copies: equal {f'{how}, ' if decoded else ''}files' bytes, and parts "
        f"of one file that overlap by half. A copy that was encoded anew, resampled, cut or mixed isn't found by that."
    )


def shared_note(known: Collection[str], tested: Collection[str]) -> str:
    """What a report has to say when a model is tested on speakers it knows, or may know.

    Args:
        known: the speakers of the test part whom the model knows from training or from choosing the epoch
        tested: all speakers of the test part
    """
    nothing = "say nothing about speakers the model hasn't heard."
    if UNKNOWN in known:
        return (
            f"NOT speaker-independent: nobody knows who speaks in these clips, so one voice may be in training and "
            f"test (--protocol clips). Compare these figures only with others on the same folds; they {nothing}"
        )
    return (
        f"NOT speaker-independent: {len(set(known))} of the {len(set(tested))} speakers tested on were trained on as "
        f"well (--protocol clips or --split.shared_speakers). Compare these figures only with others on the same "
        f"folds; they {nothing}"
    )
