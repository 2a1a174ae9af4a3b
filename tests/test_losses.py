"""Cross-entropy, class by class and utterance by utterance; concordance, dimension by dimension."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from ser_tl.losses import class_weights, concordance_loss, cross_entropy, squared_error

LABELS = ["anger", "fear", "neutral", "sadness"]
LOGITS = 3 * torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(20) % 4


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=40))
def test_class_weights_are_the_balanced_ones_of_scikit_learn(emotions):
    present = [label for label in LABELS if label in emotions]
    expected = dict(zip(present, compute_class_weight("balanced", classes=np.array(present), y=emotions), strict=True))
    weights = class_weights(emotions, LABELS)
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx([expected.get(label, 0.0) for label in LABELS])


def test_class_weights_have_mean_one_over_the_utterances_and_zero_for_an_absent_class():
    emotions = ["anger"] * 6 + ["fear"] * 3 + ["neutral"]
    weights = dict(zip(LABELS, class_weights(emotions, LABELS).tolist(), strict=True))
    assert np.mean([weights[emotion] for emotion in emotions]) == pytest.approx(1.0)
    assert weights["sadness"] == 0.0
    assert 6 * weights["anger"] == pytest.approx(3 * weights["fear"]) == pytest.approx(weights["neutral"])


def test_an_emotion_outside_the_labels_has_no_say():
    assert torch.equal(class_weights(["anger", "fear", "boredom"], LABELS), class_weights(["anger", "fear"], LABELS))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_that_of_torch_for_each_utterance(smoothing):
    loss = cross_entropy(LOGITS, CLASSES, smoothing=smoothing)
    assert loss.shape == (20,)
    torch.testing.assert_close(loss.mean(), functional.cross_entropy(LOGITS, CLASSES, label_smoothing=smoothing))


def test_weighted_loss_is_that_of_torch_where_both_mean_the_same():
    weights = class_weights(["anger", "anger", "fear", "neutral", "sadness"], LABELS)
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
