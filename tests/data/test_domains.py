"""Source and target: whose clips go where, and what both have to share."""

import pytest
from datasets import concatenate_datasets

from ser_tl.data.domains import cross_domain
from ser_tl.data.splits import SplitConfig
from ser_tl.errors import SplitError

pytestmark = pytest.mark.slow

SOURCE = [(speaker, emotion) for speaker in "abcde" for emotion in ("anger", "calm", "fear")]
TARGET = [(speaker, emotion) for speaker in "xyz" for emotion in ("anger", "boredom", "fear")]


@pytest.fixture
def domains(corpus_of):
    both = corpus_of(SOURCE + TARGET)
    return both.select(range(len(SOURCE))), both.select(range(len(SOURCE), len(SOURCE) + len(TARGET)))


def test_dev_comes_out_of_the_source_and_the_target_is_tested_whole(domains):
    split, _ = cross_domain(*domains, config=SplitConfig(dev=0.2))
    assert set(split.test["speaker"]) == set("xyz")
    assert set(split.train["speaker"]) | set(split.dev["speaker"]) == set("abcde")
    assert len(set(split.dev["speaker"])) == 1


def test_only_shared_emotions_stay_and_the_report_is_told_of_the_others(domains):
    split, notes = cross_domain(*domains)
    for part in (split.train, split.dev, split.test):
        assert set(part["emotion"]) == {"anger", "fear"}
    assert "The source's calm are left out" in notes[0]
    assert "The target's boredom are left out" in notes[1]
    assert "Across domains" in notes[2]


def test_one_corpus_is_divided_by_speaker(domains):
    source, target = domains
    whole = concatenate_datasets([source, target])
    split, _ = cross_domain(whole, whole, speakers=["a", "x"])
    assert set(split.test["speaker"]) == {"a", "x"}
    assert not {"a", "x"} & {*split.train["speaker"], *split.dev["speaker"]}


@pytest.mark.exhaustive
def test_the_seed_chooses_dev(domains):
    drawn = {tuple(sorted(set(cross_domain(*domains, seed=seed)[0].dev["speaker"]))) for seed in range(8)}
    assert len(drawn) > 1
    assert cross_domain(*domains, seed=3)[0].ids == cross_domain(*domains, seed=3)[0].ids


def test_domains_without_common_emotions_name_both_sides(corpus_of):
    both = corpus_of([("a", "anger"), ("b", "anger"), ("x", "boredom"), ("y", "anger")])
    with pytest.raises(
        SplitError, match=r"share 1 emotions.*the source has anger, the target anger, boredom; emotions.rename"
    ):
        cross_domain(both.select(range(2)), both.select(range(2, 4)))


def test_unknown_target_speakers_are_named(domains):
    with pytest.raises(SplitError, match=r"1 of them aren't in the target, whose speakers are x, y, z"):
        cross_domain(*domains, speakers=["x", "nobody"])


def test_two_domains_of_one_corpus_are_two_to_statistics_by_corpus(domains):
    whole = concatenate_datasets(domains)
    split, _ = cross_domain(whole, whole, speakers=["a", "x"])
    (source,), (target,) = set(split.train["corpus"]), set(split.test["corpus"])
    assert target == f"{source} (target)"
    assert split.name == f"{source} to {target}"
    assert split.test.column_names == split.train.column_names
