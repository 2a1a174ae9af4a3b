"""A name means one thing, and an unknown one shows the near ones."""

import pytest

from ser_tl.errors import SerTlError, UnknownNameError
from ser_tl.registry import Registry


@pytest.fixture
def parts():
    registry = Registry("pooling")
    for name in ("mean", "max", "attentive-stats"):
        registry.register(name)(name.upper())
    return registry


def test_entries_come_in_the_order_of_registration(parts):
    assert list(parts) == ["mean", "max", "attentive-stats"]
    assert dict(parts) == {"mean": "MEAN", "max": "MAX", "attentive-stats": "ATTENTIVE-STATS"}
    assert len(parts) == 3
    assert "max" in parts
    assert "min" not in parts
    assert 3 not in parts


def test_the_decorator_gives_back_what_it_decorates(parts):
    @parts.register("last")
    def last():
        return 1

    assert last() == 1
    assert parts["last"] is last


def test_a_second_registration_names_the_first_and_changes_nothing(parts):
    with pytest.raises(ValueError, match="the pooling 'mean' is registered already, as 'MEAN'"):
        parts.register("mean")("other")
    assert parts["mean"] == "MEAN"


def test_one_thing_may_have_two_names(parts):
    parts.register("average")(parts["mean"])
    assert parts["average"] is parts["mean"]


def test_an_unknown_name_lists_near_ones_and_all(parts):
    with pytest.raises(UnknownNameError) as error:
        parts["atentive-stats"]
    message = str(error.value)
    assert message.startswith("there is no pooling called 'atentive-stats': did you mean 'attentive-stats'? ")
    assert message.endswith("known are mean, max, attentive-stats")


def test_nothing_near_is_no_guess(parts):
    with pytest.raises(UnknownNameError) as error:
        parts["xyz"]
    assert str(error.value) == "there is no pooling called 'xyz': known are mean, max, attentive-stats"


def test_unknown_names_are_key_errors_and_errors_of_ours(parts):
    assert parts.get("xyz", "none") == "none"
    for kind in (KeyError, SerTlError):
        with pytest.raises(kind):
            parts["xyz"]


def test_registries_know_nothing_of_each_other(parts):
    other = Registry("strategy")
    other.register("mean")("something else")
    assert (parts["mean"], other["mean"]) == ("MEAN", "something else")
