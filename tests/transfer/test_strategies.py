"""What a strategy says moves does move, and everything else stays as it was, to the last bit."""

import pytest
import torch

from ser_tl.data.batching import Batch
from ser_tl.encoders import is_frozen, load_encoder
from ser_tl.errors import ConfigError, UnknownNameError
from ser_tl.inference.clips import forward_batch
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.losses import cross_entropy
from ser_tl.training.parts.dimensions import dimension_loss
from ser_tl.transfer import STRATEGIES, LearningRates, Lora
from ser_tl.transfer.strategy import NO_DECAY
from tests.combinations import each_value_once
from tests.encoders.tiny import LAYERS, clip, padded, tiny

pytestmark = pytest.mark.slow

ENCODERS = ["wav2vec2", "hubert", "wavlm", "data2vec-audio", "whisper", "moonshine"]
# Arousal and valence of the batch's clips, one of them unknown.
RATED = torch.tensor([[1.0, 4.0], [2.0, 3.5], [4.0, float("nan")], [1.5, 2.0], [3.0, 1.0], [5.0, 3.0]])
RATES = LearningRates(head=1e-2, encoder=1e-3)
RATE_OF = {"head": RATES.head, "encoder": RATES.encoder, "adapters": Lora().learning_rate}
every_encoder = pytest.mark.parametrize("name", ENCODERS)
every_strategy = pytest.mark.parametrize("strategy", list(STRATEGIES))
every_pair = pytest.mark.parametrize(("strategy", "name"), each_value_once(list(STRATEGIES), ENCODERS))

# What a softmax takes out again gets no gradient but rounding: a bias that is added to every score alike.
SHIFTS = ("k_proj.bias", "attend.score.2.bias")
WAITS = ("lora_A.default.weight",)  # for LoRA's other matrix, which begins at zero: test_lora.py takes a second step


def build(
    name, *, labels=("anger", "neutral", "sadness"), dimensions=("arousal", "valence"), **options
) -> EmotionModel:
    torch.manual_seed(2)
    config = ModelConfig(**({"hidden": 8, "projection": 6, "dropout": 0.0} | options))
    model = EmotionModel(tiny(name), labels, pooling="attentive-stats", config=config, dimensions=dimensions)
    with torch.no_grad():
        for parameter in model.pooling.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))  # attention begins with weights of zero
    return model


def batch() -> Batch:
    waveform, lengths = padded([clip(4000 + 900 * seed, seed=seed) for seed in range(6)])
    return Batch(waveform, lengths, torch.tensor([0, 1, 2, 0, 1, 2]), [""] * 6)


def step(model, strategy) -> dict[str, torch.Tensor]:
    """One step of AdamW, without weight decay so that gradients alone move weights; gives the state before it."""
    optimizer = torch.optim.AdamW(strategy.param_groups(model, RATES), weight_decay=0.0)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    output, clips = forward_batch(model.train(), batch()), batch()
    loss = dimension_loss("ccc", model.dimension_head, output.dimensions, RATED)
    if model.labels:
        loss = loss + cross_entropy(output.logits, clips.labels).mean()
    penalty = strategy.penalty(output, clips)
    (loss if penalty is None else loss + penalty).backward()
    optimizer.step()
    return before


@every_pair
def test_what_moves_gets_a_gradient_and_changes_and_the_rest_stays_bit_for_bit(strategy, name):
    model, chosen = build(name), STRATEGIES[strategy]()
    chosen.prepare(model)
    moving = {label for label, parameter in model.named_parameters() if parameter.requires_grad}
    before = step(model, chosen)
    for label, parameter in model.named_parameters():
        if label in moving:
            assert parameter.grad is not None, f"{label} moves and gets no gradient"
            assert parameter.grad.isfinite().all(), label
            assert label.endswith(SHIFTS + WAITS) or parameter.grad.abs().max() > 1e-8, (
                f"{label} gets a gradient of zero"
            )
        else:
            assert parameter.grad is None, f"{label} is frozen and gets a gradient"
    for label, tensor in model.state_dict().items():
        if label not in moving:
            assert torch.equal(tensor, before[label]), f"{label} is frozen, or a statistic, and changed"
        elif not label.endswith(SHIFTS + WAITS):
            assert not torch.equal(tensor, before[label]), f"{label} moves and didn't change"


