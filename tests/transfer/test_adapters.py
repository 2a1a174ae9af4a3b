"""An adapter's folder holds all that was learned and nothing else, and fits the encoder it was trained on alone."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_tl.data.audio import AudioConfig
from ser_tl.encoders import Fused, SoundNet, load_encoder
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.hub import push_folder
from ser_tl.model import EmotionModel, KnownSpeakers, ModelConfig
from ser_tl.model.peft_state import adapted_layers, added_state, base_state
from ser_tl.modules.discriminant import Discriminant
from ser_tl.modules.pooling import POOLINGS
from ser_tl.transfer import (
    IA3,
    STRATEGIES,
    Lora,
    load_adapter,
    load_adapters,
    merge_adapter,
    save_adapter,
)
from ser_tl.transfer.adapter_targets import Adapters
from tests.combinations import with_default
from tests.encoders.tiny import save, tiny
from tests.transfer.samples import (
    EVERY,
    LABELS,
    build,
    clips,
    encoder,
    learn,
    logits,
    stirred,
    strategies,
)

pytestmark = pytest.mark.slow

every = pytest.mark.parametrize(("name", "kind"), EVERY)


@every
def test_a_model_comes_back_from_its_adapter_to_the_last_bit(name, kind, tmp_path):
    model = stirred(build(name), strategies(name)[kind])
    path = save_adapter(model, tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["adapter.json", "adapter.safetensors"]
    assert path.stat().st_size < 4 * sum(one.numel() for one in load_file(path).values()) + 20_000
    again = load_adapter(tmp_path, encoder(name))
    assert not again.training
    assert Adapters.of(again.encoder) == Adapters.of(model.encoder)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, model.state_dict()[label]) for label, tensor in again.state_dict().items())
    assert torch.equal(logits(again), logits(model))
    assert (logits(again) - logits(build(name))).abs().max() > 1e-3


ABOVE = {
    "standardise_states.mean",
    "standardise_states.deviation",
    "mix.scores",
    "standardise_embedding.mean",
    "standardise_embedding.deviation",
}


@pytest.mark.parametrize(
    "options",
    [*({"pooling": pooling} for pooling in POOLINGS), {"join": "sum"}, {"network": "conformer"}, {"hidden": 0}],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_adapters_and_everything_above_the_encoder_are_in_the_file_by_name(options, tmp_path):
    model = stirred(build("wav2vec2", **options), Lora())
    held = load_file(save_adapter(model, tmp_path))
    assert held.keys() >= ABOVE | added_state(model).keys()
    assert {name for name in held if not name.startswith("encoder.")} == {
        name for name in model.state_dict() if not name.startswith("encoder.")
    }
    assert {name for name, _ in model.named_parameters() if not name.startswith("encoder.")} <= held.keys()
    assert any(name.startswith("head.") for name in held)
    assert any(name.startswith("network.") for name in held) == ("network" in options)
    assert any(name.startswith("pooling.") for name in held) == bool(model.pooling.state_dict())
    assert not [name for name in held if "base_layer" in name]
    assert held.keys() & {f"encoder.{name}" for name in base_state(model.encoder)} == set()
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in held.items())


@pytest.mark.exhaustive
def test_a_fused_models_weights_of_its_sources_are_in_the_file(tmp_path):
    model = stirred(build("fused", fusion="attention"), Lora())
    assert any(name.startswith("fuse.") for name in load_file(save_adapter(model, tmp_path)))
    assert torch.equal(logits(load_adapter(tmp_path, encoder("fused"))), logits(model))


def test_what_else_a_model_is_comes_back_too(tmp_path):
    audio = AudioConfig(max_seconds=5.0, normalise="rms")
    config = ModelConfig(layers=[1, 2], hidden=8)
    model = EmotionModel(encoder("whisper"), LABELS, pooling="mean", config=config, audio=audio, encoder_name="mine")
    model.known_speakers = ["a", "b"]
    Lora().prepare(model)
    model.replace_head(Discriminant(model.pooling.out_dim, len(LABELS)))
    save_adapter(model, tmp_path)
    again = load_adapter(tmp_path, encoder("whisper"))
    assert again.description == model.description
    assert isinstance(again.head, Discriminant)
    assert (again.known_speakers, again.audio, again.encoder_name) == (
        KnownSpeakers.from_names(["a", "b"]),
        audio,
        "mine",
    )
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("name", ["wav2vec2-group", "wavlm", "whisper"])
def test_the_base_is_loaded_from_where_it_was_trained_from_or_from_where_it_is_now(name, tmp_path):
    here = save(name, tmp_path / "here")
    model = stirred(EmotionModel.build(str(here), LABELS), Lora())
    save_adapter(model, tmp_path / "adapter")
    assert torch.equal(logits(load_adapter(tmp_path / "adapter")), logits(model))
    there = here.rename(tmp_path / "there")
    assert torch.equal(logits(load_adapter(tmp_path / "adapter", there)), logits(model))
    with pytest.raises(CheckpointError, match=r"can't be loaded .*no such folder.*as load_adapter\(folder, base\)"):
        load_adapter(tmp_path / "adapter")


def test_a_base_with_options_of_its_own_is_loaded_by_its_name_with_them(tmp_path):
    taps = {"taps": ["conv3", "conv6"]}
    model = stirred(EmotionModel.build("soundnet", LABELS, encoder_options=taps), Lora())
    save_adapter(model, tmp_path / "taps")
    assert torch.equal(logits(load_adapter(tmp_path / "taps")), logits(model))
    options = {"layers": [None, [0]]}
    model = stirred(EmotionModel.build("soundnet+mfcc", LABELS, encoder_options=options), Lora())
    save_adapter(model, tmp_path / "fused")
    assert torch.equal(logits(load_adapter(tmp_path / "fused")), logits(model))


def test_a_base_with_other_weights_is_refused_by_its_fingerprint(tmp_path):
    save_adapter(stirred(build("wav2vec2"), Lora()), tmp_path)
    other = tiny("wav2vec2")
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1e-3  # all else the same
    found = r"trained on another encoder.*expected '' with {'fingerprint': '\w{32}'}, found {'fingerprint': '\w{32}'}"
    with pytest.raises(CheckpointError, match=rf"{found}; pass the encoder it was trained on"):
        load_adapter(tmp_path, other)
    load_adapter(tmp_path, tiny("wav2vec2"))


def test_a_base_of_random_weights_is_not_taken_for_the_pretrained_one_of_its_name(tmp_path):
    model = stirred(EmotionModel.build("soundnet", LABELS, pretrained=False), Lora())
    save_adapter(model, tmp_path)
    with pytest.raises(CheckpointError, match=r"expected 'soundnet' with \{'fingerprint'"):
        load_adapter(tmp_path)
    assert torch.equal(logits(load_adapter(tmp_path, model.encoder)), logits(model))


def test_a_base_whose_weights_moved_is_told_apart(tmp_path):
    model = learn(stirred(build("whisper"), Lora()), STRATEGIES["full"](), steps=1)
    save_adapter(model, tmp_path)
    with pytest.raises(CheckpointError, match="fingerprint"):
        load_adapter(tmp_path, encoder("whisper"))


def test_a_base_of_another_family_or_with_other_settings_is_refused(tmp_path):
    save_adapter(stirred(build("fused"), Lora()), tmp_path)
    parts = [tiny("whisper"), tiny("wavlm")]
    with pytest.raises(CheckpointError, match=r"'family': 'fused'.*found {'family': 'whisper'"):
        load_adapter(tmp_path, parts[0])
    with pytest.raises(CheckpointError, match=r"'layers': \[\[1, 3\], \[0, 2\]\].*found .*\[\[1, 3\], \[1, 2\]\]"):
        load_adapter(tmp_path, Fused(parts, [[1, 3], [1, 2]]))  # the same weights and width
    save_adapter(stirred(build("soundnet"), Lora()), tmp_path)
    with pytest.raises(CheckpointError, match=r"\['conv4', 'conv5'\].*found .*\['conv5'\]"):
        load_adapter(tmp_path, SoundNet(["conv5"]))


@pytest.mark.parametrize(
    "name", with_default(["wav2vec2-group", "wavlm", "whisper", "fused", "soundnet"], ["wavlm", "soundnet"])
)
def test_several_adapters_share_one_base_and_each_computes_what_it_does_alone(name, tmp_path):
    folders, alone = {}, {}
    for seed, (kind, strategy) in enumerate(strategies(name).items()):
        model = stirred(build(name, pooling=["mean", "stats", "max"][seed]), strategy, seed)
        save_adapter(model, tmp_path / kind)
        folders[kind], alone[kind] = tmp_path / kind, logits(load_adapter(tmp_path / kind, encoder(name)))
    base = encoder(name)
    before = {label: tensor.clone() for label, tensor in base.state_dict().items()}
    models = load_adapters(folders, base)
    for _ in range(2):  # in turns
        assert all(torch.equal(logits(models[kind]), alone[kind]) for kind in folders)
    assert not adapted_layers(base)
    assert all(torch.equal(tensor, before[label]) for label, tensor in base.state_dict().items())
    places = {label: tensor.data_ptr() for label, tensor in base.state_dict().items()}
    for model in models.values():
        assert {label: tensor.data_ptr() for label, tensor in base_state(model.encoder).items()} == places


@pytest.mark.exhaustive
def test_what_happens_to_one_adapter_leaves_the_others_on_its_base_alone(tmp_path):
    for kind, strategy in strategies("whisper").items():
        save_adapter(stirred(build("whisper"), strategy), tmp_path / kind)
    models = load_adapters({kind: tmp_path / kind for kind in ("lora", "dora", "ia3")}, encoder("whisper"))
    before = {kind: logits(model) for kind, model in models.items()}
    learn(models["lora"], Lora())
    merge_adapter(models["ia3"])
    assert (logits(models["lora"]) - before["lora"]).abs().max() > 1e-4
    assert torch.equal(logits(models["dora"]), before["dora"])
    torch.testing.assert_close(logits(models["ia3"]), before["ia3"], atol=1e-5, rtol=0)


@every
def test_merged_adapters_compute_what_they_did(name, kind):
    model = stirred(build(name), strategies(name)[kind])
    before, plain = logits(model), build(name)
    assert merge_adapter(model) is model
    torch.testing.assert_close(logits(model), before, atol=1e-5, rtol=0)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert Adapters.of(model.encoder) is None
    learn(model, strategies(name)[kind])  # anew, on what they were folded into
    assert adapted_layers(model.encoder)


def test_training_goes_on_from_a_loaded_adapter(tmp_path):
    model = stirred(build("whisper"), Lora())
    save_adapter(model, tmp_path)
    again = load_adapter(tmp_path, encoder("whisper"))
    learn(again, Lora())
    learn(model, Lora())
    assert all(torch.equal(tensor, model.state_dict()[label]) for label, tensor in again.state_dict().items())


def test_a_model_without_adapters_is_told_what_saves_it(tmp_path):
    model = build("whisper")
    with pytest.raises(ConfigError, match=r"has no adapters .`strategy` lora trains some.: save_pretrained saves"):
        save_adapter(model, tmp_path)
    with pytest.raises(ConfigError, match="no adapters that could be merged"):
        merge_adapter(model)


def test_models_and_adapters_are_not_taken_for_each_other(tmp_path):
    model = stirred(build("whisper"), IA3())
    save_adapter(model, tmp_path / "adapter")
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"no model here.*this is an adapter, which load_adapter loads"):
        EmotionModel.from_pretrained(tmp_path / "adapter")
    with pytest.raises(CheckpointError, match=r"no adapter here.*a model, which EmotionModel.from_pretrained loads"):
        load_adapter(tmp_path / "model")
    with pytest.raises(CheckpointError, match=rf"its adapter is {tmp_path / 'adapter'}"):
        load_adapter(tmp_path)


def test_damaged_adapters_are_refused(tmp_path):
    path = save_adapter(stirred(build("whisper"), Lora()), tmp_path)
    whole, weights = path.read_bytes(), load_file(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match=r"damaged or cut short .*copy or save the adapter again"):
        load_adapter(tmp_path, encoder("whisper"))
    save_file({name: tensor for name, tensor in weights.items() if name != "mix.scores"} | {"a": torch.ones(1)}, path)
    with pytest.raises(
        CheckpointError, match=r"don't fit adapter.json(.|\n)*mix.scores: missing\n.*a: not part of this"
    ):
        load_adapter(tmp_path, encoder("whisper"))
    path.write_bytes(whole)
    config = json.loads((tmp_path / "adapter.json").read_text())
    for changed, message in (
        (config | {"format": 99}, "format 99, this version of ser_tl reads 1 and 2: update"),
        ({key: value for key, value in config.items() if key != "adapters"}, "not the config of an adapter"),
        (config | {"encoder": {"name": "whisper"}}, "not the config of an adapter"),
        ({key: value for key, value in config.items() if key != "labels"}, "not the config of a ser_tl model"),
    ):
        (tmp_path / "adapter.json").write_text(json.dumps(changed))
        with pytest.raises(CheckpointError, match=message):
            load_adapter(tmp_path, encoder("whisper"))


def test_an_adapter_is_a_fraction_of_its_encoder(tmp_path):
    config = ModelConfig(layers=[-1], hidden=0)
    model = EmotionModel(load_encoder("wav2vec2-mini"), LABELS, pooling="mean", config=config)
    whole = sum(tensor.nbytes for tensor in model.encoder.state_dict().values())
    Lora(rank=4).prepare(model)
    assert save_adapter(model, tmp_path).stat().st_size < whole / 100


def test_an_adapter_goes_to_a_hub_and_comes_back(tmp_path):
    model = stirred(build("whisper"), Lora())
    save_adapter(model, tmp_path / "adapter")
    (tmp_path / "teamhub").mkdir()
    repo = f"file://{tmp_path}/teamhub/team/adapter"
    push_folder(tmp_path / "adapter", repo, tag="v1")
    again = load_adapter(repo, encoder("whisper"), revision="v1")
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("labels", [LABELS, []])
def test_an_adapter_keeps_the_head_of_dimensions_and_its_scale(labels, tmp_path):
    plain = EmotionModel(encoder("wav2vec2"), labels, config=ModelConfig(hidden=8), dimensions=["valence", "arousal"])
    model = stirred(plain, Lora()).eval()
    saved = load_file(save_adapter(model, tmp_path))
    assert {"dimension_head.scale.mean", "dimension_head.scale.deviation"} < saved.keys()
    again = load_adapter(tmp_path, encoder("wav2vec2"))
    assert (again.labels, again.dimensions) == (labels, ["valence", "arousal"])
    with torch.no_grad():
        assert torch.equal(again(*clips()).dimensions, model(*clips()).dimensions)
