"""The whole model: what comes out of it, what it refuses, and its way to the disk and back."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from ser_tl.corpora import load_corpus
from ser_tl.data.audio import AudioConfig, decode, normalise
from ser_tl.data.batching import UtteranceDataset
from ser_tl.errors import AudioError, CheckpointError, ConfigError, UnknownNameError
from ser_tl.files import write_atomically
from ser_tl.inference import Predictor
from ser_tl.model import CONFIG_FILE, WEIGHTS_FILE, EmotionModel, ModelConfig, serialization
from ser_tl.model import weights as weights_module
from ser_tl.modules.pooling import POOLINGS, FrameScore
from tests.combinations import each_value_once, with_default
from tests.encoders.tiny import DIM, LAYERS, NAMES, REPRESENTATIVES, clip, padded, save, tiny

pytestmark = pytest.mark.slow

LABELS = ["anger", "neutral", "sadness"]


def build(name="wav2vec2", **options) -> EmotionModel:
    """A tiny model, no statistic or weight of which is left as it begins."""
    audio, pooling = options.pop("audio", None), options.pop("pooling", "attentive-stats")
    torch.manual_seed(1)
    config = ModelConfig(**({"hidden": 8} | options))
    model = EmotionModel(tiny(name), LABELS, pooling=pooling, config=config, audio=audio)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.startswith("encoder."):
                tensor.add_(0.3 * torch.rand_like(tensor))
    return model.eval()


@torch.no_grad()
def probabilities(model, clips):
    return model(*padded(clips)).logits.softmax(dim=-1)


def frames_of(model, clips):
    states, mask = model.encode(*padded(clips))
    return model.frames(model.normalize_states(states), mask)[0]


def in_order(prediction):
    assert list(prediction.probabilities) == LABELS
    return torch.tensor(list(prediction.probabilities.values()))


@pytest.mark.parametrize("join", ["sum", "concat"])
@pytest.mark.parametrize("pooling", list(POOLINGS))
@torch.no_grad()
def test_forward_gives_embedding_and_logits(pooling, join):
    model = build(pooling=pooling, join=join)
    embedding, hidden, logits, dimensions, speech = model(*padded([clip(4000), clip(8000, seed=1)]))
    assert embedding.shape == (2, model.pooling.out_dim)
    assert embedding.shape[1] % (DIM * (1 if join == "sum" else LAYERS + 1)) == 0
    assert logits.shape == (2, len(LABELS))
    assert torch.equal(model.head(embedding), logits)
    assert torch.equal(model.head.classify(hidden), logits)
    assert hidden.shape == (2, model.head.hidden_dim)
    assert dimensions is None
    assert speech is None  # without a gate


@pytest.mark.parametrize("pooling", list(POOLINGS))
@torch.no_grad()
def test_a_layer_s_channels_are_those_of_the_embedding_that_move_with_it_alone(pooling):
    model = build(pooling=pooling, layers=[2, 0])
    states, mask = model.encode(*padded([clip(8000)]))
    places = model.layer_channels()
    assert sorted(torch.cat(places).tolist()) == list(range(model.pooling.out_dim))
    for layer, own in enumerate(places):
        seen = []
        for scale in (1.0, 3.0):
            louder = states.clone()
            louder[layer] *= scale
            frames, _ = model.frames(model.normalize_states(louder), mask)
            seen.append(equally_pooled(model, frames, mask))
        moved = (seen[1] - seen[0]).abs() > 1e-6
        assert moved[own].all()
        assert not moved.index_fill(0, own, False).any()


def equally_pooled(model, frames, mask):
    """The embedding, where frames have weights under equal ones: those that are learned move with every layer."""
    for scorer in model.pooling.modules():
        if isinstance(scorer, FrameScore):
            scorer.score[-1].weight.zero_()
    return model.pooling(frames, mask)[0]


@torch.no_grad()
def test_a_projection_sets_the_width_that_is_pooled():
    model = build(projection=5, pooling="mean")
    assert frames_of(model, [clip(4000)]).shape[-1] == 5
    assert model(*padded([clip(4000)])).embedding.shape == (1, 5)


@torch.no_grad()
def test_without_standardisation_states_come_as_they_are():
    model = build(standardise=False, join="sum", layers=[-1])
    torch.testing.assert_close(frames_of(model, [clip(4000)]), model.encoder(*padded([clip(4000)])).states[-1])
    assert not [key for key in model.state_dict() if "standardise" in key]


@pytest.mark.parametrize(
    ("pooling", "name"), each_value_once(list(POOLINGS), ["wav2vec2", "hubert", "wavlm", "whisper"])
)
def test_a_clip_has_the_same_probabilities_alone_and_padded(name, pooling):
    model = build(name, pooling=pooling)
    clips = [clip(1, seed=3), clip(2000), clip(7777, seed=1), clip(16_000, seed=2)]
    together = probabilities(model, clips)
    alone = torch.cat([probabilities(model, [one]) for one in clips])
    assert together.std(dim=0).max() > 1e-3
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("labels", [["anger"], [], ["anger", "sadness", "anger"]])
def test_labels_have_to_be_several_and_different(labels):
    with pytest.raises(ConfigError, match="at least two different labels, got"):
        EmotionModel(tiny("wav2vec2"), labels)


def test_clips_longer_than_the_encoder_takes_are_refused_before_training():
    whisper = tiny("whisper", max_source_positions=50)
    with pytest.raises(ConfigError, match=r"audio.max_seconds is 12, the encoder takes at most 1 s"):
        EmotionModel(whisper, LABELS)
    EmotionModel(whisper, LABELS, audio=AudioConfig(max_seconds=1.0))


def test_options_that_do_not_fit_the_encoder_name_what_would():
    with pytest.raises(ConfigError, match=r"model.layers is \[7\]: the encoder has 4 layers of states"):
        build(layers=[7])
    with pytest.raises(UnknownNameError, match="no pooling called 'means': did you mean 'mean'"):
        build(pooling="means")


@pytest.mark.parametrize("name", with_default(NAMES, REPRESENTATIVES))
def test_no_block_above_the_highest_layer_of_the_mix_is_trainable(name):
    every = tiny(name).blocks()
    below = len(every) - LAYERS
    for layers, count in (([0], below), ([1], below + 1), ([2, 0], below + 2), ([-1], len(every)), (None, len(every))):
        model = build(name, layers=layers)
        blocks = model.trainable_blocks()
        assert [block.name for block in blocks] == [block.name for block in every[:count]]
        model(*padded([clip(4000)])).logits.square().sum().backward()
        for number, block in enumerate(model.encoder.blocks()):
            moved = any(one.grad is not None and one.grad.any() for one in block.modules.parameters())
            assert moved == (number < count), f"{block.name}, {layers}"


def test_prediction_is_the_same_from_path_array_and_list(tmp_path):
    model, path = build(), tmp_path / "clip.wav"
    soundfile.write(path, clip(8000).numpy(), 16_000, subtype="FLOAT")
    samples = decode(path)
    expected = probabilities(model, [torch.from_numpy(samples)])[0]
    recordings = [path, str(path), samples, samples.astype(np.float64)]
    several = model.predict(recordings)
    assert len(several) == 4
    for prediction in (*several, *map(model.predict, recordings)):
        torch.testing.assert_close(in_order(prediction), expected, atol=1e-6, rtol=0)
        assert prediction.label == LABELS[expected.argmax()]
        assert (prediction.attention, prediction.frame_seconds) == (None, None)
    assert sum(several[0].probabilities.values()) == pytest.approx(1.0)
    assert model.predict([]) == []


def test_recordings_in_a_list_do_not_touch_each_other():
    model = build("wav2vec2-group")  # whose padding would
    clips = [clip(3000), clip(9000, seed=1)]
    together = model.predict([one.numpy() for one in clips])
    for prediction, one in zip(together, clips, strict=True):
        torch.testing.assert_close(in_order(prediction), probabilities(model, [one])[0], atol=1e-6, rtol=0)


def test_a_long_recording_is_cut_into_windows_whose_probabilities_are_averaged():
    model, long = build(audio=AudioConfig(max_seconds=0.5)), clip(20_000)  # 1.25 s: three windows, 0.375 s apart
    windows = [long[start : start + 8000] for start in (0, 6000, 12_000)]
    expected = probabilities(model, windows)
    assert expected.std(dim=0).max() > 1e-3
    torch.testing.assert_close(in_order(model.predict(long.numpy())), expected.mean(dim=0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("how", ["none", "peak", "rms"])
def test_a_silent_window_of_a_long_recording_counts_as_any_other(how):
    model = build("whisper", audio=AudioConfig(normalise=how, max_seconds=0.5))
    spoken = clip(8000).numpy()
    heard = probabilities(model, [torch.from_numpy(normalise(spoken, how)), torch.zeros(8000)])
    found = model.predict(np.concatenate([spoken, np.zeros(8000, np.float32)]), attention=True)
    torch.testing.assert_close(in_order(found), heard.mean(dim=0), atol=1e-5, rtol=0)
    assert [seconds[0] for seconds in found.frame_seconds] == [0.0, 0.5]


@pytest.mark.parametrize("evaluation", ["windows", "centre"])
def test_a_recording_is_heard_as_evaluation_hears_it(tmp_path, evaluation):
    model = build(audio=AudioConfig(max_seconds=0.5, evaluation=evaluation))
    soundfile.write(tmp_path / "anger_a.wav", 0.5 * clip(20_000), 16_000, subtype="FLOAT")
    (tmp_path / "list.csv").write_text("path,emotion,speaker\nanger_a.wav,anger,a\n")
    clips = UtteranceDataset(load_corpus("csv", tmp_path / "list.csv"), model.labels, model.audio, training=False)
    assert len(clips) == {"windows": 3, "centre": 1}[evaluation]
    expected = probabilities(model, [clips[number].waveform for number in range(len(clips))]).mean(dim=0)
    torch.testing.assert_close(in_order(model.predict(tmp_path / "anger_a.wav")), expected, atol=1e-5, rtol=0)


def test_a_long_recording_goes_through_the_model_a_minute_at_a_time():
    model, sizes = build(audio=AudioConfig(max_seconds=0.5)), []
    whole = in_order(model.predict(clip(20_000).numpy()))
    predictor = Predictor(model, batch_seconds=1.0)
    run = predictor.session.run
    predictor.session.run = lambda *rest: sizes.append(len(rest[1])) or run(*rest)
    (found,) = predictor.predict(clip(20_000).numpy(), attention=True)
    torch.testing.assert_close(in_order(found), whole, atol=1e-6, rtol=0)
    assert sizes == [2, 1]
    assert [seconds[0] for seconds in found.frame_seconds] == [0.0, 0.375, 0.75]


def test_clips_are_normalised_as_the_model_was_told():
    one = clip(8000)
    peak, rms = (build("whisper", audio=AudioConfig(normalise=how)) for how in ("peak", "rms"))
    expected = probabilities(peak, [one / one.abs().max()])[0]
    torch.testing.assert_close(in_order(peak.predict(one.numpy())), expected, atol=1e-6, rtol=0)
    expected = probabilities(rms, [0.1 * one / one.square().mean().sqrt()])[0]
    torch.testing.assert_close(in_order(rms.predict(one.numpy())), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pooling", ["attention", "attentive-stats"])
@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_attention_adds_up_in_each_window_and_its_frames_have_times(name, pooling):
    model = build(name, pooling=pooling, audio=AudioConfig(max_seconds=0.5))
    prediction = model.predict(clip(20_000).numpy(), attention=True)
    assert len(prediction.attention) == len(prediction.frame_seconds) == 3
    for number, (weights, seconds) in enumerate(zip(prediction.attention, prediction.frame_seconds, strict=True)):
        assert weights.shape == seconds.shape
        assert weights.sum() == pytest.approx(1.0, abs=1e-5)
        assert (weights > 0).all()
        assert np.ptp(weights) > 1e-6
        assert seconds[0] == pytest.approx(number * 0.375)
        assert np.diff(seconds) == pytest.approx(0.02)
        assert seconds[-1] < number * 0.375 + 0.5
    assert prediction.probabilities == model.predict(clip(20_000).numpy()).probabilities


@pytest.mark.parametrize("pooling", ["mean", "stats", "max", "last"])
def test_attention_of_a_pooling_without_any_names_those_that_have_it(pooling):
    with pytest.raises(ConfigError, match=rf"'{pooling}', has no attention: train one with attention or att"):
        build(pooling=pooling).predict(clip(4000).numpy(), attention=True)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros(0, np.float32), "no samples|empty"),
        (np.array([0.1, np.nan], np.float32), "NaN or infinite"),
        (np.array([0.1, np.inf], np.float32), "NaN or infinite"),
        (np.full(800, 3e4, np.float32), r"expected are floats in \[-1, 1\]"),
        ([0.1, 0.2], "type float: expected a path, bytes"),
        ([None], "type NoneType: expected a path, bytes"),
        ("nowhere.wav", "nowhere.wav: no such file"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_way_out(samples, found):
    with pytest.raises(AudioError, match=found):
        build().predict(samples)


@pytest.mark.parametrize("training", [True, False])
def test_prediction_leaves_the_mode_and_the_weights_as_they_were(training):
    model = build(dropout=0.5)
    model.encoder.requires_grad_(False)
    model.train(training)
    modes = [module.training for module in model.modules()]
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    once, twice = model.predict([clip(4000).numpy()] * 2)
    torch.testing.assert_close(in_order(once), in_order(twice), atol=1e-6, rtol=0)  # no dropout
    with pytest.raises(AudioError):
        model.predict("nowhere.wav")
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", with_default(NAMES, REPRESENTATIVES))
@torch.no_grad()
def test_a_saved_model_comes_back_with_the_same_logits(name, tmp_path):
    model = build(name, pooling="attention", layers=[-1, 1], projection=6, audio=AudioConfig("rms", 7.0, "centre"))
    model.train().save_pretrained(tmp_path / "model")
    assert model.training
    again = EmotionModel.from_pretrained(str(tmp_path / "model"))
    clips = padded([clip(4000), clip(8000, seed=1)])
    assert not again.training
    assert torch.equal(again(*clips).logits, model.eval()(*clips).logits)
    assert (again.labels, again.config, again.audio) == (model.labels, model.config, model.audio)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert {path.name for path in (tmp_path / "model").iterdir()} == {CONFIG_FILE, WEIGHTS_FILE}


def test_a_saved_model_needs_no_folder_of_its_encoder(tmp_path):
    folder = save("wav2vec2", tmp_path / "encoder")
    model = EmotionModel.build(str(folder), LABELS, config=ModelConfig(hidden=8)).eval()
    model.save_pretrained(tmp_path / "model")
    shutil.rmtree(folder)
    again = EmotionModel.from_pretrained(tmp_path / "model")
    assert again.predict(clip(4000).numpy()) == model.predict(clip(4000).numpy())
    assert again.encoder_name == str(folder)


def test_the_config_on_disk_tells_what_the_model_is(tmp_path):
    build(layers=[1, 2], audio=AudioConfig(max_seconds=5.0)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert config["labels"] == LABELS
    assert config["audio"] == {"normalise": "none", "max_seconds": 5.0, "evaluation": "windows", "gate": "none"}
    assert config["encoder"]["family"] == "wav2vec2"
    assert config["encoder"]["config"]["architecture"]["hidden_size"] == DIM
    assert config["pooling"] == "attentive-stats"
    assert config["model"]["layers"] == [1, 2]
    assert config["format"] == serialization.FORMAT


def test_a_build_without_pretraining_has_other_weights(tmp_path):
    folder = str(save("wav2vec2", tmp_path))
    first, second = (EmotionModel.build(folder, LABELS, pretrained=pretrained) for pretrained in (True, False))
    weights = first.encoder.state_dict()
    assert any(not torch.equal(tensor, weights[key]) for key, tensor in second.encoder.state_dict().items())


@pytest.fixture
def saved(tmp_path) -> Path:
    build().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


class Killed(BaseException):
    pass


def half_weights(weights, path, metadata):
    Path(path).write_bytes(b"half")
    raise Killed


def half_config(path, text):
    with write_atomically(path) as part:
        part.write_text(text[:20])
        raise Killed


@pytest.mark.parametrize("part", [WEIGHTS_FILE, CONFIG_FILE])
def test_half_a_file_never_stands_under_its_final_name(part, tmp_path, monkeypatch):
    if part == WEIGHTS_FILE:
        monkeypatch.setattr(weights_module, "save_file", half_weights)
    else:
        monkeypatch.setattr(serialization, "write_text", half_config)
    with pytest.raises(Killed):
        build().save_pretrained(tmp_path)
    assert not (tmp_path / part).exists()
    with pytest.raises(CheckpointError, match=rf"no model here, .*{part} missing"):
        EmotionModel.from_pretrained(tmp_path)


def test_an_earlier_model_survives_weights_that_were_cut_off(saved, monkeypatch):
    before = EmotionModel.from_pretrained(saved)
    monkeypatch.setattr(weights_module, "save_file", half_weights)
    with pytest.raises(Killed):
        build().save_pretrained(saved)
    after = EmotionModel.from_pretrained(saved)
    assert all(torch.equal(tensor, after.state_dict()[key]) for key, tensor in before.state_dict().items())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_weights_that_are_cut_short_are_refused(saved, share):
    path = saved / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS_FILE}: damaged or cut short .*copy or save the model again"):
        EmotionModel.from_pretrained(saved)


def test_weights_that_are_no_safetensors_are_refused(saved):
    torch.save({"a": torch.zeros(3)}, saved / WEIGHTS_FILE)  # a pickle, which never gets loaded
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        EmotionModel.from_pretrained(saved)


@pytest.mark.parametrize("gone", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named_with_those_there(saved, gone):
    (saved / gone).unlink()
    other = ({CONFIG_FILE, WEIGHTS_FILE} - {gone}).pop()
    with pytest.raises(CheckpointError, match=rf"{gone} missing \(found: {other}\): pass a folder that a recipe saved"):
        EmotionModel.from_pretrained(saved)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"no such folder.*pass a folder that a recipe saved"):
        EmotionModel.from_pretrained(tmp_path / "gone")


def test_the_folder_of_a_run_is_told_from_the_model_in_it(saved):
    with pytest.raises(CheckpointError, match=rf"this is a run's folder, its model is {saved}"):
        EmotionModel.from_pretrained(saved.parent)


@pytest.mark.parametrize("text", ["", "{", "not json", '{"format": 1'])
def test_a_config_that_is_no_json_is_refused(saved, text):
    (saved / CONFIG_FILE).write_text(text)
    with pytest.raises(CheckpointError, match=rf"{CONFIG_FILE}: damaged, not JSON .*save the model again"):
        EmotionModel.from_pretrained(saved)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"format": 99}, "format 99, this version of ser_tl reads .*: update ser_tl"),
        ({"format": None}, "this is not a model of ser_tl"),
        ({"model": {"layerz": [1]}}, "not the config of a ser_tl model .*layerz.*save the model again"),
        ({"audio": 3}, "not the config of a ser_tl model .*save the model again"),
        ({"pooling": "means"}, "not the config of a ser_tl model .*no pooling called 'means'"),
        ({"encoder": {"family": "wav2vec9", "config": {}, "name": ""}}, "no encoder family called 'wav2vec9'"),
        ({"encoder": {"family": "wav2vec2", "name": ""}}, "not the config of a ser_tl model .*'config'"),
    ],
    ids=str,
)
def test_a_config_of_something_else_is_refused(saved, change, found):
    config = json.loads((saved / CONFIG_FILE).read_text())
    (saved / CONFIG_FILE).write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=found):
        EmotionModel.from_pretrained(saved)


@pytest.mark.parametrize("key", ["labels", "audio", "encoder", "pooling", "model"])
def test_a_config_without_one_of_its_parts_names_it(saved, key):
    config = json.loads((saved / CONFIG_FILE).read_text())
    del config[key]
    (saved / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"not the config of a ser_tl model .'{key}'.; save the model again"):
        EmotionModel.from_pretrained(saved)


@pytest.mark.parametrize("text", ["[]", "3", "{}"])
def test_json_of_another_kind_is_no_model(saved, text):
    (saved / CONFIG_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="this is not a model of ser_tl"):
        EmotionModel.from_pretrained(saved)


def test_the_folder_of_an_encoder_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="this is not a model of ser_tl"):
        EmotionModel.from_pretrained(save("wav2vec2", tmp_path))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda weights: weights.pop("mix.scores"), "mix.scores: missing"),
        (lambda weights: weights.update(more=torch.zeros(2)), "more: not part of this model"),
        (lambda weights: weights.update({"mix.scores": torch.zeros(9)}), r"mix.scores: \(9,\), expected \(4,\)"),
    ],
    ids=["missing", "extra", "shape"],
)
def test_weights_that_do_not_fit_the_config_are_listed(saved, change, found):
    weights = load_file(saved / WEIGHTS_FILE)
    change(weights)
    save_file(weights, saved / WEIGHTS_FILE)
    with pytest.raises(CheckpointError, match=rf"don't fit config.json; copy both files again\n  {found}"):
        EmotionModel.from_pretrained(saved)


def test_recordings_of_one_speaker_are_normalised_by_their_own_statistics():
    config = ModelConfig(hidden=8, dropout=0.0, statistics="speaker")
    model = EmotionModel(tiny("whisper"), LABELS, config=config).eval()
    recordings = [clip(40_000 + 500 * seed, seed=seed).numpy() for seed in range(16)]
    alone = model.predict(recordings)
    together = model.predict(recordings, speaker_normalize=True, embedding=True)
    assert [one.probabilities for one in alone] != [one.probabilities for one in together]
    again = model.predict(recordings)
    assert [one.probabilities for one in alone] == [one.probabilities for one in again]
    assert np.abs(np.mean([one.embedding for one in together], axis=0)).max() < 1e-3


def test_a_model_without_statistics_has_none_to_share():
    model = EmotionModel(tiny("whisper"), LABELS, config=ModelConfig(standardise=False)).eval()
    with pytest.raises(ConfigError, match=r"model\.standardise is false"):
        model.predict([clip(40_000).numpy()] * 16, speaker_normalize=True)


@pytest.mark.parametrize("options", [{"projection": -1}, {"hidden": -8}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_widths_and_shares_that_there_cannot_be_are_told(options):
    (name,) = options
    with pytest.raises(ConfigError, match=rf"model\.{name} is .*: expected"):
        ModelConfig(**options)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_in_another_precision_names_the_way_to_it(kind):
    with pytest.raises(ConfigError, match=rf"weights are {kind}.*call model\.float\(\); `with torch\.autocast"):
        build().to(kind).predict(clip(8000).numpy())


def test_no_recordings_have_no_predictions():
    assert build().predict([]) == build().predict([], speaker_normalize=True) == []
