"""`compress_model` and `ser-tl compress`: chosen on training speakers, judged on others, kept as any other model."""

import json

import pytest
import torch

from ser_tl import cli
from ser_tl.augment import AugmentConfig
from ser_tl.compress import compress_model
from ser_tl.compress.compression import AFTER, BEFORE, compression_table
from ser_tl.compress.pruning import keep_layers, parameter_bytes
from ser_tl.compress.search import SHARES, Plan, find_plans, sample_pruned
from ser_tl.errors import ConfigError, EncoderError
from ser_tl.model import EmotionModel, ModelConfig
from tests.encoders.tiny import clip, tiny
from tests.test_model import LABELS, build
from tests.training.samples import TONES, tone_corpus

pytestmark = pytest.mark.slow

LABELS_OF_TONES = sorted(TONES)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"))


def tone_model(name="whisper", layers=(1, 2), pooling="stats"):
    """A random encoder; speakers 0 to 3 are known."""
    torch.manual_seed(0)
    config = ModelConfig(layers=list(layers), hidden=8)
    model = EmotionModel(tiny(name), LABELS_OF_TONES, pooling=pooling, config=config).eval()
    model.known_speakers = [f"speaker_{number}" for number in range(4)]
    return model


def test_a_model_is_pruned_fitted_on_known_speakers_and_judged_on_others(corpus, tmp_path):
    model = tone_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = compress_model(model, corpus, ffn=0.5, layers=1)
    small = found.model
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert (found.best.plan, small.layers, small.config.head) == (Plan(1, 0.5), [1], "discriminant")
    assert found.best.size == parameter_bytes(small) < found.original.size == parameter_bytes(model)
    assert set(found.reports[AFTER].per_speaker) == {"speaker_4", "speaker_5"}
    assert found.reports[AFTER].uar > found.reports[BEFORE].uar + 0.2  # which is at random
    assert found.best.held_out_uar > 0.6
    assert found.pair.difference == pytest.approx(found.reports[BEFORE].uar - found.reports[AFTER].uar)
    assert small.calibration.clips == 36
    assert small.outliers is not None
    assert small.known_speakers.among(corpus["speaker"]) == model.known_speakers.among(corpus["speaker"])
    rows = compression_table(found).splitlines()
    assert rows[2].startswith("| as it was (refitted alone) |")
    assert rows[3].startswith("| 1 layers, 50 % of the feed-forward channels |")
    small.save_pretrained(tmp_path)
    loaded = EmotionModel.from_pretrained(tmp_path)
    sample = clip(8000).numpy()
    assert loaded.predict(sample).probabilities == small.predict(sample).probabilities


def test_a_trained_pooling_stays_where_widths_alone_are_pruned(corpus):
    model = tone_model("wav2vec2", layers=[1, 3], pooling="attentive-stats")
    small = compress_model(model, corpus, ffn=0.5).model
    assert small.layers == [1, 3]
    for name, tensor in model.pooling.state_dict().items():
        assert torch.equal(small.pooling.state_dict()[name], tensor)


def test_views_are_heard_by_the_classifier_as_in_training(corpus):
    plain = compress_model(tone_model(), corpus, layers=1)
    views = AugmentConfig(transforms={"noise": {"probability": 1.0, "snr": 0}}, views=2)
    noisy = compress_model(tone_model(), corpus, layers=1, augment=views)
    assert not torch.equal(plain.model.head.weight, noisy.model.head.weight)
    assert noisy.model.calibration.clips == plain.model.calibration.clips == 36  # clips as they were recorded


def test_of_the_prunings_that_reach_a_target_the_best_on_training_speakers_is_taken(corpus, monkeypatch):
    plans = [Plan(3, 0.25), Plan(1, 1.0)]
    monkeypatch.setattr("ser_tl.compress.compression.find_plans", lambda model, **targets: plans)
    scores = iter([0.9, 0.5, 0.7])  # of the model as it was, and of the two
    monkeypatch.setattr("ser_tl.compress.compression.refit_classifier", lambda *_, **__: next(scores))
    found = compress_model(tone_model(layers=[1, 2, 3]), corpus, target_size=0.5)
    assert [trial.plan for trial in found.trials] == [Plan(1, 1.0), Plan(3, 0.25)]
    assert found.model.layers == [1]
    assert (found.original.held_out_uar, found.best.held_out_uar) == (0.9, 0.7)


@pytest.mark.parametrize("target", [0.9, 0.75, 0.6])
def test_plans_are_the_widest_that_reach_a_size(target):
    model = tone_model("wav2vec2", layers=[3])
    plans = find_plans(model, target_size=target)
    for plan in plans:
        fewer = keep_layers(model, plan.layers)
        assert parameter_bytes(sample_pruned(fewer, plan.ffn)) <= target * parameter_bytes(model)
        wider = [share for share in SHARES if share > plan.ffn]
        if wider:
            assert parameter_bytes(sample_pruned(fewer, wider[-1])) > target * parameter_bytes(model)
    shares = [plan.ffn for plan in plans]
    assert shares == sorted(set(shares))  # fewer layers only where they are wider


