"""Classifiers of transformers in and out: the same figures on both sides, or a refusal that says why."""

import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from ser_tl.data.audio import AudioConfig
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.model import EmotionModel, ModelConfig, export_transformers
from ser_tl.transfer import Full, Lora
from tests.combinations import each_value_once
from tests.encoders.tiny import CLASSIFIERS, KINDS, checkpoint, clip, padded, save, soundnet, tiny

pytestmark = pytest.mark.slow

OWN = ["ang", "hap", "neu", "sad"]
LABELS = ["anger", "happiness", "neutral", "sadness"]
LINEAR = {"head": "linear", "join": "sum", "standardise": False}

# The last layer alone, or all layers with learned weights.
each_sum = pytest.mark.parametrize("weighted", [False, True])
SAMPLED = [("wav2vec2", False), ("hubert-batch", True), ("wavlm", False), ("data2vec-audio", True), ("whisper", False)]
each_kind_and_sum = pytest.mark.parametrize(
    ("name", "weighted"),
    [
        pytest.param(name, weighted, marks=() if (name, weighted) in SAMPLED else pytest.mark.exhaustive)
        for name in CLASSIFIERS
        for weighted in (False, True)
    ],
)


def write(name, folder, *, weighted=False, labels=OWN, **changes):
    """A tiny classifier in transformers' layout, no weight of which is small enough to hide a mistake."""
    config = checkpoint(name).config
    config.update({"use_weighted_layer_sum": weighted, "classifier_proj_size": 6} | changes)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: place for place, label in enumerate(labels)}
    torch.manual_seed(5)
    model = AutoModelForAudioClassification.from_config(config)
    encoder = model.encoder if name == "whisper" else model.base_model
    pretrained = checkpoint(name)
    encoder.load_state_dict((pretrained.encoder if name == "whisper" else pretrained).state_dict())
    with torch.no_grad():
        for parameter in (*model.projector.parameters(), *model.classifier.parameters()):
            parameter.copy_(torch.randn_like(parameter))
        if weighted:
            model.layer_weights.copy_(torch.randn_like(model.layer_weights))
    model.save_pretrained(folder)
    normalise = name != "wavlm"
    extractor = WhisperFeatureExtractor() if name == "whisper" else Wav2Vec2FeatureExtractor(do_normalize=normalise)
    extractor.save_pretrained(folder)
    return str(folder)


@torch.no_grad()
def theirs(folder, samples):
    """transformers' own logits."""
    model = AutoModelForAudioClassification.from_pretrained(folder).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    return model(**extractor(samples.numpy(), sampling_rate=16_000, return_tensors="pt")).logits[0]


@torch.no_grad()
def ours(model, samples):
    return model.eval()(*padded([samples])).logits[0]


@each_kind_and_sum
def test_a_classifier_that_comes_in_says_what_it_said_in_transformers(name, weighted, tmp_path):
    source = write(name, tmp_path, weighted=weighted)
    model = EmotionModel.from_transformers(source)
    assert model.labels == LABELS
    said = []
    for samples in (clip(9000), clip(23_456, seed=1)):
        said.append(theirs(source, samples))
        torch.testing.assert_close(ours(model, samples), said[-1], atol=1e-4, rtol=0)
        heard = model.predict(samples.numpy())
        probabilities = torch.tensor(list(heard.probabilities.values()))
        torch.testing.assert_close(probabilities, said[-1].softmax(dim=0), atol=1e-4, rtol=0)
    assert (said[0] - said[1]).abs().max() > 1e-3


@each_kind_and_sum
def test_what_came_in_goes_out_again_with_the_same_logits(name, weighted, tmp_path):
    model = EmotionModel.from_transformers(write(name, tmp_path / "in", weighted=weighted))
    samples = clip(9000)
    out = export_transformers(model, tmp_path / "out")
    (tmp_path / "plain").touch()
    assert {path.stat().st_mode for path in out.iterdir()} == {(tmp_path / "plain").stat().st_mode}, (
        "others may read it"
    )
    torch.testing.assert_close(theirs(out, samples), ours(model, samples), atol=1e-5, rtol=1e-5)
    config = AutoModelForAudioClassification.from_pretrained(out).config
    assert [config.id2label[place] for place in range(4)] == LABELS


