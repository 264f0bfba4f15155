"""The frames of a film of training, and the film."""

from __future__ import annotations

from typing import NamedTuple

# The file of a film in the folder of a sweep.
ANIMATION = "animation.gif"


class Frame(NamedTuple):
    """A picture of all arms at a ``step``, as PNG, and the step in words."""

    step: int
    label: str
    png: bytes


class Film(NamedTuple):
    """The pictures of a sweep at its steps, the words about them, and all as an animated GIF."""

    frames: list[Frame]
    caption: str
    gif: bytes
