"""`compress_model` and `ser-tl compress`: chosen on training speakers, judged on others, kept as any other model."""

import json
from functools import partial

import pytest
import torch

from ser_tl import cli
from ser_tl.augment import AugmentConfig
from ser_tl.compress import compress_model
from ser_tl.compress.compression import AFTER, BEFORE, UNTRAINED, compression_table
from ser_tl.compress.fine_tuning import divide_dev, finetune_pruned
from ser_tl.compress.pruning import keep_layers, parameter_bytes
from ser_tl.compress.search import SHARES, Plan, find_plans, sample_pruned
from ser_tl.errors import ConfigError, EncoderError
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.training import TrainConfig, Trainer
from tests.card.bases import check_inherited, save_restricted
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


@pytest.fixture(scope="module")
def pruned(corpus, tmp_path_factory):
    """A model of one layer with half of its feed-forward channels."""
    model = save_restricted(tone_model(), tmp_path_factory.mktemp("base"))
    return compress_model(model, corpus, ffn=0.5, layers=1)


@pytest.fixture(scope="module")
def shallow(corpus):
    """A model of one layer."""
    return compress_model(tone_model(), corpus, layers=1)


def test_a_model_is_pruned_fitted_on_known_speakers_and_judged_on_others(pruned, corpus, tmp_path):
    model, found, small = tone_model(), pruned, pruned.model
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
    card = check_inherited(small, tmp_path, "Compressed: 1 layers, 50 % of the feed-forward channels.")
    assert "Its classifier was fitted anew." in card
    assert "tones" in card.split("## Data")[1].split("The model that it was made of:")[0]  # what it was fitted on
    loaded = EmotionModel.from_pretrained(tmp_path)
    sample = clip(8000).numpy()
    assert loaded.predict(sample).probabilities == small.predict(sample).probabilities


@pytest.mark.exhaustive
def test_a_trained_pooling_stays_where_widths_alone_are_pruned(corpus):
    model = tone_model("wav2vec2", layers=[1, 3], pooling="attentive-stats")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    small = compress_model(model, corpus, ffn=0.5).model
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert small.layers == [1, 3]
    for name, tensor in model.pooling.state_dict().items():
        assert torch.equal(small.pooling.state_dict()[name], tensor)


@pytest.mark.exhaustive
def test_views_are_heard_by_the_classifier_as_in_training(shallow, corpus):
    model = tone_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    views = AugmentConfig(transforms={"noise": {"probability": 1.0, "snr": 0}}, views=2)
    noisy = compress_model(model, corpus, layers=1, augment=views)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not torch.equal(shallow.model.head.weight, noisy.model.head.weight)
    assert noisy.model.calibration.clips == shallow.model.calibration.clips == 36  # clips as they were recorded


@pytest.mark.exhaustive
def test_a_fine_tune_trains_the_layers_that_are_left_and_nothing_below(corpus, monkeypatch):
    shallow, kept = tone_model(), {}
    original = {name: tensor.clone() for name, tensor in shallow.state_dict().items()}

    def remember(small, *arguments, **options):
        kept["before"] = {name: tensor.clone() for name, tensor in small.state_dict().items()}
        kept["train"] = set(arguments[1]["speaker"])
        return finetune_pruned(small, *arguments, **options)

    monkeypatch.setattr("ser_tl.compress.compression.finetune_pruned", remember)
    monkeypatch.setattr("ser_tl.compress.fine_tuning.TrainConfig", partial(TrainConfig, batch_seconds=2.0))
    found = compress_model(shallow, corpus, ffn=0.5, layers=1, finetune=1)
    assert all(torch.equal(tensor, original[name]) for name, tensor in shallow.state_dict().items())
    after, before = found.model.state_dict(), kept["before"]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    layers = {name for name in moved if name.startswith("encoder.")}
    assert layers
    assert all(".layers.0." in name for name in layers)
    assert "head.weight" in moved
    assert kept["train"] == {f"speaker_{number}" for number in range(4)}
    assert set(found.reports) == {BEFORE, AFTER, UNTRAINED}
    assert found.pair.difference == pytest.approx(found.reports[BEFORE].uar - found.reports[AFTER].uar)
    assert found.model.calibration.clips == 36
    rows = compression_table(found).splitlines()
    assert rows[3].startswith("| 1 layers, 50 % of the feed-forward channels |")
    assert rows[4].startswith("| the same, fine-tuned (epochs: 1) |")
    assert found.model.known_speakers.among(corpus["speaker"]) == shallow.known_speakers.among(corpus["speaker"])


def test_the_last_epoch_of_a_fine_tune_is_kept_whatever_speakers_say_whom_the_model_knows(corpus, monkeypatch):
    trainers, weights = [], []

    class Remembered(Trainer):
        def fit(self, *parts):
            trainers.append(self)
            return super().fit(*parts)

    def score(training):  # worse with every epoch
        weights.append(training.model.encoder.model.layers[0].fc1.weight.detach().clone())
        return {"dev_loss": float(len(weights)), "dev_uar": 1.0 / len(weights), "dev_war": 1.0}

    monkeypatch.setattr("ser_tl.compress.fine_tuning.Trainer", Remembered)
    monkeypatch.setattr("ser_tl.training.loop.score_dev", score)
    small = keep_layers(tone_model(), 1)
    known = corpus.filter(lambda row: row["speaker"] in {f"speaker_{number}" for number in range(4)})
    tuned = finetune_pruned(small, tone_model(), known, epochs=2)
    assert [record["best"] for record in trainers[0].history] == [False, True]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(tuned.encoder.model.layers[0].fc1.weight, weights[1])


def test_who_is_left_out_is_not_trained_on_and_has_to_be_there(corpus):
    train, dev = divide_dev(corpus)
    assert not set(train["speaker"]) & set(dev["speaker"])
    assert len(train) + len(dev) == len(corpus)
    two = corpus.filter(lambda row: row["speaker"] in ("speaker_0", "speaker_1"))
    with pytest.raises(
        ConfigError, match="this corpus has 2 training speakers: at least 3 are needed; leave `finetune`"
    ):
        compress_model(tone_model(), two, layers=1, finetune=1)


@pytest.mark.exhaustive
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
        ({"ffn": 0.5, "finetune": -1}, "finetune is -1: expected a number of epochs"),
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


@pytest.mark.exhaustive
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
    assert kept["finetune"] == 0
    assert cli.main(command(tmp_path, corpus, "--layers", "1")) == 1  # nothing is replaced
    assert "isn't empty" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_what_becomes_of_several_corpora_is_said(corpus, tmp_path, monkeypatch, capsys):
    def load(names, root, **options):
        return corpus, ["neutral is calm in one of them"]

    monkeypatch.setattr("ser_tl.corpora.load_corpora", load)
    assert cli.main(command(tmp_path, corpus, "--layers", "1")) == 0
    assert "note: neutral is calm in one of them" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["torchscript", pytest.param("onnx", marks=pytest.mark.exhaustive)])
def test_a_compressed_model_is_exported_as_any_other(pruned, tmp_path, format):
    from ser_tl.export import EXPORTERS, export_model
    from ser_tl.inference import Predictor

    for name in EXPORTERS[format].packages:
        pytest.importorskip(name, reason="needs the extra: pip install 'ser_tl[export]'")
    rows = export_model(pruned.model, tmp_path / "out", format).parity
    assert max(row["probabilities"] for row in rows) < 1e-4
    sample = clip(8000).numpy()
    assert Predictor(tmp_path / "out").predict(sample)[0].probabilities == pytest.approx(
        pruned.model.predict(sample).probabilities, abs=1e-4
    )