@every_pair
def test_everything_above_the_encoder_moves(strategy, name):
    model = build(name)
    model.requires_grad_(False)  # as another strategy might have left it
    STRATEGIES[strategy]().prepare(model)
    for label, parameter in model.named_parameters():
        assert parameter.requires_grad or label.startswith("encoder."), label


@every_strategy
def test_a_model_of_dimensions_alone_has_no_other_head_that_would_wait_for_gradients(strategy):
    model, chosen = build("wav2vec2", labels=()), STRATEGIES[strategy]()
    chosen.prepare(model)
    before = step(model, chosen)
    moving = {label for label, parameter in model.named_parameters() if parameter.requires_grad}
    assert {label.split(".")[0] for label in moving} >= {"dimension_head", "pooling", "mix"}
    for label, parameter in model.named_parameters():
        if label in moving and not label.endswith(SHIFTS + WAITS):
            assert parameter.grad.abs().max() > 1e-8, f"{label} gets a gradient of zero"
            assert not torch.equal(parameter, before[label]), f"{label} moves and didn't change"


def moving_blocks(model):
    return [block.name for block in model.encoder.blocks() if not is_frozen(block.modules)]


@every_encoder
@pytest.mark.parametrize("layers", [None, [2], [1, 0]])
def test_each_strategy_moves_its_blocks_of_those_that_reach_the_head(name, layers):
    model = build(name, layers=layers)
    every = [block.name for block in model.encoder.blocks()]
    reach = every[: len(every) - (LAYERS - max(layers or [LAYERS]))]
    wanted = {"frozen": [], "full": reach, "partial": reach[-2:]}
    for strategy in ("full", "partial", "frozen", "partial", "full"):  # whichever was prepared before
        STRATEGIES[strategy]().prepare(model)
        assert moving_blocks(model) == wanted[strategy], strategy


@every_encoder
def test_partial_moves_as_many_blocks_as_it_is_told(name):
    model = build(name)
    every = [block.name for block in model.encoder.blocks()]
    for count in range(1, len(every) + 1):
        STRATEGIES["partial"](count).prepare(model)
        assert moving_blocks(model) == every[-count:]


@every_pair
def test_groups_hold_each_moving_parameter_once_at_the_rate_of_its_side(strategy, name):
    model, chosen = build(name), STRATEGIES[strategy]()
    chosen.prepare(model)
    groups = chosen.param_groups(model, RATES)
    held = [id(parameter) for group in groups for parameter in group["params"]]
    if strategy == "progressive":
        chosen.on_epoch_start(model, [{"dev_uar": 0.5}] * 99)  # every block has joined
    assert sorted(held) == sorted(id(one) for one in model.parameters() if one.requires_grad)
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    for group in groups:
        assert group["params"]
        side = group["name"].removesuffix(NO_DECAY)
        scales = (strategy, side) == ("ia3", "adapters")  # columns, whose rest is one
        assert group["lr"] == RATE_OF.get(side, RATES.encoder)  # progressive: a group for each block
        for parameter in group["params"]:
            assert (side == "head") == (id(parameter) not in encoder)
            assert (group.get("weight_decay") == 0.0) == (parameter.ndim < 2 or scales)
    assert len({group["name"] for group in groups}) == len(groups)
    assert any(parameter is model.mix.scores for group in groups for parameter in group["params"])


@pytest.mark.parametrize("strategy", ["partial", "progressive"])
@pytest.mark.parametrize("blocks", [0, -1])
def test_no_block_at_all_names_the_strategy_for_that(blocks, strategy):
    message = rf"strategy.blocks is {blocks}: expected 1 or more; `strategy` frozen moves none"
    with pytest.raises(ConfigError, match=message):
        STRATEGIES[strategy](blocks)


def test_partial_with_more_blocks_than_there_are_lists_them():
    found = r"blocks is 4: the encoder has 3 blocks that reach .* .front end, positions, layer 1.; `strategy` full"
    with pytest.raises(ConfigError, match=found):
        STRATEGIES["partial"](4).prepare(build("wav2vec2", layers=[0, 1]))


def test_an_unknown_strategy_lists_the_near_ones():
    with pytest.raises(UnknownNameError, match="no strategy called 'freeze': did you mean 'frozen'"):
        STRATEGIES["freeze"]


def test_an_encoder_without_weights_has_nothing_to_unfreeze():
    model = EmotionModel(load_encoder("mfcc"), ["anger", "neutral"])
    with pytest.raises(ConfigError, match="no weights to train; use `strategy` frozen"):
        STRATEGIES["partial"]().prepare(model)
