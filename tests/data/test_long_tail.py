"""Long-tailed training parts: the counts of the rule, speakers alike, dev and test untouched."""

from collections import Counter

import pytest
from datasets import Dataset

from ser_tl.data.long_tail import thin_classes
from ser_tl.data.splits import SplitConfig, make_splits
from ser_tl.errors import ConfigError
from tests.training.samples import tone_corpus


@pytest.fixture
def train() -> Dataset:
    rows = [(emotion, speaker) for emotion, count in (("a", 40), ("b", 20), ("c", 20)) for speaker in "xyzw" * count]
    return Dataset.from_dict({"emotion": [row[0] for row in rows], "speaker": [row[1] for row in rows]})


def test_each_class_keeps_its_power_of_the_factor(train):
    kept = thin_classes(train, 0.5)
    assert Counter(kept["emotion"]) == {"a": 160, "b": 40, "c": 20}  # 160, 80 / 2, 80 / 4
    for emotion in "abc":
        rows = [speaker for speaker, own in zip(kept["speaker"], kept["emotion"], strict=True) if own == emotion]
        assert max(Counter(rows).values()) - min(Counter(rows).values()) <= 1


def test_the_seed_chooses_and_a_smaller_factor_keeps_less_of_the_same(train):
    numbered = train.add_column("id", list(range(len(train))))
    few, more, others = (
        set(thin_classes(numbered, factor, seed=seed)["id"]) for factor, seed in ((0.3, 0), (0.6, 0), (0.6, 1))
    )
    assert few < more
    assert len(others) == len(more)
    assert others != more


def test_a_class_never_vanishes(train):
    assert set(thin_classes(train, 1e-6)["emotion"]) == {"a", "b", "c"}


@pytest.mark.slow
def test_only_the_training_part_of_a_split_is_thinned(tmp_path):
    corpus = tone_corpus(tmp_path, speakers=5)
    (whole,), (thin,) = (make_splits(corpus, config=SplitConfig(tail=tail)) for tail in (1.0, 0.4))
    assert (thin.ids["dev"], thin.ids["test"]) == (whole.ids["dev"], whole.ids["test"])
    assert set(thin.ids["train"]) < set(whole.ids["train"])


def test_a_tail_that_grows_is_refused():
    with pytest.raises(ConfigError, match="1 keeps all"):
        SplitConfig(tail=1.5)
