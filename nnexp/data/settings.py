"""The settings of a data set, ``data=…`` and ``data.…=…``, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnexp import validation
from nnexp.data import csv_file, idx, mnist, npz, synthetic
from nnexp.data.base import Kind, Source
from nnexp.data.scaling import SCALES, TARGETS
from nnexp.errors import InputError, suggestion, unknown

KINDS: dict[str, Kind] = {
    **mnist.KINDS,
    **idx.KINDS,
    **csv_file.KINDS,
    **npz.KINDS,
    **synthetic.KINDS,
}

# The settings of every data set and their defaults. A setting of the same name in a kind takes
# precedence: ``classes`` is a list of labels to keep, but for synthetic sets the number of classes.
_COMMON: dict[str, object] = {
    "scale": None,
    "targets": "one_hot",
    "first": None,
    "classes": None,
    "outputs": None,
    "train_size": None,
    "validation": 0,
    "validation_last": 0,
    "label_noise": 0.0,
    "seed": 0,
}

# Paths are not part of a run's identity; the digest of the content is.
PATHS = frozenset({"root", "train", "test", "file"})


@dataclass(frozen=True)
class DataSettings:
    """The checked settings of a data set; equal settings and files give the same arrays."""

    name: str
    source: Source  # holds the settings of the kind
    scale: str  # unit, shifted, raw or standardize
    targets: str  # one_hot or soft
    first: int | None  # number of leading training examples to use; None: all
    classes: tuple[int, ...] | None  # labels to keep, renumbered 0, 1, … in this order
    outputs: int | None  # output units; None: one per class
    train_size: int | None  # size of a class-balanced training subset; None: all
    validation: int  # examples held out of training, class-balanced
    validation_last: int  # examples held out from the end of the training file
    label_noise: float  # fraction of training labels replaced by another class
    seed: int  # of the subsets, the noise and synthetic data

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> DataSettings:
        """Check ``mapping`` (a ``name`` and any keys of that data set) and return the settings.

        Raises
        ------
        InputError
            For an unknown name or key or an invalid value. The message lists the valid ones.
        """
        name = mapping.get("name")
        if not isinstance(name, str) or name not in KINDS:
            raise unknown("data set", name, KINDS)
        kind = KINDS[name]
        defaults = {**_COMMON, "scale": kind.scale, **kind.keys}
        for key in mapping:
            if key != "name" and key not in defaults:
                hint = suggestion(str(key), defaults) or ":"
                raise InputError(
                    f"unknown key 'data.{key}' of data={name}{hint} "
                    f"its keys are {', '.join(defaults)}"
                )
        values = {**defaults, **mapping}
        common = {key: None if key in kind.keys else values[key] for key in _COMMON}
        first, classes, outputs = common["first"], common["classes"], common["outputs"]
        size, held, last = (common[k] for k in ("train_size", "validation", "validation_last"))
        if held and last:
            raise InputError(
                f"data.validation={held} and data.validation_last={last} both hold out examples: "
                f"give one of them"
            )
        return cls(
            name=name,
            source=kind.make({key: values[key] for key in kind.keys}),
            scale=validation.choice("data.scale", common["scale"], SCALES),
            targets=validation.choice("data.targets", common["targets"], TARGETS),
            first=None if first is None else validation.whole("data.first", first, 1),
            classes=None if classes is None else _kept(classes),
            outputs=None if outputs is None else validation.whole("data.outputs", outputs, 1),
            train_size=None if size is None else validation.whole("data.train_size", size, 1),
            validation=0 if held is None else validation.whole("data.validation", held, 0),
            validation_last=validation.whole("data.validation_last", last, 0),
            label_noise=validation.real("data.label_noise", common["label_noise"], 0, 1),
            seed=validation.whole("data.seed", common["seed"], 0),
        )

    @property
    def holds_out(self) -> bool:
        """Whether examples are held out of training."""
        return bool(self.validation or self.validation_last)

    def to_mapping(self) -> dict[str, object]:
        """Return the settings of the data set as a mapping of JSON types.

        ``first`` is included only if it is set: it was added later, and runs without it keep their
        IDs.
        """
        own = KINDS[self.name].keys
        mapping: dict[str, object] = {"name": self.name}
        mapping.update({key: getattr(self.source, key) for key in own})
        mapping.update({key: getattr(self, key) for key in _COMMON if key not in own})
        if self.first is None:
            del mapping["first"]
        if self.classes is not None:
            mapping["classes"] = list(self.classes)
        return mapping

    def has_paths(self) -> bool:
        """Return whether the examples come from the user's own files."""
        return any(value for key, value in self.to_mapping().items() if key in PATHS)

    def identity(self) -> dict[str, object]:
        """Return `to_mapping` without paths; with the data's digest, it determines the arrays."""
        return {key: value for key, value in self.to_mapping().items() if key not in PATHS}


def _kept(value: object) -> tuple[int, ...]:
    """Return ``data.classes``, a list of two or more different labels, as a tuple."""
    given = value if isinstance(value, list | tuple) else []
    kept = tuple(validation.whole("data.classes", label, 0) for label in given)
    if len(kept) < 2 or len(set(kept)) < len(kept):
        raise InputError(
            f"data.classes={value} is invalid: give a list of two or more different labels, "
            "such as [0,1], or null for all"
        )
    return kept
