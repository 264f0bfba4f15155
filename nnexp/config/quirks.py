"""The setting ``quirk``: one or several of the quirks in `nnexp.nn.quirks`."""

from __future__ import annotations

from nnexp import validation
from nnexp.errors import InputError
from nnexp.nn.quirks import QUIRKS


def read_quirk(value: object) -> str | None:
    """Return the quirks of ``value``: their names, sorted and joined by ``+``, or None.

    ``value`` is a name, names joined by ``+``, a list of names, or None.

    Raises
    ------
    InputError
        For an unknown name, or for two quirks that change the same rule.
    """
    if value is None or value == "none":
        return None
    names = value if isinstance(value, list | tuple) else str(value).split("+")
    if not names:
        return None
    quirk = "+".join(sorted({validation.choice("quirk", name, QUIRKS) for name in names}))
    if "position_bias" in quirk and "underived_bias" in quirk:
        raise InputError(
            f"quirk={quirk} is undefined, as both change the gradient of a hidden bias: give one"
        )
    return quirk
