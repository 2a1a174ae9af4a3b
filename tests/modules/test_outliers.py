"""The outlier score tells recordings of another origin, and emotions that training never had; older ones still load."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from ser_tl.errors import CheckpointError
from ser_tl.inference.outliers import fit_outliers, fit_score
from ser_tl.model import EmotionModel
from ser_tl.model.description import check_description
from ser_tl.modules.outliers import OutlierScore
from tests.training.samples import tiny_model

WIDTH, SPEAKERS = 40, 10


def speech(classes, *, count=60, seed=0):
    """Embeddings of emotions that differ along a few of many channels; the last one lies between the others."""
    draw = torch.Generator().manual_seed(seed)
    centres = torch.zeros(4, WIDTH)
    centres[:3, :3] = 3.0 * torch.eye(3)
    centres[3, :3] = 1.0
    labels = torch.tensor(classes).repeat_interleave(count)
    rows = centres[labels] + torch.randn(len(labels), WIDTH, generator=draw) * torch.cat(
        [torch.full((4,), 0.7), torch.linspace(1.0, 4.0, WIDTH - 4)]
    )
    return rows, labels, [f"speaker {number % SPEAKERS}" for number in range(len(labels))]


def test_an_emotion_that_training_never_had_is_found_where_the_distance_alone_sees_nothing():
    rows, labels, speakers = speech([0, 1, 2])
    score = fit_outliers(rows, labels, speakers, 3).score
    tested, named, _ = speech([0, 1, 2, 3], seed=1)
    distance, strangeness = score.measure(tested).T
    unknown = (named == 3).numpy()
    assert roc_auc_score(unknown, distance.numpy()) < 0.65
    assert roc_auc_score(unknown, strangeness.numpy()) > 0.9
    assert roc_auc_score(unknown, score(tested).numpy()) > 0.9


def test_recordings_of_another_origin_stay_far():
    rows, labels, speakers = speech([0, 1, 2])
    score, threshold, remoteness = fit_outliers(rows, labels, speakers, 3)
    usual, _, _ = speech([0, 1, 2], seed=1)
    elsewhere = usual.clone()
    elsewhere[:, 20:] *= 4.0  # channels that say nothing of emotions
    assert (score(elsewhere) > threshold).all()
    assert (score(usual) > threshold).float().mean() < 0.12
    assert (remoteness > 1).mean() == pytest.approx(0.05, abs=0.03)
    assert (score.measure_remoteness(elsewhere, threshold) > 1).all()


def test_it_is_relative_to_speakers_held_out():
    rows, labels, speakers = speech([0, 1, 2])
    score = fit_outliers(rows, labels, speakers, 3).score
    measured = score.measure(speech([0, 1, 2], seed=1)[0])
    assert ((measured / score.usual > 1).float().mean(dim=0) - 0.05).abs().max() < 0.06
    beyond = (measured[:, 0] / score.usual[0] - 1).clamp_min(0)
    assert torch.allclose(score.combine(measured), beyond + measured[:, 1] / score.usual[1])


def test_a_clip_between_two_emotions_is_stranger_than_one_like_either():
    rows, labels, _ = speech([0, 1, 2])
    score = OutlierScore.fit(rows, labels, 3)
    means = torch.stack([rows[labels == label].mean(dim=0) for label in range(3)])
    between = 0.5 * (means[0] + means[1])
    assert (score(means) < score(between[None])).all()


@pytest.mark.parametrize("classes", [1, 2])
def test_few_emotions_have_few_axes(classes):
    rows, labels, speakers = speech(list(range(classes)))
    score, threshold, _ = fit_outliers(rows, labels, speakers, classes)
    assert (score.has_axes, score.measure(rows).shape[1]) == ((False, 1) if classes == 1 else (True, 2))
    assert threshold > 0
    assert score(rows).isfinite().all()


def test_an_emotion_without_a_clip_is_never_near():
    rows, labels, _ = speech([0, 2])
    score = fit_score(rows, labels, 3)
    assert score(rows).isfinite().all()
    assert torch.allclose(score(rows), fit_score(rows, labels // 2, 2)(rows), rtol=1e-3)


def test_a_model_keeps_it_and_one_saved_before_keeps_its_distance(tmp_path):
    model, draw = tiny_model(), torch.Generator().manual_seed(0)
    rows, labels = torch.randn(60, model.embedding_dim, generator=draw), torch.arange(60) % 3
    model.outliers = OutlierScore.fit(rows, labels, 3)
    model.outliers.usual.copy_(torch.tensor([1.5, 0.7]))
    model.save_pretrained(tmp_path / "new")
    loaded = EmotionModel.from_pretrained(tmp_path / "new")
    assert torch.equal(loaded.outliers(rows), model.outliers(rows))

    state = {name: tensor for name, tensor in model.outliers.state_dict().items() if name not in ("axes", "usual")}
    old = OutlierScore(model.embedding_dim, 3, model.outliers.rank)
    old.load_state_dict(state)
    model.outliers = old
    model.save_pretrained(tmp_path / "old")
    assert model.description["outliers"] == old.rank  # as it was saved before
    loaded = EmotionModel.from_pretrained(tmp_path / "old")
    assert torch.equal(loaded.outliers(rows), old.measure(rows)[:, 0])


@pytest.mark.parametrize(
    "sizes", [0, True, "64", {"rank": 3}, {"rank": 3, "axes": 0}, {"rank": 3, "axes": 2, "more": 1}]
)
def test_sizes_that_are_none_are_refused(tmp_path, sizes):
    model = tiny_model()
    model.outliers = OutlierScore.fit(torch.randn(60, model.embedding_dim), torch.arange(60) % 3, 3)
    description = model.description | {"outliers": sizes}

    with pytest.raises(CheckpointError, match="outliers is"):
        check_description(description, tmp_path)
