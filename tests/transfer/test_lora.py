"""Adapters learn, all of them and nothing else of the encoder, and what they compute is what their papers say."""

import pytest
import torch
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from ser_tl.encoders import is_frozen, load_encoder
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.model.peft_state import adapted_layers, added_state, base_state, merge_layer, merged_state
from ser_tl.training import Trainer
from ser_tl.training.loop import score_dev
from ser_tl.transfer import IA3, STRATEGIES, Lora
from ser_tl.transfer.adapter_targets import Adapters, plan_adapters
from ser_tl.transfer.strategy import NO_DECAY
from tests.combinations import each_value_once
from tests.encoders.test_freezing import kept_for_backward
from tests.encoders.tiny import LAYERS
from tests.training.samples import BRIEF, interrupted, tiny_model, tone_split, train_config
from tests.transfer.samples import (
    CONVOLUTIONS,
    EACH_SINGLE,
    EVERY,
    FEED_FORWARD,
    RATES,
    SINGLE,
    build,
    clips,
    every_layer,
    learn,
    logits,
    stirred,
    strategies,
)

pytestmark = pytest.mark.slow

every = pytest.mark.parametrize(("name", "kind"), EVERY)


LEARNED = [("wav2vec2", False), ("wavlm", False), ("wavlm-group", True), ("whisper", True), ("moonshine", False)]


def adapters(model):
    added = added_state(model)
    return [(label, parameter) for label, parameter in model.named_parameters() if label in added]


@every
def test_adapters_begin_as_nothing(name, kind):
    model = build(name)
    before = logits(model)
    strategies(name)[kind].prepare(model)
    assert adapted_layers(model.encoder)
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=0)


@every
def test_all_adapters_learn_and_nothing_else_of_the_encoder_changes_a_bit(name, kind):
    model, strategy = build(name), strategies(name)[kind]
    before = {label: tensor.clone() for label, tensor in model.encoder.state_dict().items()}
    above = {label: buffer.clone() for label, buffer in model.named_buffers() if not label.startswith("encoder.")}
    learn(model, strategy)
    assert base_state(model.encoder).keys() == before.keys()
    for label, tensor in base_state(model.encoder).items():
        assert torch.equal(tensor, before[label]), label
    assert all(torch.equal(buffer, above[label]) for label, buffer in model.named_buffers() if label in above)
    added = added_state(model)
    for label, parameter in model.named_parameters():
        assert parameter.requires_grad == (label in added or not label.startswith("encoder.")), label
        assert (parameter.grad is not None) == parameter.requires_grad, label
        if label in added:
            assert parameter.grad.isfinite().all(), label
            assert parameter.grad.abs().max() > 1e-9, f"{label} gets no gradient"


@pytest.mark.parametrize(
    ("name", "dora"),
    [
        pytest.param(name, dora, marks=() if (name, dora) in LEARNED else pytest.mark.exhaustive)
        for name in SINGLE
        for dora in (False, True)
    ],
)
def test_adapters_in_every_layer_of_attention_and_feed_forward_learn(name, dora):
    """WavLM's attention among them, which as transformers has it would leave its projections' adapters at rest."""
    wanted = every_layer(name)
    strategy = Lora(targets=wanted, rank=3, dora=dora)
    model = build(name)
    strategy.prepare(model)
    found = [label.rpartition(".")[2] for label in adapted_layers(model.encoder)]
    assert sorted(found) == sorted(wanted * LAYERS)
    learn(model, strategy, steps=1)
    for label, parameter in adapters(model):  # one matrix is zero, so the other has no say yet
        assert (parameter.grad.abs().max() > 1e-9) == (".lora_A." not in label), label
    learn(model, strategy, steps=1)
    assert all(parameter.grad.abs().max() > 1e-9 for _, parameter in adapters(model))


@pytest.mark.parametrize(
    ("target", "name"), each_value_once(["q_proj", "k_proj", "v_proj", "out_proj"], ["wavlm", "wavlm-group"])
)
def test_adapters_in_wavlms_attention_change_its_states_as_merged_ones_do(name, target):
    model = build(name)
    before = logits(model)
    stirred(model, Lora(targets=[target]))
    plain = build(name)
    plain.load_state_dict(merged_state(model))
    assert (logits(model) - before).abs().max() > 1e-3
    torch.testing.assert_close(logits(model), logits(plain), atol=1e-5, rtol=0)


def with_transformers_own_attention():
    model = build("wavlm")
    for layer in model.encoder.model.encoder.layers:
        layer.attention.__class__ = WavLMAttention
    return model


