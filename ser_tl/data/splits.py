"""Who is trained on and who is tested on: different speakers.

    corpus --protocol--> [Split(train, dev, test), ...]

Of several corpora each gives its share of dev and test speakers; `loco` tests on whole corpora.

Dev speakers always come out of the training speakers: the test part is never looked at to choose anything. Where one
speaker is left to train on (loso over two), dev is a share of that speaker's clips; the test speaker is another.

`data.split.Split` refuses a speaker in two parts. Where speakers can't be kept apart, that has to be asked for by name:
published folds that share them (`shared_speakers`), and folds over clips where speakers are unknown (`clips`). Reports
on such a split have the note of `describe_shared`.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datasets import Dataset

from ser_tl.data.clip_folds import deal_clips, draw_clips
from ser_tl.data.folds import Fold, read_folds
from ser_tl.data.long_tail import thin_classes
from ser_tl.data.schema import NAMESAKES
from ser_tl.data.speaker_column import check_people, drop_clip_names
from ser_tl.data.speaker_groups import deal_speakers, draw_by_corpus, group_by_corpus
from ser_tl.data.speaker_sampling import draw_utterances
from ser_tl.data.split import Split as Split
from ser_tl.data.split import describe_shared as describe_shared
from ser_tl.errors import ConfigError, SplitError, listing

ProtocolName = Literal["holdout", "loso", "kfold", "sessions", "loco", "folds", "clips"]


@dataclass(frozen=True)
class SplitConfig:
    """Sizes of train, dev and test, and the choice of speakers.

    Args:
        dev: share of the training speakers on whom the epoch is chosen; at least one speaker
        test: share of all speakers for the test part (holdout only); at least one speaker
        k: number of folds (kfold and clips)
        partial: accept published folds that name utterances the corpus doesn't have (folds only)
        shared_speakers: accept published folds that test on speakers they train on, as EmoBox's of EMO-DB do; the
            scores are then not speaker-independent, and the report says so (folds only)
        only: names of the splits to run, fold_1 for example; all of the protocol's if None
        seed: draws the speakers of every random part, so that several seeds can train on one split; by default the
            run's seed
        tail: makes the training part's classes unequal, to test remedies: the class of rank r by size keeps a
            fraction of tail^r of its utterances (Cui et al. 2019); 1 keeps all
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
            once; `sessions` each recording session tested once; `loco` each of several corpora tested once, on training
            and dev speakers of the others; `folds` a published list of folds; `clips` each of k groups of files tested
            once, speakers mixed, which every report marks as not speaker-independent
        config: shares and number of folds
        folds: where the published folds are (folds only), see `data.folds.read_folds`
        seed: chooses the speakers of every random part, unless the config has a seed for that

    Raises:
        SplitError: too few speakers, or a column of speakers that names no people, no sessions, one corpus where each
            is left out in turn, folds that don't fit the corpus or share speakers, or several splits that test on one
            speaker or utterance, whose figures couldn't be pooled
        ConfigError: `folds` is missing, it or `shared_speakers` is given with another protocol, or `config.only` names
            a split that isn't there
    """
    config = config or SplitConfig()
    seed = seed if config.seed is None else config.seed
    if config.shared_speakers and protocol != "folds":
        raise ConfigError(
            f"split.shared_speakers is for published folds (`protocol` folds), but the protocol is {protocol}, which "
            f"keeps speakers apart: leave it out"
        )
    if (folds is not None) != (protocol == "folds"):
        raise ConfigError(
            "protocol folds needs `folds` PATH, a folder of EmoBox's folds or a CSV file with the columns id and fold"
            if folds is None
            else f"folds is for `protocol` folds, but the protocol is {protocol}: leave one of the two out"
        )
    if protocol == "folds":
        published = {fold.name: fold for fold in read_folds(Path(str(folds)))}
        splits = [
            _split_as_published(corpus, published[name], config, seed)
            for name in _select_names(list(published), config)
        ]
    elif protocol == "clips":
        groups = {f"fold_{number}": ids for number, ids in enumerate(deal_clips(corpus, config.k, seed), 1)}
        anonymous, remarks = drop_clip_names(corpus)
        splits = [
            _split_by_clip(anonymous, name, groups[name], config, seed, remarks)
            for name in _select_names(list(groups), config)
        ]
    else:
        check_people(corpus, protocol)
        groups = _test_groups(corpus, protocol, config, seed)
        splits = [
            _split_by_speaker(corpus, name, groups[name], config, seed) for name in _select_names(list(groups), config)
        ]
    _refuse_tested_twice(splits, protocol)
    if config.tail < 1.0:
        return [replace(split, train=thin_classes(split.train, config.tail, seed=seed)) for split in splits]
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
            f"they speak in several sessions: use `protocol` loso or kfold. {NAMESAKES}"
            if protocol == "sessions"
            else f"put each into one fold's test part, or run the folds one by one (split.only '[{splits[0].name}]')"
        )
        kind = "utterances" if column == "id" else "speakers"
        raise SplitError(
            f"{len(twice)} {kind} are tested in several splits of this protocol; {way_out}\n{listing(twice)}"
        )


def _select_names(names: list[str], config: SplitConfig) -> list[str]:
    wanted = names if config.only is None else config.only
    if not wanted or not set(wanted) <= set(names) or len(set(wanted)) < len(wanted):
        raise ConfigError(f"split.only is {wanted}: expected some of the protocol's splits, which are {names}")
    return [name for name in names if name in wanted]


def _test_groups(corpus: Dataset, protocol: str, config: SplitConfig, seed: int) -> dict[str, set[str]]:
    """The test speakers of each fold."""
    speakers = sorted(set(corpus["speaker"][:]))
    if protocol == "holdout":
        _require_speakers(speakers, 2, "a hold-out split (train and test)")
        return {"holdout": draw_by_corpus(corpus, speakers, config.test, seed, f"split.test={config.test}")}
    if protocol == "loso":
        _require_speakers(speakers, 2, "leave-one-speaker-out (each fold needs train and test)")
        return {speaker: {speaker} for speaker in speakers}
    if protocol == "kfold":
        _require_speakers(speakers, config.k, f"{config.k} folds by speaker", "lower split.k or use `protocol` loso")
        folds = deal_speakers(corpus, config.k, seed)
        return {f"fold_{number}": fold for number, fold in enumerate(folds, 1)}
    if protocol == "loco":
        return group_by_corpus(corpus)
    if "session" not in corpus.column_names:
        raise SplitError("protocol sessions: the corpus has no column session; use loso or kfold instead")
    sessions = sorted({session for session in corpus["session"][:] if session is not None})
    if len(sessions) < 2 or None in corpus["session"][:]:
        raise SplitError(f"protocol sessions: every utterance needs a session, of two or more; found {sessions}")
    by_session = zip(corpus["session"][:], corpus["speaker"][:], strict=True)
    groups: dict[str, set[str]] = {session: set() for session in sessions}
    for session, speaker in by_session:
        groups[session].add(speaker)
    return groups


def _require_speakers(speakers: Sequence[str], least: int, what: str, way_out: str = "add speakers") -> None:
    if len(speakers) < least:
        raise SplitError(
            f"{what} needs at least {least} speakers, the corpus has {len(speakers)} ({', '.join(speakers)}): {way_out}"
        )


def _split_by_speaker(corpus: Dataset, name: str, test: set[str], config: SplitConfig, seed: int) -> Split:
    others = sorted(set(corpus["speaker"][:]) - test)
    pool = _rows(corpus, "speaker", others.__contains__)
    _require_speakers(others, 1, f"the training side of split {name}")
    train, dev = hold_out_dev(pool, config.dev, seed)
    test_part = _rows(corpus, "speaker", test.__contains__)
    return Split(train, dev, test_part, name, shared_dev=len(others) == 1)


def hold_out_dev(pool: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """What is trained on, and the speakers that choose the epoch: a share of the clips where there is one speaker only.

    Args:
        pool: rows to train on, of known speakers
        share: of the speakers, or of the one speaker's clips
        seed: chooses them
    """
    speakers = sorted(set(pool["speaker"][:]))
    column, dev = "speaker", set(speakers)
    if len(speakers) == 1:
        column, dev = "id", draw_clips(pool, share, seed)
    else:
        dev = draw_by_corpus(pool, speakers, share, seed, f"split.dev={share}")
    return _rows(pool, column, lambda name: name not in dev), _rows(pool, column, dev.__contains__)


def _split_by_clip(
    corpus: Dataset, name: str, test: set[str], config: SplitConfig, seed: int, remarks: tuple[str, ...]
) -> Split:
    pool = _rows(corpus, "id", lambda clip_id: clip_id not in test)
    dev = draw_clips(pool, config.dev, seed)
    train, dev_part = _rows(pool, "id", lambda clip_id: clip_id not in dev), _rows(pool, "id", dev.__contains__)
    return Split(train, dev_part, _rows(corpus, "id", test.__contains__), name, by_clip=True, remarks=remarks)


def _split_as_published(corpus: Dataset, fold: Fold, config: SplitConfig, seed: int) -> Split:
    corpus_ids = set(corpus["id"][:])
    strangers = sorted((fold.train | fold.dev | fold.test) - corpus_ids)
    if len(strangers) == len(fold.train | fold.dev | fold.test):
        raise SplitError(
            f"{fold.name}: none of its ids is in the corpus, so these folds are another corpus'. The fold has for "
            f"example {strangers[0]!r}, the corpus {min(corpus_ids)!r}"
        )
    if strangers and not config.partial:
        raise SplitError(
            f"{fold.name}: {len(strangers)} ids of the published fold aren't in the corpus; restore the missing files, "
            f"or, where they were left out on purpose (emotions.drop, `skip_unreadable`), add split.partial true\n"
            f"{listing(strangers)}"
        )
    unused = sorted(corpus_ids - fold.train - fold.dev - fold.test)
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
    train, dev = hold_out_dev(pool, config.dev, seed)
    return Split(train, dev, test, fold.name, shared_dev=len(set(pool["speaker"][:])) == 1)


def _rows(corpus: Dataset, column: str, wanted: Callable[[str], bool]) -> Dataset:
    return corpus.select([row for row, value in enumerate(corpus[column][:]) if wanted(value)])


def select_tested(corpus: Dataset, path: Path) -> Dataset:
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
