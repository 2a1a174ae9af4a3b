"""Looking into a tiny model on tones: embeddings, layers, travel, and one recording."""

import copy

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.image import imread

from ser_tl.analysis import extract_embeddings, plot_recording, probe_layers, weight_change
from ser_tl.data.audio import decode
from ser_tl.data.batching import Clip, collate
from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference.clips import forward_batch
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.training import TrainConfig
from tests.training.samples import TONES, tiny_model, tone_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def model():
    return tiny_model(dropout=0.1)


@torch.no_grad()
def test_embeddings_are_what_the_head_sees_in_the_order_of_the_corpus(corpus, model):
    turned = corpus.select(range(len(corpus) - 1, -1, -1))
    found = extract_embeddings(model.train(), turned, TrainConfig(batch_seconds=3.0, cache=False))
    assert model.training
    assert (found.ids, found.emotions, found.speakers) == tuple(
        turned[name][:] for name in ("id", "emotion", "speaker")
    )
    clip = Clip(torch.from_numpy(decode(turned[4]["audio"]["path"])), 0, "")
    alone = forward_batch(model.eval(), collate([clip])).embedding[0].numpy()
    assert np.abs(found.values[4] - alone).max() < 1e-4


@torch.no_grad()
def test_the_hidden_layer_is_what_domains_are_aligned_in(corpus, model):
    found = extract_embeddings(model, corpus, layer="hidden")
    clip = Clip(torch.from_numpy(decode(corpus[4]["audio"]["path"])), 0, "")
    alone = forward_batch(model.eval(), collate([clip]))
    assert found.values.shape == (len(corpus), model.head.hidden_dim)
    assert np.abs(found.values[4] - alone.hidden[0].numpy()).max() < 1e-4
    assert found.ids == extract_embeddings(model, corpus).ids


def test_a_head_of_one_layer_has_no_hidden_one(corpus):
    plain = EmotionModel(tiny_model().encoder, list(TONES), pooling="mean", config=ModelConfig(head="linear"))
    assert (extract_embeddings(plain, corpus, layer="hidden").values == extract_embeddings(plain, corpus).values).all()


def test_another_layer_is_refused(corpus, model):
    with pytest.raises(ConfigError, match=r"expected embedding .* or hidden"):
        extract_embeddings(model, corpus, layer="logits")


@pytest.mark.exhaustive
def test_the_cache_changes_no_embedding(corpus, model):
    with_cache = extract_embeddings(model, corpus, TrainConfig(cache=True))
    assert (
        np.abs(with_cache.values - extract_embeddings(model, corpus).values).max() < 0.05
    )  # states are kept in half precision
    assert with_cache.values.std() > 0.05


@pytest.mark.exhaustive
def test_a_model_with_statistics_of_each_corpus_measures_them(corpus):
    own = EmotionModel(tiny_model().encoder, list(TONES), pooling="mean", config=ModelConfig(statistics="corpus"))
    values = extract_embeddings(own, corpus).values
    assert np.abs(values.mean(axis=0)).max() < 1e-3
    assert np.abs(values.std(axis=0) - 1).max() < 0.01


def test_layers_are_scored_by_probes_that_never_heard_the_speaker(corpus, model):
    scores = probe_layers(model, corpus, folds=3)
    assert list(scores) == ["front end", "layer 1", "layer 2"]
    assert max(report.uar for report in scores.values()) > 0.9
    for report in scores.values():
        assert report.predictions.ids == corpus["id"][:]
        assert report.uar > 0.6  # tones are easy, for random layers too
        assert report.predictions.predictions != report.predictions.references or report.uar == 1.0


@pytest.mark.exhaustive
def test_a_model_of_dimensions_alone_is_looked_into_by_the_emotions_of_the_corpus(corpus, model):
    alone = tiny_model(dropout=0.1, labels=[], dimensions=["arousal"])
    scores, expected = probe_layers(alone, corpus, folds=3), probe_layers(model, corpus, folds=3)
    assert [report.uar for report in scores.values()] == [report.uar for report in expected.values()]
    assert extract_embeddings(alone, corpus, layer="hidden").values.shape == (
        len(corpus),
        alone.dimension_head.head.hidden_dim,
    )


@pytest.mark.exhaustive
def test_labels_that_mean_nothing_score_at_chance(corpus, model):
    draw = np.random.default_rng(3)
    rows = [row | {"emotion": str(name)} for row, name in zip(corpus, draw.permutation(corpus["emotion"]), strict=True)]
    shuffled = corpus.remove_columns("emotion").add_column("emotion", [row["emotion"] for row in rows])
    assert all(report.uar < 0.65 for report in probe_layers(model, shuffled, folds=3).values())


def test_travel_is_relative_and_by_block(model):
    before = model.encoder
    after = copy.deepcopy(before)
    assert set(weight_change(before, after).values()) == {0.0}
    moved = after.blocks()[-1]
    with torch.no_grad():
        for weight in moved.modules.parameters():
            weight.mul_(1.25)
    distances = weight_change(before, after)
    assert distances.pop(moved.name) == pytest.approx(0.25, rel=1e-5)
    assert set(distances.values()) == {0.0}
    assert list(weight_change(before, after)) == [block.name for block in before.blocks()]


def test_two_architectures_have_no_distance(model):
    other = copy.deepcopy(model.encoder)
    del other.model.layers[-1]
    with pytest.raises(ConfigError, match="differ in name or shape"):
        weight_change(model.encoder, other)


@pytest.mark.parametrize("pooling", ["attentive-stats", "mean"])
def test_a_recording_is_drawn_and_a_pooling_without_attention_is_named(monkeypatch, corpus, tmp_path, pooling):
    said = {}
    monkeypatch.setattr("ser_tl.analysis.inspection.recording_picture", lambda *args, **kw: said.update(kw))
    found = plot_recording(tiny_model(pooling=pooling), corpus[0]["audio"]["path"], tmp_path / "a.png")
    assert (said["attention"] is None) == (pooling == "mean") == (found.attention is None)
    assert ("the pooling, mean, weighs all frames alike" in said["title"]) == (pooling == "mean")
    assert said["title"].startswith(f"{corpus[0]['id']}.wav: {found.label}, ")


@pytest.mark.exhaustive
def test_a_long_recording_is_heard_in_windows(tmp_path):
    time = np.arange(int(16000 * 27.0)) / 16000
    soundfile.write(tmp_path / "long.wav", 0.3 * np.sin(2 * np.pi * 300 * time), 16000)
    found = plot_recording(tiny_model(), tmp_path / "long.wav", tmp_path / "pictures" / "long.png")
    assert len(found.attention) == 3
    assert found.frame_seconds[-1][-1] == pytest.approx(27.0, abs=0.05)
    assert imread(tmp_path / "pictures" / "long.png").std() > 0.05


def test_what_is_no_audio_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AudioError, match="not audio"):
        plot_recording(tiny_model(), tmp_path / "text.wav", tmp_path / "text.png")
    assert not (tmp_path / "text.png").exists()
