"""The closed-form classifier: what it is by definition, what it chooses, and what it refuses."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ser_tl.errors import ConfigError
from ser_tl.modules.discriminant import SHRINKAGES, Scatter, assign_groups, build_discriminant, fit_discriminant

pytestmark = pytest.mark.slow


def corpus(clips, dim, *, speakers=6, classes=3, spread=0.0, apart=1.0, seed=0):
    """Embeddings in which each speaker has an offset of his own, as large as `spread`, besides the class's."""
    draw = torch.Generator().manual_seed(seed)
    centre, voice = (torch.randn(number, dim, generator=draw) for number in (classes, speakers))
    labels, who = torch.arange(clips) % classes, torch.arange(clips) // classes % speakers
    noise = torch.randn(clips, dim, generator=draw) * torch.linspace(0.5, 3.0, dim)
    return 10.0 + apart * centre[labels] + spread * voice[who] + noise, labels, [f"s{one}" for one in who.tolist()]


@pytest.mark.parametrize(("clips", "dim"), [(40, 90), (300, 12)], ids=["more channels", "more clips"])
@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 0.95])
def test_it_is_scikit_learns_shrunken_discriminant(clips, dim, shrinkage):
    embedding, labels, _ = corpus(clips, dim)
    rows = ((embedding - embedding.mean(dim=0)) / embedding.std(dim=0, unbiased=False)).double()
    within = rows - torch.stack([rows[labels == label].mean(dim=0) for label in range(3)])[labels]

    class Within:  # the covariance that scikit-learn is to shrink: of all classes together
        def fit(self, _):
            covariance = (within.T @ within / len(within)).numpy()
            identity = np.trace(covariance) / dim * np.eye(dim)
            self.covariance_ = (1 - shrinkage) * covariance + shrinkage * identity
            return self

    expected = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Within(), priors=[1 / 3] * 3)
    expected = expected.fit(rows.numpy(), labels.numpy()).predict_log_proba(rows.numpy())
    solver = Scatter.from_embedding(embedding.double(), labels, 3)
    found = solver.logits(embedding.double(), shrinkage).log_softmax(dim=-1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6, rtol=1e-5)


def test_it_learns_what_speakers_share_and_not_what_sets_them_apart():
    several = {"speakers": 20, "spread": 3.0, "apart": 0.7}
    embedding, labels, speakers = corpus(600, 60, **several)
    fit = fit_discriminant(embedding, labels, speakers, 3)
    strangers = torch.randn(600, 60, generator=torch.Generator().manual_seed(5)).mul(3.0)  # each clip another voice
    heard = embedding - embedding.mean(dim=0) + strangers - strangers.mean(dim=0) + embedding.mean(dim=0)
    nearest = torch.stack([embedding[labels == label].mean(dim=0) for label in range(3)])
    by_distance = torch.cdist(heard, nearest).argmin(dim=-1)
    assert (fit.discriminant(heard).argmax(dim=-1) == labels).float().mean() > 0.65
    assert (by_distance == labels).float().mean() < (fit.discriminant(heard).argmax(dim=-1) == labels).float().mean()


def test_shrinkage_and_temperature_follow_from_the_held_out_speakers():
    plenty = fit_discriminant(*corpus(2400, 8, apart=0.5, seed=1), 3)
    scarce = fit_discriminant(*corpus(60, 300, apart=0.25, seed=1), 3)
    assert plenty.shrinkage < scarce.shrinkage
    assert {plenty.shrinkage, scarce.shrinkage} <= set(SHRINKAGES)
    embedding, labels, speakers = corpus(120, 300, seed=1)
    hopeless = fit_discriminant(embedding, labels[torch.randperm(120, generator=torch.manual_seed(0))], speakers, 3)
    assert hopeless.uar < 0.6
    assert hopeless.temperature > scarce.temperature  # where nothing can be known, nothing is claimed


