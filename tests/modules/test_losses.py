"""Cross-entropy, class by class and utterance by utterance; concordance, dimension by dimension."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from ser_tl.modules.losses import Criterion, class_weights, concordance_loss, cross_entropy, squared_error

LABELS = ["anger", "fear", "neutral", "sadness"]
LOGITS = 3 * torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(20) % 4


def counts_of(emotions):
    return [emotions.count(label) for label in LABELS]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=40))
def test_class_weights_are_the_balanced_ones_of_scikit_learn(emotions):
    present = [label for label in LABELS if label in emotions]
    expected = dict(zip(present, compute_class_weight("balanced", classes=np.array(present), y=emotions), strict=True))
    weights = class_weights(counts_of(emotions))
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx([expected.get(label, 0.0) for label in LABELS])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=8).filter(any), st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0]))
def test_class_weights_have_mean_one_over_the_utterances_and_zero_for_an_absent_class(counts, beta):
    weights = class_weights(counts, beta).tolist()
    assert np.average(weights, weights=counts) == pytest.approx(1.0, rel=1e-5)
    assert [weight > 0 for weight in weights] == [count > 0 for count in counts]


def test_effective_numbers_stand_between_no_weights_and_inverse_frequency():
    counts, beta = [10, 100, 1000], 0.99
    assert class_weights(counts, 0.0).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert class_weights(counts, 1 - 1e-9).tolist() == pytest.approx(class_weights(counts).tolist(), rel=1e-4)
    numbers = [(1 - beta**count) / (1 - beta) for count in counts]  # Cui et al. 2019
    weights = class_weights(counts, beta)
    assert (weights[0] / weights[2]).item() == pytest.approx(numbers[2] / numbers[0], rel=1e-5)
    assert 1 < weights[0] / weights[2] < 100


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_that_of_torch_for_each_utterance(smoothing):
    loss = cross_entropy(LOGITS, CLASSES, smoothing=smoothing)
    assert loss.shape == (20,)
    torch.testing.assert_close(loss.mean(), functional.cross_entropy(LOGITS, CLASSES, label_smoothing=smoothing))


def test_weighted_loss_is_that_of_torch_where_both_mean_the_same():
    weights = class_weights([2, 1, 1, 1])
    loss = cross_entropy(LOGITS, CLASSES, weights)
    torch.testing.assert_close(loss, functional.cross_entropy(LOGITS, CLASSES, weights, reduction="none"))


def test_smoothing_and_weights_follow_the_formula():
    weights, smoothing = torch.tensor([0.5, 2.0, 1.0, 0.0]), 0.2
    logs = LOGITS.double().log_softmax(dim=-1).numpy()
    for row, label in enumerate(CLASSES.tolist()):
        target = np.full(4, smoothing / 4)
        target[label] += 1 - smoothing
        expected = -weights[label].item() * (target * logs[row]).sum()
        assert cross_entropy(LOGITS, CLASSES, weights, smoothing)[row].item() == pytest.approx(expected, abs=1e-5)


def test_half_precision_logits_are_scored_in_float32():
    loss = cross_entropy(LOGITS.bfloat16(), CLASSES)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(LOGITS.bfloat16().float(), CLASSES))


WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 1.5])
PRIOR = torch.tensor([0.1, 0.6, 0.2, 0.1])
HOT = functional.one_hot(CLASSES, 4).float()
SOFT = torch.rand(20, 4, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_options_the_criterion_is_cross_entropy_to_the_last_bit(weights, smoothing):
    """The formula is that of before there was a criterion, gradients included."""
    found, expected = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    loss = Criterion(weights, smoothing=smoothing, prior=PRIOR)(found, CLASSES)
    old = functional.cross_entropy(expected.float(), CLASSES, label_smoothing=smoothing, reduction="none")
    old = old if weights is None else old * weights[CLASSES]
    assert torch.equal(loss, old)
    loss.sum().backward()
    old.sum().backward()
    assert torch.equal(found.grad, expected.grad)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_targets_that_are_the_labels_change_nothing(gamma):
    criterion = Criterion(WEIGHTS, smoothing=0.1, gamma=gamma, prior=PRIOR, tau=0.7)
    torch.testing.assert_close(criterion(LOGITS, CLASSES, HOT), criterion(LOGITS, CLASSES))


def test_soft_targets_are_kullback_leibler_but_for_a_constant():
    divergence = functional.kl_div(LOGITS.log_softmax(dim=-1), SOFT, reduction="none").sum(dim=-1)
    entropy = -(SOFT * SOFT.log()).sum(dim=-1)
    torch.testing.assert_close(Criterion()(LOGITS, CLASSES, SOFT), divergence + entropy)


def test_a_soft_target_has_the_mean_weight_of_its_shares():
    plain, weighted = (Criterion(weights)(LOGITS, CLASSES, SOFT) for weights in (None, WEIGHTS))
    torch.testing.assert_close(weighted, plain * (SOFT * WEIGHTS).sum(dim=-1))


def test_focal_loss_is_that_of_the_paper():
    right = LOGITS.softmax(dim=-1)[range(20), CLASSES]
    expected = -WEIGHTS[CLASSES] * (1 - right).pow(2.0) * right.log()
    torch.testing.assert_close(Criterion(WEIGHTS, gamma=2.0)(LOGITS, CLASSES), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_has_a_slope_where_nothing_is_missed(gamma):
    logits = torch.tensor([[200.0, 0.0, 0.0, 0.0]], requires_grad=True)
    Criterion(gamma=gamma, smoothing=0.1)(logits, torch.tensor([0])).sum().backward()
    assert logits.grad.isfinite().all()


def test_logit_adjustment_learns_what_would_be_said_of_equal_frequencies():
    """One clip that says nothing, heard as often as the prior has each class: unadjusted logits become equal."""
    logits = torch.zeros(4, requires_grad=True)
    criterion = Criterion(prior=PRIOR, tau=1.0)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def step():
        optimizer.zero_grad()
        loss = (criterion(logits.expand(4, 4), torch.arange(4)) * PRIOR).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        logits += torch.tensor([1.0, -1.0, 0.5, 0.0])
    optimizer.step(step)
    assert logits.detach().softmax(dim=0).tolist() == pytest.approx([0.25] * 4, abs=1e-3)


def test_a_criterion_has_nothing_to_save():
    assert Criterion(WEIGHTS, prior=PRIOR, tau=1.0).state_dict() == {}


NAN = float("nan")
ANNOTATED = torch.tensor([[4.0, NAN, 1.0], [2.0, 3.0, NAN], [1.0, 2.5, NAN], [3.5, NAN, NAN], [2.0, 1.0, NAN]])
PREDICTED = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)) + 2.0


def test_the_concordance_loss_is_lins_formula_over_what_is_annotated():
    def ccc(ours, theirs):  # Lin 1989, equation 1, by numpy's own moments
        ours, theirs = ours.double().numpy(), theirs.double().numpy()
        covariance = np.cov(ours, theirs, bias=True)
        apart = ours.mean() - theirs.mean()
        return 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + apart**2)

    rows = [1, 2, 4]
    expected = [
        1 - ccc(PREDICTED[:, 0], ANNOTATED[:, 0]),
        1 - ccc(PREDICTED[rows, 1], ANNOTATED[rows, 1]),
    ]  # the third dimension is known of one utterance, which has no correlation
    assert concordance_loss(PREDICTED, ANNOTATED).item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert concordance_loss(3 * PREDICTED + 2, 3 * ANNOTATED + 2).item() == pytest.approx(np.mean(expected), rel=1e-5)
    known = ANNOTATED[:, :1]
    assert concordance_loss(known, known).item() == pytest.approx(0.0, abs=1e-6)
    assert concordance_loss(-known + 2 * known.mean(), known).item() == pytest.approx(2.0, abs=1e-6)


def test_the_squared_error_is_the_mean_over_what_is_annotated_then_over_the_dimensions():
    errors = (PREDICTED - ANNOTATED).square().numpy()
    assert squared_error(PREDICTED, ANNOTATED).item() == pytest.approx(np.nanmean(errors, axis=0).mean(), rel=1e-6)


@pytest.mark.parametrize("loss", [concordance_loss, squared_error])
def test_gradients_pass_by_what_is_unknown(loss):
    predicted = PREDICTED.clone().requires_grad_(True)
    loss(predicted, ANNOTATED).backward()
    assert predicted.grad.isfinite().all()
    assert (predicted.grad[ANNOTATED.isnan()] == 0).all()
    assert (predicted.grad[:, :2][~ANNOTATED[:, :2].isnan()] != 0).all()


@pytest.mark.parametrize("loss", [concordance_loss, squared_error])
def test_a_batch_of_which_nothing_is_known_costs_nothing_and_still_has_gradients(loss):
    predicted = PREDICTED.clone().requires_grad_(True)
    found = loss(predicted, torch.full_like(predicted, NAN))
    found.backward()
    assert found.item() == 0.0
    assert torch.equal(predicted.grad, torch.zeros_like(predicted)), "several processes wait for them"
