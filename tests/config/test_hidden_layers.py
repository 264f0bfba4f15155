"""The notations of the widths of the hidden layers."""

import pytest

from nnexp.config.hidden_layers import format_hidden, parse_hidden
from nnexp.errors import InputError


@pytest.mark.parametrize(
    ("value", "widths"),
    [
        ("29*100", (100,) * 29),
        ("512x3*100x20", (512, 100, 100, 100, 20)),
        ("1*7", (7,)),
        ([512, 256], (512, 256)),
        ("none", ()),
    ],
)
def test_notations(value, widths):
    assert parse_hidden(value) == widths


def test_repeated_layers_give_the_same_network_as_the_long_form():
    """The identity of a run has the long form."""
    assert format_hidden(parse_hidden("4*50")) == "50x50x50x50"


@pytest.mark.parametrize("value", ["0*100", "1000*100", "3*", "*100", "3*4*5", "-2*100", "2*0"])
def test_other_repetitions_are_refused(value):
    with pytest.raises(InputError, match="hidden="):
        parse_hidden(value)
