"""Settings of a sweep that change together (``pair=``), instead of forming a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnexp.errors import InputError

Groups = tuple[tuple[str, ...], ...]


def read_pairs(pair: Any) -> Groups:
    """Return the groups of settings in the value of ``pair``: a list of names, or of such lists.

    Raises
    ------
    InputError
        If it is anything else, a group has fewer than two settings, or a setting is there twice.
    """
    if pair is None:
        return ()
    groups = [pair]
    if isinstance(pair, list) and pair and all(isinstance(group, list) for group in pair):
        groups = pair
    for group in groups:
        names = isinstance(group, list) and all(isinstance(name, str) for name in group)
        if not names or len(group) < 2:
            raise InputError(
                f"pair={_text(pair)} is not a list of settings: give two or more, as in "
                f"pair=[init,activation], or several such lists"
            )
    every = [name for group in groups for name in group]
    if twice := [name for name in every if every.count(name) > 1]:
        raise InputError(f"pair={_text(pair)} has {twice[0]!r} twice: give it once")
    if "seed" in every:
        raise InputError(
            f"pair={_text(pair)} has the seed, by which arms are compared: leave it out, so that "
            f"every arm has the same seeds"
        )
    return tuple(tuple(group) for group in groups)


def axes(counts: Mapping[str, int], groups: Groups) -> list[tuple[str, ...]]:
    """Return the axes of a sweep: each group of settings is one, and each other setting.

    ``counts`` has the number of values of each setting.

    Raises
    ------
    InputError
        If a setting of a group is not swept, or those of a group have different numbers of values.
    """
    for group in groups:
        given = f"pair=[{','.join(group)}]"
        first = group[0]
        for name in group:
            if counts.get(name, 1) < 2:
                raise InputError(
                    f"{given}: {name} is not swept: give it several values, as in {name}=A,B"
                )
            if counts[name] != counts[first]:
                raise InputError(
                    f"{given}: {first} has {counts[first]} values and {name} has "
                    f"{counts[name]}: give as many of each"
                )
    of = {name: group for group in groups for name in group}
    return list(dict.fromkeys(of.get(name, (name,)) for name in counts))


def _text(pair: Any) -> str:
    """Return the value of ``pair`` as it is written on the command line."""
    return f"[{','.join(map(_text, pair))}]" if isinstance(pair, list) else str(pair)
