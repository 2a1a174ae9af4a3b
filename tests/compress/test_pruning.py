"""What is taken away is gone, and what is left computes what the whole model would with the rest silenced."""

import numpy as np
import pytest
import torch

from ser_tl.compress.activity import Activity, measure_activity
from ser_tl.compress.importance import IMPORTANCES
from ser_tl.compress.pruning import (
    check_prunable,
    cut_channels,
    inner_width,
    keep_layers,
    narrow_feed_forwards,
    parameter_bytes,
    refit_contraction,
)
from ser_tl.data.batching import UtteranceDataset
from ser_tl.encoders import Fused, load_encoder
from ser_tl.errors import ConfigError, EncoderError
from ser_tl.inference.clips import Pass
from ser_tl.inference.processes import OneProcess
from ser_tl.model import EmotionModel, ModelConfig
from tests.combinations import each_value_once, with_default
from tests.encoders.tiny import LAYERS, NAMES, REPRESENTATIVES, clip, padded, tiny, wrap
from tests.encoders.tiny import checkpoint as tiny_checkpoint
from tests.test_model import LABELS, build
from tests.training.samples import tone_corpus

CLIPS = [clip(9000), clip(16_000, seed=1), clip(5000, seed=2)]


@torch.no_grad()
def logits(model, clips=CLIPS):
    return model(*padded(clips)).logits


def silence(model, kept):
    """The same model with the outgoing weights of all other inner channels at zero."""
    copy = EmotionModel.from_description(model.description, "here")
    copy.load_state_dict(model.state_dict())
    with torch.no_grad():
        for network, own in zip(copy.encoder.feed_forwards, kept, strict=True):
            gone = torch.ones(network.contract.in_features, dtype=torch.bool)
            gone[own] = False
            network.contract.weight[:, gone] = 0.0
    return copy.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", with_default(NAMES, REPRESENTATIVES))
def test_a_model_without_channels_is_the_model_with_them_silenced(name, tmp_path):
    model = build(name)
    draw = torch.Generator().manual_seed(0)
    kept = [torch.randperm(32, generator=draw)[:16].sort().values for _ in range(LAYERS)]
    small = cut_channels(model, kept)
    assert torch.allclose(logits(small), logits(silence(model, kept)), atol=1e-5)
    assert not torch.allclose(logits(small), logits(model), atol=1e-3)
    assert [network.contract.in_features for network in small.encoder.feed_forwards] == [16] * LAYERS
    assert parameter_bytes(small) == parameter_bytes(model) - 4 * LAYERS * 16 * (2 * 16 + 1)
    small.save_pretrained(tmp_path)
    assert torch.equal(logits(EmotionModel.from_pretrained(tmp_path)), logits(small))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers"), each_value_once([*NAMES, "whisper-feed-forward"], [[1], [0, 2], [2, 1]]), ids=str
)
def test_layers_that_a_model_does_not_use_go_without_a_trace(name, layers, tmp_path):
    model = build(name, layers=layers) if name in NAMES else inner_states(layers)
    first = 1 if name == "whisper-feed-forward" else 0
    small = keep_layers(model, LAYERS)
    assert len(small.encoder.feed_forwards) == max(layers) + first
    assert torch.allclose(logits(small), logits(model), atol=1e-6)
    assert parameter_bytes(small) < parameter_bytes(model) or max(layers) + first == LAYERS
    small.save_pretrained(tmp_path)
    assert torch.equal(logits(EmotionModel.from_pretrained(tmp_path)), logits(small))


def inner_states(layers=None):
    """A model whose states hold the inner channels."""
    torch.manual_seed(1)
    encoder = wrap("whisper", tiny_checkpoint("whisper"), feed_forward=True)
    return EmotionModel(encoder, LABELS, pooling="stats", config=ModelConfig(layers=layers, hidden=8)).eval()


