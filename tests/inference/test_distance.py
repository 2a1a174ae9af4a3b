"""The further a clip is from the training data, the less sure a calibrated model is of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from ser_tl.errors import CheckpointError
from ser_tl.inference.distance import MOST_CLIPS, Perturbed, fit_distance, perturb
from ser_tl.inference.refit_calibration import HELD_OUT
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.outliers import OutlierScore
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.combinations import with_default
from tests.training.samples import tiny_model, tone_corpus, tone_split, train_config

KNOWN = Calibration("temperature", [1.0], [], HELD_OUT, 60, 4, 1.2, 0.9, None, 1.0)


def drifting(count=1500, weight=1.5):
    """Clips at distances of 0.2 to 20 thresholds, whose emotions are as uncertain as that weight says."""
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 3, (count, 4))
    scores = np.exp(draw.uniform(np.log(0.2), np.log(20), count))
    true = replace(KNOWN, distance=weight).apply(logits, scores)
    labels = (true.cumsum(axis=1) < draw.random((count, 1))).sum(axis=1)
    return Perturbed(logits, labels, scores)


def test_the_weight_that_made_the_clips_is_found_again():
    assert fit_distance(KNOWN, drifting(weight=1.5)).distance == pytest.approx(1.5, abs=0.25)


def test_clips_of_which_the_model_is_rightly_sure_ask_for_nothing():
    assert fit_distance(KNOWN, drifting(weight=0.0)).distance < 0.1


def test_without_a_threshold_nothing_is_fitted():
    known = replace(KNOWN, outlier_threshold=None)
    assert fit_distance(known, drifting()) == known


def test_far_clips_get_softer_near_ones_stay_and_answers_too():
    logits = np.random.default_rng(0).normal(0, 3, (50, 4))
    far = replace(KNOWN, distance=2.0)
    rows = [far.apply(logits, np.full(50, score)) for score in (0.3, 1.0, 2.0, 8.0)]
    assert np.array_equal(rows[0], KNOWN.apply(logits))
    assert np.array_equal(rows[1], KNOWN.apply(logits))
    assert (rows[2].max(1) < rows[1].max(1)).all()
    assert (rows[3].max(1) < rows[2].max(1)).all()
    assert np.array_equal(rows[3].argmax(1), logits.argmax(1))
    data = drifting()
    losses = [log_loss(data.labels, one.apply(data.logits, data.remoteness)) for one in (KNOWN, far)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("axes", [True, False])
def test_the_network_computes_what_the_calibration_says(axes):
    model = tiny_model()
    labels = torch.arange(60) % 3
    model.outliers = OutlierScore.fit(torch.randn(60, model.embedding_dim), labels, 3)
    if axes:
        model.outliers.usual.copy_(torch.tensor([0.05, 1.0]))
    else:  # as models were saved before
        state = model.outliers.state_dict()
        model.outliers = OutlierScore(model.embedding_dim, 3, model.outliers.rank)
        model.outliers.load_state_dict(state, strict=False)
    model.calibration = replace(KNOWN, outlier_threshold=9.0 if axes else 0.05, distance=1.3)
    with torch.no_grad():
        output = model(torch.randn(5, 8000) * 0.2, torch.full((5,), 8000))
        found, distances = model.probabilities(output).numpy(), model.outliers.measure(output.embedding)[:, 0].numpy()
    assert (distances > 0.05).all()
    assert found == pytest.approx(model.calibration.apply(output.logits.numpy(), distances / 0.05), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("refit", with_default(["none", "discriminant"], ["discriminant"]))
def test_a_training_measures_it_on_changed_clips_and_the_folder_keeps_it(tmp_path, refit, monkeypatch):
    split = tone_split(tmp_path / "tones")
    seen = []

    def remember(calibration, perturbed):
        seen.append(perturbed)
        return replace(fit_distance(calibration, perturbed), distance=0.7)

    monkeypatch.setattr("ser_tl.inference.calibration.fit_distance", remember)
    model = tiny_model()
    Trainer(model, Frozen(), train_config(epochs=1, refit=refit, calibration="temperature")).fit(split.train, split.dev)
    (perturbed,) = seen
    assert len(perturbed.labels) == (9 if refit == "none" else 45)
    assert np.isfinite(perturbed.logits).all()
    assert (perturbed.remoteness > 0).all()
    model.save_pretrained(tmp_path / "model")
    assert EmotionModel.from_pretrained(tmp_path / "model").calibration.distance == 0.7
    assert "softer beyond the usual distance (weight 0.70)" in model.calibration.describe()


@pytest.mark.slow
def test_changed_clips_follow_from_their_ids(tmp_path):
    corpus, model = tone_corpus(tmp_path / "tones"), tiny_model()
    first, second = (perturb(model, corpus) for _ in range(2))
    assert len(first) == min(MOST_CLIPS, len(corpus))
    changed = 0
    for index in range(6):
        one, other = first[index], second[index]
        assert (one.id, one.label) == (other.id, other.label) == (corpus[index]["id"], first.windows[index].label)
        assert torch.equal(one.waveform, other.waveform)
        plain = first.windows[index].waveform
        changed += len(plain) != len(one.waveform) or not torch.equal(plain, one.waveform)
    assert changed >= 3  # one clip in eight stays as it is


def test_a_calibration_saved_before_softens_nothing_and_a_negative_weight_is_refused():
    content = KNOWN.to_json()
    del content["distance"]
    assert Calibration.from_json(content, 4, "config.json").distance == 0.0
    with pytest.raises(CheckpointError, match="expected 0 or more"):
        Calibration.from_json(content | {"distance": -1.0}, 4, "config.json")
