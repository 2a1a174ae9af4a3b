"""Which of an encoder's states are used."""

import pytest

from ser_tl.encoders import select_layers
from ser_tl.errors import ConfigError


def test_layers_come_in_the_order_named_and_negative_ones_count_from_the_end():
    assert select_layers(4, [-1, 1]) == [3, 1]
    assert select_layers(4, None) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([4], r"model.layers is \[4\]: the encoder has 4 layers of states, numbered 0 to 3 \(or -4 to -1\)"),
        ([0, -5], "numbered 0 to 3"),
        ([], "name at least one"),
        ([1, 2, 1], "names a layer twice"),
        ([3, -1], "names a layer twice"),
    ],
)
def test_layers_that_the_encoder_does_not_have_are_refused(layers, found):
    with pytest.raises(ConfigError, match=found):
        select_layers(4, layers)
