"""Folds over clips, for data of which nobody knows who speaks: even, reproducible, and marked."""

from collections import Counter
from itertools import chain

import pytest
import soundfile

from ser_tl.data.clip_folds import deal_clips, draw_clips
from ser_tl.data.schema import build_corpus
from ser_tl.data.speakers import UNKNOWN
from ser_tl.data.splits import Split, SplitConfig, describe_shared, make_splits
from ser_tl.errors import SplitError

pytestmark = pytest.mark.slow

EMOTIONS = ["anger", "fear", "neutral"]


@pytest.fixture
def nobody(corpus_of):
    """Thirty clips, ten of each emotion, of unknown speakers."""
    return corpus_of([(UNKNOWN, emotion) for emotion in EMOTIONS for _ in range(10)])


@pytest.fixture
def files(corpus_of):
    """The same with each clip a speaker of its own: what `--columns '{speaker: file}'` makes."""
    return corpus_of([(f"clip_{place}", emotion) for place, emotion in enumerate(EMOTIONS * 10)])


def test_each_clip_is_tested_once_and_emotions_are_even(nobody):
    found = make_splits(nobody, "clips", SplitConfig(k=5))
    assert [split.name for split in found] == [f"fold_{number}" for number in range(1, 6)]
    assert sorted(chain.from_iterable(split.ids["test"] for split in found)) == sorted(nobody["id"])
    for split in found:
        assert sorted(chain(*split.ids.values())) == sorted(nobody["id"])
        assert Counter(split.test["emotion"]) == dict.fromkeys(EMOTIONS, 2)
        assert Counter(split.dev["emotion"]) == dict.fromkeys(EMOTIONS, 2)
        assert split.by_clip
        assert split.shared_speakers
        assert split.shared == [UNKNOWN]


def test_the_seed_deals_and_the_order_of_rows_does_not(nobody):
    def ids(corpus, seed):
        return [
            {part: set(names) for part, names in split.ids.items()} for split in make_splits(corpus, "clips", seed=seed)
        ]

    assert ids(nobody, 1) == ids(nobody.select(range(29, -1, -1)), 1) != ids(nobody, 2)


@pytest.mark.parametrize("protocol", ["holdout", "loso", "kfold", "sessions"])
def test_protocols_by_speaker_refuse_what_tells_no_people(nobody, files, corpus_of, protocol):
    with pytest.raises(
        SplitError, match=r"of 30 of 30 utterances the speaker is unknown.*`protocol` clips does without"
    ):
        make_splits(nobody, protocol)
    with pytest.raises(
        SplitError, match=r"has 30 names for 30 utterances \(clip_0, clip_1, .*name clips and not people"
    ):
        make_splits(files, protocol)
    some = corpus_of(
        [(UNKNOWN if place < 3 else f"s{place % 4}", emotion) for place, emotion in enumerate(EMOTIONS * 8)]
    )
    with pytest.raises(SplitError, match="of 3 of 24 utterances the speaker is unknown"):
        make_splits(some, protocol)
    nearly = corpus_of([(f"clip_{max(place, 3)}", emotion) for place, emotion in enumerate(EMOTIONS * 10)])
    with pytest.raises(SplitError, match="27 names for 30 utterances"):
        make_splits(nearly, protocol)


def test_names_of_clips_are_not_counted_as_speakers(files):
    for split in make_splits(files, "clips"):
        assert {*split.train["speaker"], *split.dev["speaker"], *split.test["speaker"]} == {UNKNOWN}
        assert split.shared == [UNKNOWN]
        assert "column speaker isn't used: its 30 names for 30 utterances" in split.notes[0]


def test_known_speakers_stay_known_and_are_all_shared(corpus_of):
    corpus = corpus_of([(f"s{place % 4}", emotion) for place, emotion in enumerate(EMOTIONS * 8)])
    for split in make_splits(corpus, "clips"):
        assert split.shared == sorted(set(split.test["speaker"]))
        assert {*split.test["speaker"]} <= {"s0", "s1", "s2", "s3"}


