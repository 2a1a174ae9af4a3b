"""Weights are told apart by their last bit, and by nothing but their values and names."""

import torch

from ser_tl.encoders.fingerprint import digest, fingerprint
from tests.encoders.tiny import tiny


def test_the_same_weights_have_the_same_fingerprint_in_any_order():
    weights = tiny("whisper").state_dict()
    again = {name: tensor.clone() for name, tensor in reversed(tiny("whisper").state_dict().items())}
    assert fingerprint(weights) == fingerprint(again)
    assert fingerprint(weights) != fingerprint(tiny("whisper", seed=1).state_dict())


def test_one_bit_a_name_or_a_fact_makes_another():
    weights = tiny("whisper").state_dict()
    known = fingerprint(weights)
    name, tensor = next(iter(weights.items()))
    bit = tensor.clone().view(torch.int32)
    bit.view(-1)[-1] ^= 1
    assert fingerprint(weights | {name: bit.view(torch.float32)}) != known
    assert fingerprint({f"{one}.base": own for one, own in weights.items()}) != known
    assert len({known, fingerprint(weights, 1), fingerprint(weights, {"a": 1}), fingerprint(weights, {"a": 2})}) == 4


def test_every_kind_of_tensor_has_a_digest():
    whole, half = torch.arange(6), torch.arange(6).bfloat16()
    assert digest(whole) == digest(whole.reshape(2, 3)) == digest(whole.reshape(3, 2).T.contiguous().T)
    assert len({digest(whole), digest(half), digest(whole.reshape(2, 3).T), digest(torch.tensor(3.0))}) == 4
    assert digest(torch.nn.Parameter(torch.ones(3))) == digest(torch.ones(3))
