"""An answer has a set where the server promises a coverage, and none where it doesn't."""

import numpy as np
import pytest

from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets
from tests.serving.running import LoudnessSession, Running, encode, form, tone


def calibrated_session():
    session = LoudnessSession()
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    sets = PredictionSets.fit(rows, rows.argmax(axis=1), [f"s{row % 20}" for row in range(200)])
    session.calibration = Calibration("temperature", [1.0], [], "tones", 200, 20, 1.0, 0.8, sets, None)
    return session


@pytest.mark.parametrize("coverage", [None, 0.8])
def test_a_set_is_null_unless_a_coverage_was_asked_for(coverage):
    with Running(calibrated_session(), coverage=coverage, cache_answers=0) as server:
        alone = server.post(encode(tone())).json
        body, kind = form(("a.wav", encode(tone())), ("b.wav", encode(tone(0.7))))
        several = server.post(body, Content_Type=kind).json["predictions"]
        silent = server.post(encode(np.zeros(8000))).json
    for answer in (alone, *several):
        if coverage is None:
            assert answer["prediction_set"] is None
        else:
            assert answer["label"] in answer["prediction_set"]
    assert silent["prediction_set"] == (None if coverage is None else [])
