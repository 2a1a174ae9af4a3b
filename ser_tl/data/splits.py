"""Who is trained on and who is tested on: different speakers.

    corpus --protocol--> [Split(train, dev, test), ...]

`Split` refuses a speaker, or the very same audio, in two parts, so no protocol and no user can build a leaking one by
accident. Dev speakers always come out of the training speakers: the test part is never looked at to choose anything.

There is one exception, by name. Some published folds share speakers between training and test (EmoBox's of EMO-DB), and
whoever has to reproduce figures on them asks for it with `shared_speakers`. Such a split knows its shared speakers, and
`shared_note` is what every report on it has to say.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from datasets import Dataset

from ser_tl.data.copies import copies, stretches
from ser_tl.data.draws import draw_speakers, draw_utterances
from ser_tl.data.folds import Fold, read_folds
from ser_tl.data.schema import NAMESAKES, SYNTHETIC
from ser_tl.data.speakers import find_confusable, name_groups
from ser_tl.data.tail import long_tailed
from ser_tl.errors import ConfigError, SplitError, listing

ProtocolName = Literal["holdout", "loso", "kfold", "sessions", "folds"]


@dataclass(frozen=True)
class SplitConfig:
    """How many speakers go where.

    Args:
        dev: share of the training speakers that choose the epoch; at least one speaker
        test: share of all speakers that are tested on (holdout only); at least one speaker
        k: number of folds (kfold only)
        partial: accept published folds that name utterances the corpus doesn't have (folds only)
        shared_speakers: accept published folds that test on speakers they train on, as EmoBox's of EMO-DB do; the
            scores are then not speaker-independent, and the report says so (folds only)
        only: names of the splits to run, fold_1 for example; all of the protocol's if None
        seed: chooses the speakers of every random part, so that several seeds can train on one split; the run's seed
            if None
        tail: makes the training part's classes unequal by a rule, to try remedies on: the class of rank r by size keeps
            tail^r of its utterances (Cui et al. 2019); 1 keeps all
    """

    dev: float = 0.2
    test: float = 0.2
    k: int = 5
    partial: bool = False
    shared_speakers: bool = False
    only: list[str] | None = None
    seed: int | None = None
    tail: float = 1.0

    def __post_init__(self) -> None:
        for name in ("dev", "test"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"split.{name} is {getattr(self, name)}: expected a share between 0 and 1")
        if self.k < 2:
            raise ConfigError(f"split.k is {self.k}: expected at least 2 folds")
        if not 0 < self.tail <= 1:
            raise ConfigError(f"split.tail is {self.tail}: expected more than 0 and at most 1, where 1 keeps all")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"split.seed is {self.seed}: expected 0 or more")


@dataclass(frozen=True)
class Split:
    """Three parts of a corpus that share neither a speaker, unless that is asked for, nor audio.

    Args:
        train: what is learned from
        dev: what the epoch is chosen on
        test: what is reported
        name: the fold's name
        shared_speakers: the same speakers may be in several parts; only to reproduce figures that others published so

    Raises:
        SplitError: a part is empty, two parts share a speaker without leave, or the very same audio (`data.copies`
            says what that is), or dev or test has an emotion that no training utterance has, or a synthetic clip
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    name: str = "holdout"
    shared_speakers: bool = False

    def __post_init__(self) -> None:
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        for part, corpus in parts.items():
            if not len(corpus):
                raise SplitError(f"split {self.name}: the {part} part is empty")
            made = corpus["speaker"][:].count(SYNTHETIC)
            if made and part != "train":
                raise SplitError(
                    f"split {self.name}: {made} synthetic clips are in the {part} part, where only real speech tells "
                    f"anything: take them out of the corpus, and add them to the training part with --synthetic"
                )
        heard = {part: stretches(corpus) for part, corpus in parts.items()}
        for one, other in combinations(parts, 2):
            speakers = sorted(set(parts[one]["speaker"][:]) & set(parts[other]["speaker"][:]))
            if speakers and not self.shared_speakers:
                raise SplitError(
                    f"split {self.name}: {len(speakers)} speakers are in both {one} and {other}, so its scores would "
                    f"not be speaker-independent; choose a protocol that divides by speaker (holdout, loso, kfold). "
                    f"Only to reproduce figures published on these very folds: --split.shared_speakers true, which "
                    f"the report will say. {NAMESAKES}\n{listing(speakers)}"
                )
            groups = find_confusable([*parts[one]["speaker"][:], *parts[other]["speaker"][:]])
            if groups and not self.shared_speakers:
                raise SplitError(
                    f"split {self.name}: {len(groups)} speakers of {one} and {other} may be one person in two "
                    f"spellings: spell each in one way. {NAMESAKES}\n{listing(name_groups(groups))}"
                )
            twice = [f"{first} ({one}) = {second} ({other})" for first, second in copies(heard[one], heard[other])]
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

    @property
    def shared(self) -> list[str]:
        """The speakers of the test part whom train or dev know as well; empty unless `shared_speakers`."""
        return sorted(set(self.test["speaker"][:]) & {*self.train["speaker"][:], *self.dev["speaker"][:]})

    @property
    def ids(self) -> dict[str, list[str]]:
        """The utterance ids of each part."""
        return {"train": self.train["id"][:], "dev": self.dev["id"][:], "test": self.test["id"][:]}


