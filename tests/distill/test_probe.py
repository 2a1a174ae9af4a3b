"""The probe: speakers apart, the regression's exact solution, and what it is told by random weights."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import ser_tl as ser
from ser_tl.data.splits import SplitConfig
from ser_tl.distill import Probe, ProbeConfig
from ser_tl.distill.probe import clip_statistics
from ser_tl.errors import ConfigError
from tests.encoders.tiny import tiny
from tests.recipe_samples import load_recipe, tone_manifest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return tone_manifest(tmp_path_factory.mktemp("tones"))


@pytest.fixture
def probe(manifest):
    return Probe(ProbeConfig("csv", manifest, split=SplitConfig(k=3)))


def test_statistics_are_mean_and_deviation_of_each_state_alone_and_in_a_batch(probe):
    encoder = tiny("whisper").train()
    found = clip_statistics(encoder, probe.corpus)
    assert encoder.training
    assert found.shape == (len(probe.corpus), encoder.num_states, 2 * encoder.dim)
    for row in (0, 20):
        alone = clip_statistics(encoder.eval(), probe.corpus.select([row]))[0]
        np.testing.assert_allclose(found[row], alone, atol=1e-4)


def test_every_clip_is_tested_by_a_probe_that_never_heard_its_speaker(probe, monkeypatch):
    heard = []
    fit = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, x, y: (heard.append(len(x)), fit(self, x, y))[1])
    report = probe(tiny("whisper"))
    assert sorted(report.predictions.ids) == sorted(probe.corpus["id"])
    assert heard == [len(probe.corpus) * 2 // 3] * 3  # dev speakers are learned from, too
    assert report.interval is not None
    assert report.facts["C"] == 0.1


def test_the_rotation_changes_nothing(probe):
    draw = np.random.default_rng(0)
    statistics = draw.standard_normal((len(probe.corpus), 2, 40)).astype(np.float32)
    report = probe.report(statistics, tiny("whisper"), [1])
    split = probe.splits[0]
    place = {name: row for row, name in enumerate(probe.corpus["id"])}
    inside, outside = (
        [place[name] for part in parts for name in part["id"]] for parts in ((split.train, split.dev), (split.test,))
    )
    features = statistics[:, 1].astype(np.float64)
    scaler = StandardScaler().fit(features[inside])
    plain = LogisticRegression(C=0.1, max_iter=1000)
    plain.fit(scaler.transform(features[inside]), [probe.corpus["emotion"][row] for row in inside])
    where = [report.predictions.ids.index(name) for name in split.test["id"]]
    expected = plain.predict_proba(scaler.transform(features[outside]))
    np.testing.assert_allclose(report.predictions.probabilities[where], expected, atol=2e-3)


@pytest.mark.exhaustive
def test_a_regression_that_has_not_settled_is_told_and_not_raised(probe, monkeypatch):
    monkeypatch.setattr("ser_tl.distill.probe._STEPS", 1)
    report = probe(tiny("whisper"))
    unsettled = [note for note in report.notes if "lower probe.strength" in note]
    assert len(unsettled) == 1  # of all three folds, and therefore said once
    assert not unsettled[0].startswith("fold_")


def test_bad_values_are_told():
    with pytest.raises(ConfigError, match="expected more than 0"):
        ProbeConfig(strength=0.0)


@pytest.mark.exhaustive
def test_the_recipe_probes_each_layer_and_random_weights(manifest, tmp_path, monkeypatch, capsys):
    asked = []

    def load(name, pretrained, **options):
        asked.append(pretrained)
        return tiny("whisper")

    monkeypatch.setattr("ser_tl.load_encoder", load)
    recipe = load_recipe("probe_encoder")
    config = ProbeConfig("csv", manifest, split=SplitConfig(k=3))
    report = recipe.main(ser.ProbeOptions(output=tmp_path / "run", each=True, random=True, probe=config))
    said = capsys.readouterr().out
    assert asked == [False]
    assert [f"layer {layer}: UAR" in said for layer in range(5)] == [True] * 4 + [False]
    assert (tmp_path / "run" / "report.json").is_file()
    assert report.uar > 0.5  # tones have their pitch in the log-mel spectrogram already
