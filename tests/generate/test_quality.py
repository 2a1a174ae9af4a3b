"""Distances of sets of clips, and the recipe from options to clips that another recipe trains on."""

import json

import numpy as np
import pytest
import soundfile

import ser_tl as ser
from ser_tl.errors import ConfigError
from ser_tl.evaluation.frechet import PrincipalAxes, frechet_distance
from ser_tl.generate.clips import write_synthetic
from ser_tl.generate.gan import WaveGan
from ser_tl.generate.quality import _random_phases, measure_synthetic_quality
from tests.generate.samples import tiny_config
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import TONES, tiny_model, tone_split, train_config


def test_the_distance_of_gaussians_is_as_the_formula_has_it():
    draw = np.random.default_rng(0)
    one = draw.normal(size=(20_000, 3))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + np.array([1.0, 2.0, 0.0])) == pytest.approx(5, abs=1e-6)
    assert frechet_distance(one, 3 * one - 2 * one.mean(axis=0)) == pytest.approx(3 * 4, rel=0.05)  # (3 - 1)^2 an axis
    assert frechet_distance(one, one[:, :1] * [1, 0, 0]) == pytest.approx(2, rel=0.05)
    with pytest.raises(ConfigError, match="two clips each are needed, of one width"):
        frechet_distance(one, one[:, :2])


def test_axes_scale_real_features_to_unit_variance_and_are_few():
    features = np.random.default_rng(0).normal(size=(40, 50)) * np.arange(1, 51)
    along = PrincipalAxes.fit(features)(features)
    assert along.shape == (40, 10)
    assert along.std(axis=0) == pytest.approx(np.ones(10))
    with pytest.raises(ConfigError, match="at least 8"):
        PrincipalAxes.fit(features[:5])


def test_random_phases_keep_the_spectrum_and_lose_the_wave():
    draw = np.random.default_rng(0)
    audio = draw.normal(size=(2, 512))
    turned = _random_phases(audio, draw)
    assert np.abs(np.fft.rfft(turned))[:, 1:-1] == pytest.approx(np.abs(np.fft.rfft(audio))[:, 1:-1], rel=1e-3)
    assert abs(np.corrcoef(turned[0], audio[0])[0, 1]) < 0.3


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_true_tones_are_nearer_and_better_heard_than_an_untrained_generators_clips(tiny, tmp_path):
    split = tone_split(tmp_path / "tones")
    gan = WaveGan(tiny_config(samples=4096, width=1), sorted(TONES))
    manifest = write_synthetic(gan, split, tmp_path / "gan")
    bad = measure_synthetic_quality(split, manifest, tiny_model().encoder, "tiny")
    for row, pitch in ((label, TONES[label]) for label in TONES for _ in range(3)):  # a perfect generator
        for path in sorted((tmp_path / "gan" / "synthetic").glob(f"{row}_*.wav")):
            noise = 0.05 * np.random.default_rng(int(path.stem[-4:])).normal(size=4096)
            soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * np.arange(4096) / 16000) + noise, 16000)
    good = measure_synthetic_quality(split, manifest, tiny_model().encoder, "tiny")
    assert good.encoder == "tiny"
    names = ["training speakers, other clips", "other speakers (dev)", "synthetic", "the same clips, random phases"]
    assert [row.windows for row in good.rows] == names
    (made, true) = (found.rows[2] for found in (bad, good))
    assert true.log_mel < 0.2 * made.log_mel
    assert true.encoder < made.encoder
    assert true.uar > made.uar
    assert {row.count for row in good.rows} == {9}
    good.save(tmp_path)
    assert json.loads((tmp_path / "quality.json").read_text())["rows"][2]["windows"] == "synthetic"
    assert "| synthetic | 9 |" in (tmp_path / "quality.md").read_text()


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_the_recipes_clips_are_trained_on_by_another_on_the_same_split(tiny, tmp_path):
    recipe = load_recipe("train_wavegan")
    tones = tone_manifest(tmp_path / "tones", takes=2)
    usual = {"corpus": "csv", "root": tones, "seed": 3}
    config = tiny_config(samples=4096, width=1, steps=2)
    recipe.main(ser.WaveGanOptions(**usual, output=tmp_path / "gan", wavegan=config))
    left = {"config.yaml", "synthetic.csv", "synthetic.json", "quality.md", "sheet.png", "state.safetensors"}
    assert {path.name for path in (tmp_path / "gan").iterdir()} >= left
    longer = tiny_config(samples=4096, width=1, steps=3)
    recipe.main(ser.WaveGanOptions(**usual, output=tmp_path / "gan", wavegan=longer, resume=True))
    before = (tmp_path / "gan" / "config.yaml").read_text()
    wider = tiny_config(samples=4096, width=2, steps=3)
    with pytest.raises(ConfigError, match=r"was run with other values of wavegan\.width: go on with"):
        recipe.main(ser.WaveGanOptions(**usual, output=tmp_path / "gan", wavegan=wider, resume=True))
    assert (tmp_path / "gan" / "config.yaml").read_text() == before
    lines = (tmp_path / "gan" / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 3

    with pytest.raises(ser.SerTlError, match="no-such-encoder"):  # told before the training, not after it
        recipe.main(ser.WaveGanOptions(**usual, output=tmp_path / "none", wavegan=config, encoder="no-such-encoder"))
    assert not (tmp_path / "none").exists()

    train = train_config(epochs=1, cache=False)
    options = ser.Options(**usual, output=tmp_path / "run", strategy="frozen", train=train, synthetic=tmp_path / "gan")
    report = load_recipe("finetune_wav2vec2").main(options)
    assert report.facts["synthetic_utterances"] == 9
    assert not any(name.startswith("synthetic") for name in report.predictions.ids)
    with pytest.raises(ser.SerTlError, match="train the generator on this very split"):
        load_recipe("finetune_wav2vec2").main(options.changed({"seed": 0, "output": str(tmp_path / "other")}))