def shared_note(known: Collection[str], tested: Collection[str]) -> str:
    """What a report has to say when a model is tested on speakers it knows.

    Args:
        known: the speakers of the test part whom the model knows from training or from choosing the epoch
        tested: all speakers of the test part
    """
    return (
        f"NOT speaker-independent: {len(set(known))} of the {len(set(tested))} speakers tested on were trained on as "
        f"well (--split.shared_speakers). Compare these figures only with others on the same folds; they say nothing "
        f"about speakers the model hasn't heard."
    )


def make_splits(
    corpus: Dataset,
    protocol: ProtocolName = "holdout",
    config: SplitConfig | None = None,
    *,
    folds: Path | None = None,
    seed: int = 0,
) -> list[Split]:
    """The splits of a protocol.

    Args:
        corpus: rows with the columns of `data.schema`
        protocol: `holdout` one split; `loso` each speaker tested once; `kfold` each of k groups of speakers tested
            once; `sessions` each recording session tested once; `folds` a published list of folds
        config: shares and number of folds
        folds: where the published folds are (folds only), see `data.folds.read_folds`
        seed: chooses the speakers of every random part, unless the config has a seed for that

    Raises:
        SplitError: too few speakers, no sessions, folds that don't fit the corpus or share speakers, or several splits
            that test on one speaker or utterance, whose figures couldn't be pooled
        ConfigError: `folds` is missing, it or `shared_speakers` is given with another protocol, or `config.only` names
            a split that isn't there
    """
    config = config or SplitConfig()
    seed = seed if config.seed is None else config.seed
    if config.shared_speakers and protocol != "folds":
        raise ConfigError(
            f"--split.shared_speakers is for published folds (--protocol folds), but the protocol is {protocol}, which "
            f"keeps speakers apart: leave it out"
        )
    if (folds is not None) != (protocol == "folds"):
        raise ConfigError(
            "--protocol folds needs --folds PATH, a folder of EmoBox's folds or a CSV file with the columns id and fold"
            if folds is None
            else f"--folds is for --protocol folds, but the protocol is {protocol}: leave one of the two out"
        )
    if protocol == "folds":
        published = {fold.name: fold for fold in read_folds(Path(str(folds)))}
        splits = [_published(corpus, published[name], config, seed) for name in _chosen(list(published), config)]
    else:
        groups = _test_groups(corpus, protocol, config, seed)
        splits = [_by_speaker(corpus, name, groups[name], config, seed) for name in _chosen(list(groups), config)]
    _refuse_tested_twice(splits, protocol)
    if config.tail < 1.0:
        return [replace(split, train=long_tailed(split.train, config.tail, seed=seed)) for split in splits]
    return splits


def _refuse_tested_twice(splits: Sequence[Split], protocol: ProtocolName) -> None:
    """Refuses splits that `Report.over_folds` would refuse to pool: hours earlier, before any of them is trained."""
    shared = all(split.shared for split in splits)  # then the report says so, and speakers may come again
    for column in ["id"] if shared else ["speaker", "id"]:
        counts = Counter(name for split in splits for name in set(split.test[column][:]))
        twice = sorted(name for name, count in counts.items() if count > 1)
        if not twice:
            continue
        way_out = (
            f"they speak in several sessions: use --protocol loso or kfold. {NAMESAKES}"
            if protocol == "sessions"
            else f"put each into one fold's test part, or run the folds one by one (--split.only '[{splits[0].name}]')"
        )
        kind = "utterances" if column == "id" else "speakers"
        raise SplitError(
            f"{len(twice)} {kind} are tested in several splits of this protocol; {way_out}\n{listing(twice)}"
        )


def _chosen(names: list[str], config: SplitConfig) -> list[str]:
    wanted = names if config.only is None else config.only
    if not wanted or not set(wanted) <= set(names) or len(set(wanted)) < len(wanted):
        raise ConfigError(f"split.only is {wanted}: expected some of the protocol's splits, which are {names}")
    return [name for name in names if name in wanted]