@pytest.mark.parametrize("join", ["concat", "sum"])
@torch.no_grad()
def test_states_of_layers_that_are_left_are_what_they_were(join):
    model = build("wav2vec2", pooling="stats", join=join)
    small = keep_layers(model, 2)
    waveform, lengths = padded(CLIPS)
    whole, left = model.encode(waveform, lengths).states, small.encode(waveform, lengths).states
    assert small.layers == [0, 1, 2]
    assert torch.allclose(left, whole[:3], atol=1e-6)
    assert torch.allclose(small.normalize_states(left), model.normalize_states(whole)[:3], atol=1e-6)
    assert small.embedding_dim == model.embedding_dim * (3 if join == "concat" else 4) // 4


def test_a_model_whose_layers_are_all_gone_uses_the_last_that_is_left():
    small = keep_layers(build("hubert", pooling="stats", layers=[3]), 2)
    assert (small.layers, len(small.encoder.feed_forwards)) == ([2], 2)


def test_the_least_squares_fit_is_that_of_numpy():
    draw = np.random.default_rng(0)
    inner = draw.standard_normal((500, 12)) @ draw.standard_normal((12, 12)) + draw.standard_normal(12)
    weight, bias = draw.standard_normal((5, 12)), draw.standard_normal(5)
    kept = torch.tensor([0, 3, 4, 8, 11])
    activity = Activity.empty(12)
    activity.add(torch.from_numpy(inner[:200]))
    activity.add(torch.from_numpy(inner[200:]))
    fitted = refit_contraction(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), activity, kept)
    wanted = inner @ weight.T + bias
    design = np.hstack([inner[:, kept.numpy()], np.ones((500, 1))])
    best = np.linalg.lstsq(design, wanted, rcond=None)[0]
    error = np.square(wanted - design @ best).mean()
    found = inner[:, kept.numpy()] @ fitted[0].double().numpy().T + fitted[1].double().numpy()
    assert np.square(wanted - found).mean() < 1.05 * error
    assert error < 0.6 * np.square(wanted - inner[:, kept.numpy()] @ weight[:, kept.numpy()].T - bias).mean()


def test_all_channels_fitted_anew_are_the_layer_itself():
    torch.manual_seed(0)
    weight, bias, activity = torch.randn(4, 6), torch.randn(4), Activity.empty(6)
    activity.add(torch.randn(100, 6))
    fitted = refit_contraction(weight, bias, activity, torch.arange(6))
    assert torch.allclose(fitted[0], weight, atol=1e-5)
    assert torch.allclose(fitted[1], bias, atol=1e-5)


@pytest.mark.parametrize("name", list(IMPORTANCES))
def test_a_channel_that_is_silent_or_that_nobody_hears_matters_least(name):
    torch.manual_seed(0)
    inner, weight, activity = torch.randn(200, 6), torch.ones(4, 6), Activity.empty(6)
    inner[:, 2] = 0.0
    inner[:, 3] *= 5.0
    weight[:, 4] = 0.0
    activity.add(inner)
    scores = IMPORTANCES[name](activity, weight)
    assert sorted(scores.argsort()[:2].tolist()) == [2, 4]
    assert scores.argmax() == 3


def test_fluctuation_counts_a_constant_as_nothing_and_magnitude_does_not():
    inner, activity = torch.randn(200, 3), Activity.empty(3)
    inner[:, 1] = 10.0
    activity.add(inner)
    weight = torch.ones(2, 3)
    assert IMPORTANCES["fluctuation"](activity, weight).argmin() == 1
    assert IMPORTANCES["magnitude"](activity, weight).argmax() == 1


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("name", with_default(["wav2vec2", "wavlm", "whisper"], ["wav2vec2"]))
def test_activity_is_that_of_frames_of_speech_whatever_the_batches(name, tmp_path):
    model = build(name)
    clips = UtteranceDataset(tone_corpus(tmp_path), LABELS, model.audio, training=False)
    alone, together = (measure_activity(model, clips, Pass(OneProcess(), seconds)) for seconds in (0.1, 60.0))
    frames = sum(int(model.encode(*padded([clips[index].waveform])).mask.sum()) for index in range(len(clips)))
    assert [int(one.frames) for one in together] == [frames] * LAYERS
    for one, other in zip(alone, together, strict=True):
        assert torch.allclose(one.mean, other.mean, atol=1e-5)
        assert torch.allclose(one.covariance, other.covariance, atol=1e-5)


