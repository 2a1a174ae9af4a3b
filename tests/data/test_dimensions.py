"""Annotations as they stand in a corpus, and which corpora can't be learned from."""

import math

import numpy as np
import pytest

from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import UtteranceDataset, collate
from ser_tl.data.dimension_names import check_names
from ser_tl.data.dimensions import check_annotated, note_unknown, read_annotations
from ser_tl.errors import ConfigError
from tests.training.samples import rated, tone_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve clips; the valence of the first five is unknown."""
    return rated(tone_corpus(tmp_path_factory.mktemp("tones"), speakers=2, takes=2), unknown=5)


def test_what_is_unknown_is_nan_and_the_rest_is_on_the_corpus_own_scale(corpus):
    table = read_annotations(corpus, ["valence", "arousal", "dominance"])
    assert table.shape == (12, 3)
    assert np.isnan(table[:5, 0]).all()
    assert table[5:, 0].tolist() == corpus["valence"][5:]
    assert table[:, 1].tolist() == list(corpus["arousal"])
    assert np.isnan(table[:, 2]).all(), "a column that isn't there is unknown throughout"


def test_clips_bring_them_into_the_batch_and_only_where_they_are_asked_for(corpus):
    clips = UtteranceDataset(corpus, [], AudioConfig(), training=False, dimensions=["arousal", "valence"])
    batch = collate([clips[place] for place in (7, 0)]).to("cpu")
    assert batch.dimensions.dtype.is_floating_point
    np.testing.assert_allclose(batch.dimensions, read_annotations(corpus, ["arousal", "valence"])[[7, 0]], rtol=1e-6)
    without = UtteranceDataset(corpus, [], AudioConfig(), training=False)[0]
    assert collate([without]).dimensions is None
    assert collate([clips[7], without]).dimensions.isnan().tolist() == [[False, False], [True, True]]


def test_a_corpus_without_the_column_is_named_with_the_columns_it_has(corpus):
    wrong = r"tones: no annotations of dominance; .* there are arousal, valence: ask for those .*\[arousal, valence\].*"
    with pytest.raises(ConfigError, match=wrong + r"`columns` '\{dominance: COLUMN\}'"):
        check_annotated(corpus, ["arousal", "dominance"], "training")
    with pytest.raises(ConfigError, match=r"there are none: leave dimensions.names out"):
        check_annotated(corpus.remove_columns(["arousal", "valence"]), ["arousal"], "training")


def test_a_part_with_fewer_than_two_values_is_refused_and_single_gaps_are_not(corpus):
    check_annotated(corpus, ["arousal", "valence"], "dev")
    with pytest.raises(ConfigError, match=r"tones: 0 of the 5 dev utterances have an annotation of valence"):
        check_annotated(corpus.select(range(5)), ["arousal", "valence"], "dev")
    with pytest.raises(ConfigError, match=r"1 of the 6 dev utterances .* with 1 different values; expected two"):
        check_annotated(corpus.select(range(6)), ["valence"], "dev")
    endless = corpus.remove_columns("arousal").add_column("arousal", [math.inf] * 3 + [1.0] * 9)
    with pytest.raises(ConfigError, match="arousal is infinite in 3 rows"):
        check_annotated(endless, ["arousal"], "dev")


def test_gaps_are_counted(corpus):
    notes = note_unknown(corpus, ["arousal", "valence"], "test")
    assert notes == ["valence is unknown of 5 of the 12 test utterances, which are left out of what is said of it"]


@pytest.mark.parametrize("names", [["activation"], ["arousal", "arousal"]])
def test_names_are_those_of_the_columns_each_once(names):
    assert check_names(("valence", "arousal")) == ["valence", "arousal"]
    with pytest.raises(ConfigError, match=r"expected some of arousal, valence, dominance, each once"):
        check_names(names)
