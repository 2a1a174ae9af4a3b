"""Three parts of a corpus, and what a report on them has to say.

    Split(train, dev, test) -> refused, or apart by speaker and audio; notes -> what was compared, and what isn't so

`Split` refuses a speaker, or the very same audio, in two parts, so no protocol and no user can build a leaking one by
accident. There are three exceptions, by name, each of which the report states:

    shared_speakers   published folds that test on training speakers (EmoBox's of EMO-DB), to reproduce figures on them
    by_clip           clips are divided, where the speakers are unknown
    shared_dev        the epoch is chosen on clips of training speakers; test speakers are others all the same
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import combinations

from datasets import Dataset

from ser_tl.data.duplicates import AudioSpan, audio_spans, find_duplicates
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
        by_clip: clips were divided without regard to speakers; implies `shared_speakers`
        shared_dev: train and dev may share speakers, where there is one besides the test speakers
        remarks: what a report has to say besides

    Attributes:
        compared: what was compared to find copies, a sentence

    Raises:
        SplitError: a part is empty, two parts share a speaker without leave, or the very same audio (`data.duplicates`
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
            synthetic = corpus["speaker"][:].count(SYNTHETIC)
            if synthetic and part != "train":
                raise SplitError(
                    f"split {self.name}: {synthetic} synthetic clips are in the {part} part, which has to be real "
                    f"speech: take them out of the corpus, and add them to the training part with `synthetic`"
                )
        audio = {part: audio_spans(corpus) for part, corpus in parts.items()}
        for part, other in combinations(parts, 2):
            if not self.shared_speakers and not (self.shared_dev and {part, other} == {"train", "dev"}):
                self._refuse_shared(part, other, set(parts[part]["speaker"][:]), set(parts[other]["speaker"][:]))
            twice = [
                f"{first} ({part}) = {second} ({other})" for first, second in find_duplicates(audio[part], audio[other])
            ]
            if twice:
                raise SplitError(
                    f"split {self.name}: {len(twice)} utterances of {part} and {other} are the very same audio, or "
                    f"more than half of it; remove the copies, or give what overlaps to one speaker or session\n"
                    f"{listing(twice)}"
                )
        missing = sorted((set(self.dev["emotion"][:]) | set(self.test["emotion"][:])) - set(self.train["emotion"][:]))
        if missing:
            raise SplitError(
                f"split {self.name}: no training utterance is labelled {', '.join(missing)}, so it can't be learned: "
                f"drop it (emotions.drop '[{', '.join(missing)}]'), merge it, or choose another `seed`"
            )
        object.__setattr__(self, "compared", _describe_comparison([span for part in audio.values() for span in part]))

    def _refuse_shared(self, part: str, other: str, speakers: set[str], others: set[str]) -> None:
        shared = sorted(speakers & others)
        if UNKNOWN in shared:
            raise SplitError(
                f"split {self.name}: the speakers of clips in both {part} and {other} are unknown, so its scores could "
                f"not be called speaker-independent; name the speakers, or divide by clip (`protocol` clips), and the "
                f"report will say so"
            )
        if shared:
            raise SplitError(
                f"split {self.name}: {len(shared)} speakers are in both {part} and {other}, so its scores would "
                f"not be speaker-independent; choose a protocol that divides by speaker (holdout, loso, kfold). "
                f"Only to reproduce figures published on these very folds: split.shared_speakers true, which "
                f"the report will say. {NAMESAKES}\n{listing(shared)}"
            )
        groups = find_confusable(speakers | others)
        if groups:
            raise SplitError(
                f"split {self.name}: {len(groups)} speakers of {part} and {other} may be one person in two "
                f"spellings: spell each in one way. {NAMESAKES}\n{listing(name_groups(groups))}"
            )

    @property
    def shared(self) -> list[str]:
        """The speakers of the test part who may be in train or dev as well.

        With published folds those who are; where clips were divided without regard to speakers, all; else none.
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


def _describe_comparison(audio: Collection[AudioSpan]) -> str:
    decoded = sum(span.samples is not None for span in audio)
    how = "decoded samples" if decoded == len(audio) else f"decoded samples (of {decoded} of {len(audio)} clips)"
    return (
        f"Train, dev and test were compared for copies: equal {f'{how}, ' if decoded else ''}files' bytes, and parts "
        f"of one file that overlap by half. A copy that was encoded anew, resampled, cut or mixed isn't found by that."
    )


def describe_shared(shared: Collection[str], tested: Collection[str]) -> str:
    """The note of a report on a model that is tested on its training speakers, or may be.

    Args:
        shared: the speakers of the test part who were in the training or dev part
        tested: all speakers of the test part
    """
    nothing = "say nothing about speakers outside the training data."
    if UNKNOWN in shared:
        return (
            f"NOT speaker-independent: the speakers of these clips are unknown, so one voice may be in training and "
            f"test (`protocol` clips). Compare these figures only with others on the same folds; they {nothing}"
        )
    return (
        f"NOT speaker-independent: {len(set(shared))} of the {len(set(tested))} speakers tested on were trained on as "
        f"well (`protocol` clips or split.shared_speakers). Compare these figures only with others on the same "
        f"folds; they {nothing}"
    )