def linear_model(name, *, encoder=None, audio=None, **options):
    """A model whose head is linear, with statistics that aren't the identity."""
    torch.manual_seed(2)
    config = ModelConfig(**(LINEAR | options))
    encoder = encoder or (tiny(name, seed=1))
    if name == "whisper":
        encoder.full_window = True
    model = EmotionModel(encoder, LABELS, pooling="mean", config=config, audio=audio)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.startswith("encoder."):
                tensor.add_(0.5 * torch.rand_like(tensor))
    return model.eval()


OPTIONS = [
    {"layers": [-1]},
    {"layers": [-1], "standardise": True},
    {"layers": [1], "standardise": True, "join": "concat", "projection": 5},
    {"layers": [2, 0], "projection": 5},
    {"layers": [-1], "standardise": True, "head": "discriminant"},
]


@pytest.mark.parametrize(("name", "options"), each_value_once(CLASSIFIERS, OPTIONS), ids=str)
def test_every_model_without_an_obstacle_goes_out_with_the_same_logits(name, options, tmp_path):
    model, samples = linear_model(name, **options), clip(9000)
    torch.testing.assert_close(
        theirs(export_transformers(model, tmp_path), samples), ours(model, samples), atol=1e-5, rtol=1e-5
    )


def test_stable_checkpoints_go_out_with_all_layers_if_the_last_is_taken_before_its_norm(tmp_path):
    samples = clip(9000)
    with pytest.raises(ConfigError, match=r"the last of several layers after the final norm: .*\{final_norm: false\}"):
        export_transformers(linear_model("wav2vec2"), tmp_path)
    save("wav2vec2", tmp_path / "encoder")
    bare = EmotionModel.build(
        str(tmp_path / "encoder"),
        LABELS,
        pooling="mean",
        config=ModelConfig(**LINEAR),
        audio=AudioConfig(),
        encoder_options={"final_norm": False},
    )
    out = export_transformers(bare, tmp_path / "out")
    torch.testing.assert_close(theirs(out, samples), ours(bare, samples), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("hubert-group", {"head": "network"}, "norm and hidden layer: take model.head linear or train.refit"),
        ("hubert-group", {"join": "concat"}, r"side by side: take one \(model.layers '\[-1\]'\) or model.join sum"),
        ("hubert-group", {"standardise": True}, "each standardised: .* or model.standardise false"),
        ("hubert-group", {"network": "bilstm"}, "model.network bilstm: transformers has none"),
        ("hubert-group", {"audio": AudioConfig(normalise="peak")}, "audio.normalise peak: .* as they are"),
        ("hubert-group", {"audio": AudioConfig(gate="energy")}, "audio.gate energy: .* encodes the silence"),
        ("soundnet", {"layers": [0], "encoder": soundnet(["conv4"])}, "encoder soundnet: .* has no classifier on it"),
        (
            "whisper",
            {"layers": [-1], "encoder": KINDS["whisper-feed-forward"].make(0)},
            "the feed-forward networks hold: train without encoder_options.feed_forward",
        ),
    ],
)
def test_what_transformers_cannot_compute_is_refused_with_the_reason(name, options, reason, tmp_path):
    with pytest.raises(ConfigError, match=f"(?s)can't compute what this model computes:.*{reason}.*trust_remote_code"):
        export_transformers(linear_model(name, **options), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_reason_is_named_at_once(tmp_path):
    whisper = EmotionModel(tiny("whisper"), LABELS)
    with pytest.raises(ConfigError) as caught:
        export_transformers(whisper, tmp_path)
    for reason in ("{full_window: true}", "pooling attentive-stats", "hidden layer", "side by side", "standardised"):
        assert reason in str(caught.value)


@each_sum
def test_a_classifier_that_came_in_is_saved_and_trained_like_any_other(weighted, tmp_path):
    model = EmotionModel.from_transformers(write("wav2vec2", tmp_path / "in", weighted=weighted))
    model.save_pretrained(tmp_path / "model")
    again, samples = EmotionModel.from_pretrained(tmp_path / "model"), clip(9000)
    assert torch.equal(ours(again, samples), ours(model, samples))
    Full().prepare(again)
    again(*padded([samples])).logits.square().sum().backward()
    still = [key for key, one in again.named_parameters() if one.requires_grad and not one.grad.any()]
    assert still in ([], ["mix.scores"])  # a single layer's share is 1, whatever its score


def test_labels_that_say_nothing_have_to_be_given_a_meaning(tmp_path):
    source = write("wav2vec2", tmp_path, labels=["LABEL_0", "LABEL_1", "joy", "sad"])
    with pytest.raises(CheckpointError, match=r"LABEL_0, LABEL_1 mean no emotion.*labels=\{\"LABEL_0\": \"anger\"\}"):
        EmotionModel.from_transformers(source)
    given = EmotionModel.from_transformers(source, labels={"LABEL_0": "anger", "LABEL_1": "bliss"})
    assert given.labels == ["anger", "bliss", "happiness", "sadness"]
    with pytest.raises(CheckpointError, match=r"several mean happiness: say what each means"):
        EmotionModel.from_transformers(source, labels={"LABEL_0": "anger", "LABEL_1": "happiness"})


def test_given_meanings_are_read_as_everywhere_and_labels_called_by_name_or_number(tmp_path):
    source = write("wav2vec2", tmp_path, labels=["LABEL_0", "LABEL_1", "joy", "sad"])
    for labels in ({0: "angry", 1: "Bliss"}, {"0": "ANG", "LABEL_1": "bliss "}, {"LABEL_0": "anger", "1": "BLISS"}):
        assert EmotionModel.from_transformers(source, labels=labels).labels == [
            "anger",
            "bliss",
            "happiness",
            "sadness",
        ]
    with pytest.raises(CheckpointError, match=r"several mean happiness: say what each means"):
        EmotionModel.from_transformers(source, labels={0: "anger", 1: "happy"})
    for strange in (4, "LABEL_9", -1, False):
        with pytest.raises(
            ConfigError, match=rf"names {strange!r}; .* 0: LABEL_0, 1: LABEL_1, 2: joy, 3: sad\. Call each"
        ):
            EmotionModel.from_transformers(source, labels={strange: "anger"})
    with pytest.raises(ConfigError, match="labels= names one label twice"):
        EmotionModel.from_transformers(source, labels={0: "anger", "LABEL_0": "fear"})


def test_what_is_no_such_classifier_is_refused(tmp_path):
    encoder = save("wav2vec2", tmp_path / "encoder")
    with pytest.raises(CheckpointError, match=r"lacks (.|\n)*classifier(.|\n)*EmotionModel.build takes it"):
        EmotionModel.from_transformers(str(encoder))
    several = write("wav2vec2", tmp_path / "several", problem_type="multi_label_classification")
    with pytest.raises(CheckpointError, match="expected one of several emotions for each clip"):
        EmotionModel.from_transformers(several)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="its model_type 'bert' is none of whisper, "):
        EmotionModel.from_transformers(str(tmp_path / "bert"))


@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_adapters_go_out_folded_into_the_weights(name, tmp_path):
    model = linear_model(name, layers=[-1])
    Lora().prepare(model)
    with torch.no_grad():
        for key, tensor in model.encoder.named_parameters():
            if "lora_" in key:
                tensor.add_(torch.randn_like(tensor))
    samples = clip(9000)
    plain = theirs(export_transformers(linear_model(name, layers=[-1]), tmp_path / "plain"), samples)
    said = theirs(export_transformers(model, tmp_path / "lora"), samples)
    torch.testing.assert_close(said, ours(model, samples), atol=1e-4, rtol=1e-4)
    assert (said - plain).abs().max() > 1e-2