def test_a_channel_that_hardly_ever_spoke_does_not_outvote_the_others_when_a_stranger_s_clip_is_loud_in_it():
    embedding, labels, speakers = corpus(300, 30)
    embedding = torch.cat([embedding, torch.zeros(300, 200)], dim=1)
    embedding[torch.arange(200), 30 + torch.arange(200)] = 1.0  # each of the last channels in one clip
    fit = fit_discriminant(embedding, labels, speakers, 3)
    loud = embedding.clone()
    loud[:, 30:] = torch.rand(300, 200, generator=torch.Generator().manual_seed(4))
    assert (fit.discriminant(loud).argmax(dim=-1) == labels).float().mean() > 0.8


@pytest.mark.parametrize("parts", [(), ([0, 3, 4], [1, 2, *range(5, 40)])], ids=["whole", "parts"])
def test_the_fitted_layer_is_the_sum_of_its_parts_discriminants(parts):
    embedding, labels, speakers = corpus(240, 40)
    fit = fit_discriminant(embedding, labels, speakers, 3, [torch.tensor(part) for part in parts])
    rows = embedding.double()
    expected = sum(
        Scatter.from_embedding(rows[:, part], labels, 3).logits(rows[:, part], fit.shrinkage)
        for part in parts or [range(40)]
    )
    found = fit.discriminant(embedding).double().log_softmax(dim=-1)
    torch.testing.assert_close(found, (expected / fit.temperature).log_softmax(dim=-1), atol=1e-3, rtol=1e-3)


def test_shrinkage_and_temperature_have_the_lowest_brier_score_of_held_out_speakers():
    embedding, labels, speakers = corpus(150, 60, apart=0.3)
    who, parts = np.array(speakers), [torch.arange(20), torch.arange(20, 60)]
    fit = fit_discriminant(embedding, labels, speakers, 3, parts)

    def brier(shrinkage, temperature):
        scores = torch.zeros(150)
        for speaker in set(speakers):  # six, so each is a group of its own
            seen, out = embedding.double()[who != speaker], embedding.double()[who == speaker]
            known = labels[who != speaker]
            logits = sum(Scatter.from_embedding(seen[:, one], known, 3).logits(out[:, one], shrinkage) for one in parts)
            wrong = (logits / temperature).softmax(dim=-1) - torch.eye(3)[labels[who == speaker]]
            scores[who == speaker] = wrong.square().sum(dim=-1).float()
        return scores.mean()  # the classes are equally frequent

    best = brier(fit.shrinkage, fit.temperature)
    place = SHRINKAGES.index(fit.shrinkage)
    near = [SHRINKAGES[other] for other in (place - 1, place + 1) if 0 <= other < len(SHRINKAGES)]
    assert all(brier(shrinkage, fit.temperature) > best for shrinkage in near)
    assert all(brier(fit.shrinkage, factor * fit.temperature) > best for factor in (0.7, 1.4))


def test_parts_help_where_each_has_more_channels_than_there_are_clips():
    draw = torch.Generator().manual_seed(2)
    labels, who = torch.arange(480) % 3, torch.arange(480) // 3 % 8
    voice = torch.randn(8, 2, 300, generator=draw)  # each layer has its own of the speaker
    layers = [
        torch.randn(3, 300, generator=draw)[labels] * 0.25
        + voice[who, layer]
        + torch.randn(480, 300, generator=draw) @ torch.randn(300, 300, generator=draw) / 17
        for layer in range(2)
    ]
    embedding, train = torch.cat(layers, dim=1), who < 5
    speakers = [f"s{one}" for one in who[train].tolist()]
    places = [torch.arange(300), torch.arange(300, 600)]
    right = {
        len(parts): fit_discriminant(embedding[train], labels[train], speakers, 3, parts)
        .discriminant(embedding[~train])
        .argmax(dim=-1)
        .eq(labels[~train])
        .float()
        .mean()
        for parts in ([], places)
    }
    assert right[2] > right[0] > 0.5