def test_a_target_of_speed_is_measured(monkeypatch):
    taken = iter(range(1, 100))
    monkeypatch.setattr(
        "ser_tl.compress.search.measure_times", lambda models: {"model": 10.0, "pruned": 10.0 / next(taken)}
    )
    # The third that is tried; then the next layer as a whole, after which fewer would gain nothing.
    assert find_plans(tone_model(layers=[3]), target_speed=3.0) == [Plan(3, 0.5), Plan(2, 1.0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name what is to be pruned"),
        ({"ffn": 0.5, "target_size": 0.5}, "not both"),
        ({"layers": 2, "target_speed": 2.0}, "not both"),
        ({"ffn": 2.0}, "ffn is 2"),
        ({"layers": 7}, "layers is 7"),
        ({"target_size": 1.5}, "target_size is 1.5"),
        ({"target_speed": 0.5}, "target_speed is 0.5"),
        ({"target_size": 0.001}, "no pruning reaches the target: the smallest"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_measured(corpus, monkeypatch, options, message):
    monkeypatch.setattr("ser_tl.compress.compression.measure_activity", None)
    with pytest.raises(ConfigError, match=message):
        compress_model(tone_model(), corpus, **options)


def test_speakers_whom_the_model_does_not_know_are_refused_unless_asked_for(corpus):
    model = tone_model()
    model.known_speakers = ["somebody"]
    with pytest.raises(ConfigError, match=r"knows none of this corpus' speakers.*`all_speakers`"):
        compress_model(model, corpus, layers=1)
    found = compress_model(model, corpus, layers=1, all_speakers=True)
    assert (found.reports, found.pair) == ({}, None)
    assert set(found.model.known_speakers.among(corpus["speaker"])) == set(corpus["speaker"])


def test_a_corpus_of_other_emotions_is_refused(corpus):
    model = build("whisper", pooling="stats")
    model.known_speakers = ["speaker_0", "speaker_1"]
    assert sorted(LABELS) == LABELS_OF_TONES
    with pytest.raises(ConfigError, match="have no clip of sadness"):
        compress_model(model, corpus.filter(lambda row: row["emotion"] != "sadness"), ffn=0.5)
    model = tone_model()
    model.labels = ["anger", "neutral", "joy"]
    with pytest.raises(ConfigError, match="the corpus also has sadness"):
        compress_model(model, corpus, ffn=0.5)


def test_states_that_hold_the_inner_channels_are_refused_at_once(corpus, monkeypatch):
    from tests.compress.test_pruning import inner_states

    monkeypatch.setattr("ser_tl.compress.compression.measure_activity", None)
    with pytest.raises(EncoderError, match="feed_forward makes"):
        compress_model(inner_states(), corpus, ffn=0.5)


def command(tmp_path, corpus, *more):
    lines = ["path,emotion,speaker"]
    lines += [f"{row['audio']['path']},{row['emotion']},{row['speaker']}" for row in corpus]
    (tmp_path / "tones.csv").write_text("\n".join(lines) + "\n")
    tone_model().save_pretrained(tmp_path / "model")
    return [
        "compress", str(tmp_path / "model"), "--corpus", "csv", "--root", str(tmp_path / "tones.csv"),
        "--output", str(tmp_path / "small"), *more,
    ]  # fmt: skip


def test_the_command_saves_the_model_its_card_and_what_was_measured(corpus, tmp_path, capsys):
    assert cli.main(command(tmp_path, corpus, "--layers", "1")) == 0
    printed = capsys.readouterr().out
    assert "| 1 layers, 100 % of the feed-forward channels |" in printed
    assert "points of UAR" in printed
    small = EmotionModel.from_pretrained(tmp_path / "small")
    assert len(small.encoder.feed_forwards) == 1
    card = (tmp_path / "small" / "README.md").read_text()
    assert "## Compression" in card
    assert "fitted anew" in card
    kept = json.loads((tmp_path / "small" / "compression.json").read_text())
    assert (kept["layers"], kept["ffn"]) == (1, 1.0)
    assert kept["size"] < kept["size_before"]
    assert cli.main(command(tmp_path, corpus, "--layers", "1")) == 1  # nothing is replaced
    assert "isn't empty" in capsys.readouterr().err


def test_a_compressed_model_is_exported_as_any_other(corpus, tmp_path):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra: pip install 'ser_tl[export]'")
    from ser_tl.export import export_model
    from ser_tl.inference import Predictor

    small = compress_model(tone_model("wav2vec2"), corpus, ffn=0.5, layers=1).model
    rows = export_model(small, tmp_path / "out").parity
    assert max(row["probabilities"] for row in rows) < 1e-4
    sample = clip(8000).numpy()
    assert Predictor(tmp_path / "out").predict(sample)[0].probabilities == pytest.approx(
        small.predict(sample).probabilities, abs=1e-4
    )
