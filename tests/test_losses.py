"""Cross-entropy, class by class and utterance by utterance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from ser_tl.losses import class_weights, cross_entropy

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
