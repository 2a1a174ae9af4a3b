"""Compiled layers say and learn what they would have, and leave no trace in what is saved."""

from copy import deepcopy

import pytest
import torch

from ser_tl.encoders import compile_layers, load_encoder
from ser_tl.encoders.compiling import transformer_layers
from ser_tl.errors import ConfigError
from tests.encoders.test_checkpointing import WITH_LAYERS, build, kept_bytes
from tests.training.samples import tiny_model

pytestmark = pytest.mark.slow

# Compiled dropout draws other numbers.
STILL = dict.fromkeys(["hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"], 0.0)


@pytest.mark.exhaustive
@pytest.mark.parametrize("family", WITH_LAYERS)
def test_gradients_are_the_same(family):
    encoder = build(family, num_hidden_layers=2, **STILL)
    compiled = deepcopy(encoder)
    compile_layers(compiled, backend="aot_eager")  # all of torch.compile but the C++ compiler, which takes a minute
    plain, _ = kept_bytes(encoder)
    again, _ = kept_bytes(compiled)
    assert all(layer._compiled_call_impl is not None for layer in transformer_layers(compiled))
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-4, atol=1e-4)


def test_one_compilation_serves_all_layers_and_lengths():
    encoder = tiny_model().encoder
    compile_layers(encoder, backend="eager")  # the graphs are recorded, and that is all
    torch._dynamo.reset()
    counts = torch._dynamo.utils.counters
    counts.clear()
    with torch.no_grad():
        for samples in (16000, 17000, 23000, 31000):
            encoder(torch.randn(2, samples), torch.tensor([samples, 12000]))
    assert len(list(transformer_layers(encoder))) > 1
    assert counts["stats"]["unique_graphs"] <= 2


def test_nothing_of_it_is_saved():
    encoder = tiny_model().encoder
    names = list(encoder.state_dict())
    compile_layers(encoder, backend="eager")
    assert list(encoder.state_dict()) == names
    assert all(layer._compiled_call_impl is None for layer in transformer_layers(deepcopy(encoder)))


def test_an_encoder_without_layers_is_refused():
    with pytest.raises(ConfigError, match=r"train\.compile is for transformers' encoders, and mfcc"):
        compile_layers(load_encoder("mfcc"))
