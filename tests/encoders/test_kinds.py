"""The contract is held against every family that is registered."""

from importlib.util import find_spec

import pytest

from ser_tl.encoders import ENCODERS, FAMILIES

from .tiny import KINDS


@pytest.mark.slow
def test_every_registered_family_has_a_kind_in_the_contract_tests():
    without = set() if find_spec("opensmile") else {"egemaps"}
    assert {kind.make(0).family for kind in KINDS.values()} == FAMILIES.keys() - without


def test_every_named_encoder_is_of_a_registered_family():
    assert {card.family for card in ENCODERS.values()} <= FAMILIES.keys()