def test_adapters_keep_out_of_an_attention_that_would_not_call_them():
    model = with_transformers_own_attention()
    Lora().prepare(model)
    assert {label.rpartition(".")[2] for label in adapted_layers(model.encoder)} == {"output_dense"}
    with pytest.raises(ConfigError, match=r"no q_proj that could have adapters.*name some of .*intermediate_dense"):
        Lora(targets=["q_proj"]).prepare(with_transformers_own_attention())


@every
def test_the_usual_places_are_the_familys(name, kind):
    model = build(name)
    strategies(name)[kind].prepare(model)
    found = {label.rpartition(".")[2] for label in adapted_layers(model.encoder)}
    if name in CONVOLUTIONS:
        assert found == ({"conv"} if name == "soundnet" else {"0", "3", "6", "8", "11", "13"})
    elif kind == "ia3":
        inputs = {"fused": {"fc2", "output_dense"}, "whisper": {"fc2"}, "moonshine": {"fc2"}}.get(
            name, {"output_dense"}
        )
        assert found == {"k_proj", "v_proj"} | inputs
        for label, layer in adapted_layers(model.encoder).items():
            assert layer.is_feedforward == (label.rpartition(".")[2] in inputs)
    else:
        assert found == {"q_proj", "v_proj"}


@pytest.mark.parametrize(
    ("name", "kind", "layers"),
    [
        *each_value_once(
            ["wav2vec2", "hubert-group", "wavlm", "data2vec-audio", "whisper"],
            ["lora", "ia3"],
            [[0, 2], [1], [2], None],
        )
    ],
)
def test_no_layer_above_the_highest_in_use_has_an_adapter(name, kind, layers):
    model = build(name, layers=layers)
    learn(model, STRATEGIES[kind]())
    highest = max(layers or [LAYERS])
    blocks = [block for block in model.encoder.blocks() if adapted_layers(block.modules)]
    assert [block.name for block in blocks] == [f"layer {number}" for number in range(1, highest + 1)]
    assert [block.name for block in STRATEGIES[kind]().trainable_blocks(model)] == [block.name for block in blocks]
    assert all(one.grad is not None for one in model.parameters() if one.requires_grad)  # DDP would wait for it


@pytest.mark.parametrize("name", EACH_SINGLE)
def test_only_so_many_top_blocks_as_asked_for_have_adapters_and_learn(name):
    for count in range(1, LAYERS):
        model, strategy = build(name, layers=[0, 1, 2]), Lora(blocks=min(count, 2))
        strategy.prepare(model)
        moving = [block.name for block in model.encoder.blocks() if not is_frozen(block.modules)]
        assert moving == [f"layer {number}" for number in range(3 - min(count, 2), 3)]
        assert moving == [block.name for block in strategy.trainable_blocks(model)]


@pytest.mark.parametrize("name", EACH_SINGLE)
def test_below_the_lowest_adapter_there_is_no_graph_and_no_dropout(name):
    model = build(name)
    Lora(blocks=1).prepare(model)
    encoder = model.train().encoder
    *below, top = encoder.blocks()
    assert not any(part.training for block in below for module in block.modules for part in module.modules())
    assert all(part.training for module in top.modules for part in module.modules())
    seen = {}
    for block in encoder.blocks():
        last = block.modules[0] if block.name != "front end" else block.modules[-1]
        last.register_forward_hook(
            lambda _module, _inputs, out, name=block.name: seen.update(
                {name: (out[0] if isinstance(out, tuple) else out).requires_grad}
            )
        )
    one = kept_for_backward(encoder)
    assert seen.pop(top.name)
    assert not any(seen.values()), seen
    every_block = build(name)
    Lora().prepare(every_block)
    assert 0 < one < 0.6 * kept_for_backward(every_block.train().encoder)


def test_the_products_are_scaled_as_the_papers_say():
    for rslora, scale in ((False, 12.0 / 4), (True, 12.0 / 4**0.5)):
        model = stirred(build("wav2vec2"), Lora(rank=4, alpha=12.0, rslora=rslora))
        for layer in adapted_layers(model.encoder).values():
            product = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
            expected = layer.get_base_layer().weight + scale * product
            torch.testing.assert_close(merge_layer(layer).weight, expected, atol=1e-6, rtol=0)