def test_parts_of_one_recording_stay_together(record):
    paths = [record(0.4) for _ in range(6)]
    rows = [
        {
            "id": f"{path.stem}@{start}",
            "audio": path,
            "emotion": emotion,
            "speaker": UNKNOWN,
            "corpus": "c",
            "language": "en",
        }
        | {"start": start, "end": start + 0.1}
        for place, path in enumerate(paths)
        for start, emotion in ((0.0, EMOTIONS[place % 2]), (0.1, EMOTIONS[place % 2]), (0.2, EMOTIONS[1 - place % 2]))
    ]
    corpus = build_corpus(rows, source="test")
    for seed in range(4):
        for split in make_splits(corpus, "clips", SplitConfig(k=3), seed=seed):
            homes = [{name.split("@")[0] for name in names} for names in split.ids.values()]
            assert sum(map(len, homes)) == len(paths)


def test_copies_under_two_names_are_refused_or_kept_together(record):
    paths = [record(0.2) for _ in range(8)]
    data, rate = soundfile.read(paths[0], dtype="int16")
    soundfile.write(paths[0].with_suffix(".flac"), data, rate)
    rows = [
        {
            "id": path.name,
            "audio": path,
            "emotion": EMOTIONS[place % 2],
            "speaker": UNKNOWN,
            "corpus": "c",
            "language": "en",
        }
        for place, path in enumerate([*paths, paths[0].with_suffix(".flac")])
    ]
    from ser_tl.data.checks import check_audio

    corpus, _ = check_audio(build_corpus(rows, source="test"))
    with pytest.raises(SplitError, match="are the very same audio"):
        [make_splits(corpus, "clips", SplitConfig(k=2), seed=seed) for seed in range(6)]
    paths[0].with_suffix(".flac").unlink()


def test_too_few_files_are_told(corpus_of):
    corpus = corpus_of([(UNKNOWN, "anger"), (UNKNOWN, "fear"), (UNKNOWN, "anger")])
    with pytest.raises(SplitError, match=r"5 folds over clips need at least 5 files, .* has 3: lower split.k"):
        make_splits(corpus, "clips")
    with pytest.raises(SplitError, match="no emotion has two recordings"):
        draw_clips(corpus.select([0, 1]), 0.2, 0)
    assert sorted(map(len, deal_clips(corpus, 2, 0))) == [1, 2]


def test_a_split_of_unknown_speakers_points_at_the_protocol(nobody):
    parts = [nobody.select([place, place + 10, place + 20]) for place in (0, 1, 2)]
    with pytest.raises(SplitError, match=r"in both train and dev are unknown.*`protocol` clips"):
        Split(*parts)
    assert Split(*parts, by_clip=True).shared == [UNKNOWN]


def test_the_note_says_what_figures_are_not():
    assert describe_shared([UNKNOWN], [UNKNOWN, UNKNOWN]).startswith("NOT speaker-independent: the speakers of")
    assert describe_shared(["a"], ["a", "b"]).startswith(
        "NOT speaker-independent: 1 of the 2 speakers tested on were trained"
    )


@pytest.mark.parametrize("checked", [True, False])
def test_a_split_says_what_was_compared_for_copies(corpus_of, record, checked):
    from ser_tl.data.checks import check_audio

    rows = [
        {
            "id": f"{who}{emotion}",
            "audio": record(),
            "emotion": emotion,
            "speaker": who,
            "corpus": "c",
            "language": "en",
        }
        for who in "abc"
        for emotion in EMOTIONS
    ]
    corpus = build_corpus(rows, source="test")
    corpus = check_audio(corpus)[0] if checked else corpus
    for split in make_splits(corpus, "loso"):
        assert ("equal decoded samples, files' bytes" in split.notes[-1]) is checked
        assert "equal files' bytes" in split.notes[-1] or checked
        assert "encoded anew, resampled, cut or mixed isn't found" in split.notes[-1]