@pytest.mark.slow
def test_narrower_networks_keep_more_of_the_output_than_the_best_channels_as_they_are(tmp_path):
    model = build("wav2vec2")
    clips = UtteranceDataset(tone_corpus(tmp_path), LABELS, model.audio, training=False)
    activity = measure_activity(model, clips, Pass(OneProcess()))
    small = narrow_feed_forwards(model, 0.5, activity)
    waveforms = [clips[index].waveform for index in range(6)]
    states = model.encode(*padded(waveforms)).states
    kept = [
        IMPORTANCES["fluctuation"](own, network.contract.weight.detach()).topk(16).indices.sort().values
        for network, own in zip(model.encoder.feed_forwards, activity, strict=True)
    ]
    plain = cut_channels(model, kept).encode(*padded(waveforms)).states
    fitted = small.encode(*padded(waveforms)).states
    assert (fitted - states).square().mean() < 0.7 * (plain - states).square().mean()


@pytest.mark.parametrize(("share", "width"), [(0.5, 16), (0.3, 8), (0.01, 8), (1.0, 32)])
def test_widths_are_whole_vectors(share, width):
    assert inner_width(32, share) == width


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match=r"ffn is .*above 0 and up to 1"):
        inner_width(32, share)


@pytest.mark.parametrize("name", ["mfcc", "soundnet"])
def test_an_encoder_without_transformer_layers_is_refused(name):
    model = EmotionModel(load_encoder(name), LABELS)
    with pytest.raises(ConfigError, match=f"encoder {name} has no transformer layers.*int8"):
        check_prunable(model)
    with pytest.raises(EncoderError, match="no transformer layers"):
        model.encoder.shrunken_config(1, 8)


def test_models_whose_classifier_cannot_be_fitted_anew_are_refused():
    fused = EmotionModel(Fused([tiny("whisper"), tiny("hubert")]), LABELS)
    with pytest.raises(ConfigError, match="encoder fused has no transformer layers"):
        check_prunable(fused)
    with pytest.raises(ConfigError, match="predicts arousal"):
        check_prunable(EmotionModel(tiny("whisper"), LABELS, dimensions=["arousal"]))
    with pytest.raises(ConfigError, match=r"model\.statistics is speaker"):
        check_prunable(build("whisper", statistics="speaker"))


def test_trained_weights_that_need_all_layers_refuse_fewer():
    with pytest.raises(ConfigError, match=r"side by side[\s\S]*pooling\.") as caught:
        keep_layers(build("whisper", pooling="attentive-stats"), 2)
    assert "`ffn`" in str(caught.value)
    assert keep_layers(build("whisper", pooling="attentive-stats", join="sum"), 2).layers == [0, 1, 2]
    with pytest.raises(ConfigError, match=r"project\.weight"):
        keep_layers(build("whisper", pooling="stats", projection=4), 2)


@pytest.mark.parametrize("layers", [0, 4, -1])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(ConfigError, match=f"layers is {layers}: the encoder has 3 .*1 to 3"):
        keep_layers(build("whisper"), layers)


def test_states_that_hold_the_inner_channels_keep_them():
    model = inner_states()
    with pytest.raises(EncoderError, match="feed_forward makes"):
        cut_channels(model, [torch.arange(16)] * LAYERS)
    assert keep_layers(model, 2).layers == [0, 1]


@pytest.mark.slow
def test_adapters_are_folded_in():
    from peft import LoraConfig, inject_adapter_in_model

    model = build("wav2vec2")
    inject_adapter_in_model(
        LoraConfig(r=2, target_modules=["intermediate_dense", "output_dense", "q_proj"]), model.encoder.model
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.add_(0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    folded = keep_layers(model.eval(), LAYERS)
    assert torch.allclose(logits(folded), logits(model), atol=1e-5)
    kept = [torch.arange(16)] * LAYERS
    assert torch.allclose(logits(cut_channels(model, kept)), logits(cut_channels(folded, kept)), atol=1e-6)