def test_dora_learns_the_length_of_each_row_apart_from_its_direction():
    model = stirred(build("wav2vec2"), Lora(dora=True))
    for layer in adapted_layers(model.encoder).values():
        rows, base = merge_layer(layer).weight, layer.get_base_layer().weight
        lengths = layer.lora_magnitude_vector["default"].weight
        torch.testing.assert_close(rows.norm(dim=1), lengths, atol=1e-5, rtol=0)
        moved = base + 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        torch.testing.assert_close(rows / lengths[:, None], moved / moved.norm(dim=1, keepdim=True))


def test_ia3_scales_keys_values_and_what_the_second_feed_forward_layer_takes_in():
    model = stirred(build("whisper"), IA3())
    for label, layer in adapted_layers(model.encoder).items():
        scale, base, plain = layer.ia3_l["default"], layer.get_base_layer(), merge_layer(layer)
        assert scale.shape == ((1, 32) if label.endswith("fc2") else (16, 1))
        torch.testing.assert_close(plain.weight, scale * base.weight)
        if base.bias is not None:
            torch.testing.assert_close(plain.bias, base.bias if label.endswith("fc2") else scale[:, 0] * base.bias)


@every
def test_a_saved_model_has_its_adapters_folded_in_and_the_live_one_keeps_them(name, kind, tmp_path):
    model = stirred(build(name), strategies(name)[kind])
    before, expected = {label: tensor.clone() for label, tensor in model.state_dict().items()}, logits(model)
    plain = build(name)
    assert (expected - logits(plain)).abs().max() > 1e-3
    model.train().save_pretrained(tmp_path)
    assert model.training
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[label]) for label, tensor in model.state_dict().items())
    again = EmotionModel.from_pretrained(tmp_path)
    assert not adapted_layers(again)
    assert again.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(logits(again), expected, atol=1e-5, rtol=0)


@every
def test_the_groups_hold_head_and_adapters_at_their_rates_and_only_products_decay(name, kind):
    model, strategy = build(name), strategies(name, learning_rate=7e-3)[kind]
    strategy.prepare(model)
    label_of = {id(parameter): label for label, parameter in model.named_parameters()}
    held = [id(parameter) for group in strategy.param_groups(model, RATES) for parameter in group["params"]]
    assert sorted(held) == sorted(id(one) for one in model.parameters() if one.requires_grad)
    for group in strategy.param_groups(model, RATES):
        side = group["name"].removesuffix(NO_DECAY)
        assert group["lr"] == {"head": RATES.head, "adapters": 7e-3}[side]
        for parameter in group["params"]:
            label = label_of[id(parameter)]
            assert (side == "adapters") == label.startswith("encoder.")
            if side == "adapters":
                assert ("weight_decay" not in group) == (".lora_A." in label or ".lora_B." in label)


