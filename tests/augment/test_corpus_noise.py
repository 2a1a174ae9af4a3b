"""A corpus under noise: the level that was asked for, the same noise each time, and nothing else changed."""

import numpy as np
import pytest

from ser_tl.augment.corpus_noise import add_noise_to_corpus
from ser_tl.data import audio
from ser_tl.data.checks import audio_source
from ser_tl.errors import ConfigError
from tests.training.samples import tone_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), speakers=1)


def heard(corpus):
    return [audio.decode(audio_source(row), row["start"], row["end"]) for row in corpus]


@pytest.mark.parametrize("snr", [20.0, 0.0])
def test_noise_is_at_its_level_and_the_rest_of_the_row_stays(corpus, snr):
    changed = add_noise_to_corpus(corpus, snr)
    kept = [name for name in corpus.column_names if name not in ("audio", "start", "end")]
    assert changed.features == corpus.features
    assert all(changed[name][:] == corpus[name][:] for name in kept)
    for clean, loud in zip(heard(corpus), heard(changed), strict=True):
        share = loud @ clean / (clean @ clean)  # a clip that noise takes beyond full scale is turned down as a whole
        ratio = np.square(share * clean).mean() / np.square(loud - share * clean).mean()
        assert 10 * np.log10(ratio) == pytest.approx(snr, abs=0.5)


def test_a_clips_noise_is_the_same_in_any_company_and_louder_at_another_level(corpus):
    clean = heard(corpus)[1]
    alone, among = heard(add_noise_to_corpus(corpus.select([1]), 10.0))[0], heard(add_noise_to_corpus(corpus, 10.0))[1]
    np.testing.assert_array_equal(alone, among)
    quieter = heard(add_noise_to_corpus(corpus, 20.0))[1]
    np.testing.assert_allclose(among - clean, 10**0.5 * (quieter - clean), atol=1e-4)
    assert not np.allclose(heard(add_noise_to_corpus(corpus, 10.0, seed=1))[1], among)


def test_a_level_that_is_no_level_is_refused(corpus):
    with pytest.raises(ConfigError, match="snr"):
        add_noise_to_corpus(corpus, 200.0)
