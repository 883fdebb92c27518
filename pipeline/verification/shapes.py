"""The shape that manifests and marks have: what another version may have written otherwise.

A document that agrees with its own hash was written by some shardmill, perhaps by one that knew
other keys. Whoever reads it looks at its shape first, so that an exception further on is a defect
of the program, and never taken for damage of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.formats.shardformats import ALL
from pipeline.verification.findings import Finding, Layer, damage

Shape = Any
"""A type; a mapping of keys to shapes, further keys may stand beside them; a list of one shape, of
each element; a set of allowed values; or a tuple of shapes, one of which fits."""

OUTPUT: Final[Shape] = {
    "counts": {"bytes": int, "images": int, "left_out": int, "records": int},
    "digests": {"output": str, "plan": str},
    "files": [dict],
    "format": frozenset(ALL),
    "inputs": [{}],
    "left_out": [{"key": str}],
    "parameters": {
        "codec": (str, type(None)),
        "label_offset": int,
        "labels": str,
        "picture": {},
        "repairs": bool,
        "suffix": str,
    },
    "repairs": [{"codec": str, "key": str, "source_xxh3_128": str}],
    "shards": [{"records": int}],
    "split": str,
}
PRODUCT: Final[Shape] = {"digest": str, "files": [dict], "finished": bool}
TREE: Final[Shape] = {"classes": int, "folder": str, "groups": int}
SHARD_MARK: Final[Shape] = {"files": [dict], "records": int}


def misfit(value: object, shape: Shape, place: str = "") -> str | None:
    """Return where a value has not a shape, in words; None: it has."""
    if isinstance(shape, tuple):
        every = [misfit(value, each, place) for each in shape]
        return None if None in every else every[0]
    if isinstance(shape, frozenset):
        fits = isinstance(value, str) and value in shape
        return None if fits else f"{place or 'the document'} is {value!r}"
    kind = shape if isinstance(shape, type) else type(shape)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return f"{place or 'the document'} is {_short(value)}"
    if isinstance(shape, Mapping) and isinstance(value, Mapping):
        return _of_keys(value, shape, place)
    if isinstance(shape, list) and isinstance(value, list):
        each = (misfit(item, shape[0], f"{place}[{at}]") for at, item in enumerate(value))
        return next((wrong for wrong in each if wrong), None)
    return None


def check_shape(path: Path, document: Mapping[str, Any], shape: Shape) -> Finding | None:
    """Return the finding of a document that is sealed right, and yet of another shape."""
    found = misfit(document, shape)
    if found is None:
        return None
    what, remedy = "a document of another shape", "it may be of another version of shardmill"
    texts = (what, None, "one that this version has written", found, remedy)
    return damage(Layer.OWN_HASH, path, *texts, removable=False)


def _of_keys(value: Mapping[str, Any], shape: Mapping[str, Shape], place: str) -> str | None:
    for name, each in shape.items():
        below = f"{place}.{name}" if place else name
        wrong = misfit(value[name], each, below) if name in value else f"{below} is not there"
        if wrong:
            return wrong
    return None


def _short(value: object) -> str:
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else repr(value)