def _test_groups(corpus: Dataset, protocol: str, config: SplitConfig, seed: int) -> dict[str, set[str]]:
    """The test speakers of each fold."""
    speakers = sorted(set(corpus["speaker"][:]))
    if protocol == "holdout":
        _need(speakers, 3, "a hold-out split (train, dev and test)")
        return {"holdout": draw_speakers(corpus, speakers, config.test, seed, f"split.test={config.test}", spare=2)}
    if protocol == "loso":
        _need(speakers, 3, "leave-one-speaker-out (each fold needs train, dev and test)")
        return {speaker: {speaker} for speaker in speakers}
    if protocol == "kfold":
        _need(speakers, max(config.k, 3), f"{config.k} folds by speaker", "lower --split.k or use --protocol loso")
        shuffled = np.random.default_rng(seed).permutation(speakers).tolist()
        return {f"fold_{number + 1}": set(shuffled[number :: config.k]) for number in range(config.k)}
    if "session" not in corpus.column_names:
        raise SplitError("--protocol sessions: the corpus has no column session; use loso or kfold instead")
    sessions = sorted({session for session in corpus["session"][:] if session is not None})
    if len(sessions) < 2 or None in corpus["session"][:]:
        raise SplitError(f"--protocol sessions: every utterance needs a session, of two or more; found {sessions}")
    by_session = zip(corpus["session"][:], corpus["speaker"][:], strict=True)
    groups: dict[str, set[str]] = {session: set() for session in sessions}
    for session, speaker in by_session:
        groups[session].add(speaker)
    return groups


def _need(speakers: Sequence[str], least: int, what: str, way_out: str = "add speakers") -> None:
    if len(speakers) < least:
        raise SplitError(
            f"{what} needs at least {least} speakers, the corpus has {len(speakers)} ({', '.join(speakers)}): {way_out}"
        )


def _by_speaker(corpus: Dataset, name: str, test: set[str], config: SplitConfig, seed: int) -> Split:
    rest = sorted(set(corpus["speaker"][:]) - test)
    pool = _rows(corpus, "speaker", rest.__contains__)
    _need(rest, 2, f"the training side of split {name} (train and dev)")
    dev = draw_speakers(pool, rest, config.dev, seed, f"split.dev={config.dev}", spare=1)
    return Split(
        train=_rows(pool, "speaker", lambda speaker: speaker not in dev),
        dev=_rows(pool, "speaker", dev.__contains__),
        test=_rows(corpus, "speaker", test.__contains__),
        name=name,
    )


def _published(corpus: Dataset, fold: Fold, config: SplitConfig, seed: int) -> Split:
    known = set(corpus["id"][:])
    strangers = sorted((fold.train | fold.dev | fold.test) - known)
    if len(strangers) == len(fold.train | fold.dev | fold.test):
        raise SplitError(
            f"{fold.name}: none of its ids is in the corpus, so these folds are another corpus'. The fold has for "
            f"example {strangers[0]!r}, the corpus {min(known)!r}"
        )
    if strangers and not config.partial:
        raise SplitError(
            f"{fold.name}: {len(strangers)} ids of the published fold aren't in the corpus; restore the missing files, "
            f"or, where they were left out on purpose (emotions.drop, --skip-unreadable), add --split.partial true\n"
            f"{listing(strangers)}"
        )
    unused = sorted(known - fold.train - fold.dev - fold.test)
    if unused:
        raise SplitError(
            f"{fold.name}: {len(unused)} utterances of the corpus are in no part of the published fold; take them out "
            f"of the corpus or complete the fold\n{listing(unused)}"
        )
    test = _rows(corpus, "id", fold.test.__contains__)
    pool = _rows(corpus, "id", fold.train.__contains__)
    if fold.dev:
        dev = _rows(corpus, "id", fold.dev.__contains__)
        return Split(pool, dev, test, fold.name, shared_speakers=config.shared_speakers)
    if config.shared_speakers and set(pool["speaker"][:]) & set(test["speaker"][:]):
        # EmoBox takes a random fifth of the utterances; whole speakers would make another and smaller training part
        chosen = draw_utterances(pool, config.dev, seed)
        train, dev = (_rows(pool, "id", lambda name, side=side: (name in chosen) is side) for side in (False, True))
        return Split(train, dev, test, fold.name, shared_speakers=True)
    speakers = sorted(set(pool["speaker"][:]))
    _need(speakers, 2, f"the training side of {fold.name} (train and dev)")
    dev = draw_speakers(pool, speakers, config.dev, seed, f"split.dev={config.dev}", spare=1)
    train = _rows(pool, "speaker", lambda speaker: speaker not in dev)
    return Split(train, _rows(pool, "speaker", dev.__contains__), test, fold.name)


def _rows(corpus: Dataset, column: str, wanted: Callable[[str], bool]) -> Dataset:
    return corpus.select([row for row, value in enumerate(corpus[column][:]) if wanted(value)])


def tested_part(corpus: Dataset, path: Path) -> Dataset:
    """The utterances that a run tested on.

    Args:
        corpus: the corpus of the run
        path: the run's split.json

    Raises:
        SplitError: the file isn't there or isn't a split, or the corpus lacks some of its utterances
    """
    try:
        wanted = set(json.loads(path.read_text(encoding="utf-8"))["test"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SplitError(f"{path}: no split of a run ({error}): expected the split.json of a run's folder") from error
    missing = sorted(wanted - set(corpus["id"][:]))
    if missing:
        raise SplitError(
            f"{path}: {len(missing)} of its test utterances aren't in the corpus: is it the run's corpus, with the "
            f"same emotion options?\n{listing(missing)}"
        )
    return _rows(corpus, "id", wanted.__contains__)
