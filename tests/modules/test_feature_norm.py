"""Zero mean and unit variance, of the training speech or of each speaker."""

import torch

from ser_tl.modules.feature_norm import FeatureNorm, Moments, NormTable

DIM = 5


def fitted(rows, *shape):
    """Standardisation fitted on the rows (n, ...) of what it is for."""
    standardise = FeatureNorm(*shape)
    standardise.fit(Moments.from_rows(rows.view(len(rows), *shape)))
    return standardise


def test_fitted_states_have_zero_mean_and_unit_variance_in_every_channel_of_every_layer():
    scale = torch.tensor([0.01, 1.0, 300.0])[:, None, None, None]
    states = scale * (torch.randn(3, 2, 40, DIM) + torch.randn(3, 1, 1, DIM))
    speech = fitted(states.permute(1, 2, 0, 3).flatten(0, 1), 3, 1, 1, DIM)(states)
    torch.testing.assert_close(speech.mean(dim=(1, 2)), torch.zeros(3, DIM), atol=1e-4, rtol=0)
    torch.testing.assert_close(speech.var(dim=(1, 2), unbiased=False), torch.ones(3, DIM), atol=0.02, rtol=0)


def test_fitted_embeddings_have_zero_mean_and_unit_variance_in_every_channel():
    embedding = torch.randn(30, DIM) * torch.logspace(-1, 3, DIM) + 100
    again = fitted(embedding, DIM)(embedding)
    torch.testing.assert_close(again.mean(dim=0), torch.zeros(DIM), atol=1e-2, rtol=0)
    torch.testing.assert_close(again.var(dim=0, unbiased=False), torch.ones(DIM), atol=1e-2, rtol=0)


def test_values_pass_unchanged_until_fit():
    states = torch.randn(3, 2, 40, DIM)
    assert torch.equal(FeatureNorm(3, 1, 1, DIM)(states), states)


def test_a_channel_that_never_moves_stays_finite_after_fit():
    embedding = torch.randn(10, DIM)
    embedding[:, 2] = 5.0
    again = fitted(embedding, DIM)(embedding)
    assert again.isfinite().all()
    assert again[:, 2].abs().max() < 0.01


def test_statistics_are_buffers_that_are_saved_and_that_no_gradient_moves():
    embedding = 3 + torch.randn(10, DIM)
    source, target = fitted(embedding, DIM), FeatureNorm(DIM)
    assert not list(target.parameters())
    target.load_state_dict(source.state_dict())
    assert torch.equal(target(embedding), source(embedding))
    assert not torch.equal(target(embedding), embedding)


def test_moments_of_parts_add_up_to_those_of_the_whole():
    rows = 3 + torch.randn(40, DIM)
    parts = Moments.from_rows(rows[:7]).add(Moments.from_rows(rows[7:]))
    for one, whole in zip(parts.statistics(), Moments.from_rows(rows).statistics(), strict=True):
        torch.testing.assert_close(one, whole)
    torch.testing.assert_close(parts.statistics()[0], rows.mean(dim=0))


def test_each_clip_is_normalised_by_its_own_speaker_and_others_by_the_training_speechs():
    training, loud = torch.randn(100, DIM), 5 + 10 * torch.randn(100, DIM)
    states, embedding = FeatureNorm(2, 1, 1, DIM), fitted(training, DIM)
    table = NormTable({"loud": Moments.from_rows(torch.randn(9, 2, 1, 1, DIM)).statistics()})
    table.embedding["loud"] = Moments.from_rows(loud).statistics()
    mixed = torch.stack([loud[0], training[0], loud[1]])
    norm = table.lookup(["loud", "", "nobody"], states, embedding)
    found = embedding(mixed, norm.embedding)
    torch.testing.assert_close(found[0], (loud[0] - loud.mean(dim=0)) / loud.std(dim=0, correction=0))
    torch.testing.assert_close(found[1:], embedding(mixed[1:]))
    assert table.lookup(["", "nobody"], states, embedding) is None


def test_layers_of_states_have_their_own_statistics_of_each_speaker():
    states_norm, embedding_norm = FeatureNorm(2, 1, 1, DIM), FeatureNorm(DIM)
    moments = Moments.from_rows(torch.full((4, 2, 1, 1, DIM), 2.0))
    table = NormTable({"a": moments.statistics()}, {"a": Moments.from_rows(torch.zeros(4, DIM)).statistics()})
    states = torch.full((2, 3, 7, DIM), 2.0)
    found = states_norm(states, table.lookup(["", "a", ""], states_norm, embedding_norm).states)
    assert (found[:, 1] == 0).all()
    assert (found[:, [0, 2]] == 2).all()