def test_a_scale_without_a_gradient_stays_at_one():
    """Weight decay would pull IA3's scales to zero, which shuts the layer off."""
    model, strategy = build("wav2vec2"), IA3()
    strategy.prepare(model)
    optimizer = torch.optim.AdamW(strategy.param_groups(model, RATES), weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    assert all((tensor == 1).all() for tensor in added_state(model).values())


def test_preparing_again_keeps_what_was_learned_and_other_adapters_are_refused():
    model = stirred(build("whisper"), Lora())
    before = {label: tensor.clone() for label, tensor in model.state_dict().items()}
    Lora(learning_rate=3e-4).prepare(model)
    assert all(torch.equal(tensor, before[label]) for label, tensor in model.state_dict().items())
    changed = [Lora(**options) for options in ({"rank": 4}, {"blocks": 1}, {"dora": True})]
    for other in (*changed, IA3()):
        with pytest.raises(ConfigError, match=r"other adapters already .lora in 6 layers.*merge_adapter\(model\)"):
            other.prepare(model)


def test_other_strategies_take_adapters_for_a_part_of_the_encoder():
    model = stirred(build("wav2vec2"), Lora())
    STRATEGIES["frozen"]().prepare(model)
    assert is_frozen(model.encoder)
    STRATEGIES["partial"]().prepare(model)
    moving = [block.name for block in model.encoder.blocks() if not is_frozen(block.modules)]
    assert moving == ["layer 2", "layer 3"]


@every
def test_what_was_inserted_can_be_read_back(name, kind):
    model, strategy = build(name), strategies(name, rank=3, alpha=5.0, blocks=1)[kind]
    wanted = strategy.plan(model)
    assert Adapters.of(model.encoder) is None
    wanted.insert(model.encoder)
    assert Adapters.of(model.encoder) == wanted
    assert strategy.plan(model) == wanted  # whether adapters are there or not


@pytest.mark.parametrize("name", [name for name in SINGLE if name not in FEED_FORWARD])
def test_targets_name_layers_or_what_holds_them(name):
    model = build(name)
    found = plan_adapters(model, "lora", ["feed_forward", "attention.out_proj"], 1).modules
    assert [label.removeprefix("model.encoder.layers.2.") for label in found] == [
        "attention.out_proj",
        "feed_forward.intermediate_dense",
        "feed_forward.output_dense",
    ]


def test_impossible_places_are_refused_with_those_there_are():
    model = build("whisper", layers=[0, 2])
    with pytest.raises(ConfigError, match=r"strategy.targets: this encoder has no query, conv1 .*fc1, fc2, .*q_proj"):
        Lora(targets=["query", "conv1", "fc1"]).prepare(model)
    with pytest.raises(ConfigError, match=r"strategy.blocks is 3: the encoder has 2 blocks .*.layer 1, layer 2.; null"):
        Lora(blocks=3).prepare(model)
    with pytest.raises(ConfigError, match=r"strategy lora: .* family 'wav2vec2' has no place .*use `strategy` frozen"):
        Lora().prepare(build("wav2vec2", layers=[0]))
    assert not adapted_layers(model)


@pytest.mark.parametrize(("name", "kind"), [("mfcc", "lora"), ("mfcc", "ia3"), ("soundnet", "ia3")])
def test_an_encoder_without_places_names_the_strategies_that_work(name, kind):
    model = EmotionModel(load_encoder(name), ["anger", "neutral"])
    with pytest.raises(
        ConfigError, match=rf"{kind}: an encoder of family '{name}'.*wavlm.*`strategy` frozen, or parti"
    ):
        STRATEGIES[kind]().prepare(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "strategy.rank is 0: expected 1 or more; `strategy` frozen"),
        ({"alpha": 0.0}, "strategy.alpha is 0.0: expected more than 0"),
        ({"learning_rate": -1.0}, "strategy.learning_rate is -1.0: expected more than 0"),
        ({"dropout": 1.0}, "strategy.dropout is 1.0: expected a share"),
        ({"blocks": 0}, "strategy.blocks is 0: expected 1 or more, or null"),
        ({"targets": []}, "strategy.targets is .*expected a list of names"),
        ({"targets": "q_proj"}, "strategy.targets is 'q_proj': expected a list of names"),
    ],
)
def test_impossible_options_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        Lora(**options)


def test_dropout_reaches_the_adapters_in_training_alone():
    model = stirred(build("whisper"), Lora(dropout=0.5))
    assert torch.equal(logits(model), logits(model))
    with torch.no_grad():
        assert not torch.equal(model.train()(*clips()).logits, model(*clips()).logits)


@pytest.mark.exhaustive
@pytest.mark.parametrize("options", [{}, {"dora": True, "dropout": 0.2}], ids=["lora", "dora"])
def test_an_interrupted_training_resumes_to_the_same_end(options, tmp_path):
    split = tone_split(tmp_path / "tones", takes=1)

    def fit(folder, strategy, *, resume=False):
        trainer = Trainer(tiny_model(), strategy, train_config(**BRIEF), folder)
        trainer.fit(split.train, split.dev, resume=resume)
        return trainer

    whole = fit(tmp_path / "whole", Lora(**options))
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Lora(**options), 8))
    resumed = fit(tmp_path / "stopped", Lora(**options), resume=True)
    weights = resumed.model.state_dict()
    assert all(torch.equal(tensor, weights[label]) for label, tensor in whole.model.state_dict().items())
    assert whole.history[0]["learning_rates"].keys() == {"head", "adapters"}
    assert whole.facts["strategy"] == "lora"
    moving = sum(one.numel() for one in whole.model.parameters() if one.requires_grad)
    assert whole.facts["trainable_parameters"] == moving < whole.facts["parameters"]


@pytest.mark.parametrize(
    "strategy", [Lora(learning_rate=1e-2), pytest.param(IA3(learning_rate=3e-2), marks=pytest.mark.exhaustive)]
)
def test_tones_are_learned_and_the_best_epoch_is_put_back(strategy, tmp_path):
    split = tone_split(tmp_path)
    trainer = Trainer(tiny_model(dropout=0.0), strategy, train_config(epochs=12))
    history = trainer.fit(split.train, split.dev)
    assert trainer.evaluate(split.test).uar > 0.8
    best = next(record for record in history if record["best"])
    assert score_dev(trainer.training)["dev_loss"] == pytest.approx(best["dev_loss"], abs=1e-6)