def test_a_class_that_does_not_occur_is_never_predicted():
    embedding, labels, speakers = corpus(90, 20)
    fit = fit_discriminant(embedding, labels, speakers, classes=4)
    assert (fit.discriminant(embedding).softmax(dim=-1)[:, 3] < 1e-6).all()


def test_scores_and_order_of_the_clips_do_not_matter():
    embedding, labels, speakers = corpus(90, 20)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(3))
    one = fit_discriminant(embedding, labels, speakers, 3)
    other = fit_discriminant(3.0 * embedding[order] - 1.0, labels[order], [speakers[place] for place in order], 3)
    assert one.shrinkage == other.shrinkage
    torch.testing.assert_close(
        one.discriminant(embedding), other.discriminant(3.0 * embedding - 1.0), atol=1e-3, rtol=1e-3
    )


def test_clips_of_a_single_speaker_are_held_out_in_turn():
    embedding, labels, _ = corpus(90, 20)
    fit = fit_discriminant(embedding, labels, ["one"] * 90, 3)
    assert (fit.discriminant(embedding).argmax(dim=1) == labels).float().mean() > 0.8
    assert 0.3 < fit.uar <= 1.0
    groups = assign_groups(["one"] * 7, "aabbbba")
    assert groups == [0, 1, 0, 1, 2, 3, 2]
    with pytest.raises(ConfigError, match="holds out clips of its only training speaker in turn, and some emotion has"):
        assign_groups(["one"] * 4, "aabc")


def test_one_group_with_all_of_an_emotion_is_refused():
    embedding, labels, _ = corpus(90, 20)
    speakers = ["sole" if label == 2 else f"s{place % 4}" for place, label in enumerate(labels.tolist())]
    with pytest.raises(ConfigError, match="all utterances of some emotion"):
        fit_discriminant(embedding, labels, speakers, 3)


def test_a_clip_that_counts_twice_is_a_clip_that_is_there_twice():
    embedding, labels, _ = corpus(60, 8)
    weights = torch.where(torch.arange(60) < 20, 2.0, 1.0)
    twice = torch.cat([torch.arange(60), torch.arange(20)])
    weighed = build_discriminant(embedding, labels, 3, 0.3, 2.0, weights=weights)
    repeated = build_discriminant(embedding[twice], labels[twice], 3, 0.3, 2.0)
    torch.testing.assert_close(weighed.weight, repeated.weight)
    torch.testing.assert_close(weighed.bias, repeated.bias)


def test_where_shrinkage_and_temperature_are_known_the_discriminant_is_the_fitted_one():
    embedding, labels, speakers = corpus(120, 12)
    fit = fit_discriminant(embedding, labels, speakers, 3)
    known = build_discriminant(embedding, labels, 3, fit.shrinkage, fit.temperature)
    assert torch.equal(known.weight, fit.discriminant.weight)


@pytest.mark.parametrize(("clips", "channels"), [(40, 90), (90, 40)])
def test_logits_of_several_shrinkages_are_those_of_each_weight_and_bias(clips, channels):
    generator = torch.Generator().manual_seed(clips)
    rows = torch.randn(clips, channels, generator=generator, dtype=torch.float64)
    labels = torch.arange(clips) % 3
    solver = Scatter.from_embedding(rows, labels, 4)  # of the fourth class there is no clip
    away = 2 * torch.randn(7, channels, generator=generator, dtype=torch.float64)
    together = solver.logits(away, 0.1, 0.5, 0.9)
    for shrinkage, logits in zip((0.1, 0.5, 0.9), together, strict=True):
        weight, bias = solver.affine(shrinkage)
        torch.testing.assert_close(logits, away @ weight.T + bias, atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(logits, solver.logits(away, shrinkage))
        assert (logits[:, 3] == -1e4).all()
    gram = solver.vectors.T @ solver.vectors
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-6, rtol=0)
