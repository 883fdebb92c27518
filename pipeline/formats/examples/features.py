"""tf.train.Features: a map from key to a list of bytes, floats or integers, in wire format.

The messages (tensorflow/core/example/example.proto and feature.proto)::

    Example    1: Features
    Features   1: map entry, repeated
    map entry  1: key, UTF-8       2: Feature
    Feature    1: BytesList   or   2: FloatList           or   3: Int64List
    the lists  1: bytes, repeated  1: float32 LE, packed       1: varint, packed
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

from pipeline.formats.examples.wire import WireReader, open_field

_FIRST: Final = 0x0A  # the tag of field 1, length-delimited: all but a Feature begin with it
_SECOND: Final = 0x12
_FIRST_VARINT: Final = 0x08
_FIRST_FIXED32: Final = 0x0D


class Kind(IntEnum):
    """The kind of a list: its tag in a Feature."""

    BYTES = 0x0A
    FLOATS = 0x12
    INTS = 0x1A


Kinds = Mapping[str, Kind]
Values = dict[str, list[Any]]
"""Key -> list of memoryview (BYTES), float (FLOATS) or int (INTS)."""


@dataclass(frozen=True, slots=True)
class SpannedValues:
    """A feature of an Example of any program.

    Attributes:
        kind: of its list.
        values: of each element (start, stop) in the message (BYTES), or a float, or an int.
    """

    kind: Kind
    values: list[Any]


def open_example(entries: bytes, tail: int) -> bytes:
    """Return an Example that holds map entries, up to where their last `tail` bytes follow."""
    return open_field(_FIRST, entries, tail)


def open_entry(key: str, kind: Kind, size: int) -> bytes:
    """Return a map entry up to the `size` bytes of its one element, or of all when packed."""
    feature = open_field(kind, open_field(_FIRST, b"", size), size)
    return open_field(_FIRST, _key(key) + open_field(_SECOND, feature, size), size)


def entry(key: str, kind: Kind, content: bytes) -> bytes:
    """Return the map entry of a list of one element, or of packed ones."""
    return open_entry(key, kind, len(content)) + content


def elements_entry(key: str, elements: Sequence[bytes]) -> bytes:
    """Return the map entry of a list of byte strings; of none it is that of an empty list."""
    content = b"".join(open_field(_FIRST, element, 0) for element in elements)
    feature = open_field(Kind.BYTES, content, 0)
    return open_field(_FIRST, _key(key) + open_field(_SECOND, feature, 0), 0)


def empty_entry(key: str, kind: Kind) -> bytes:
    """Return the map entry of an empty list: the key is there, no element is."""
    feature = open_field(kind, b"", 0)
    return open_field(_FIRST, _key(key) + open_field(_SECOND, feature, 0), 0)


def read_features(wire: WireReader, kinds: Kinds, optional: Kinds) -> Values:
    """Return the features of an Example, which are to be those of `kinds`, each once.

    Those of `optional` may be there, too.

    Raises:
        OutputDamaged: malformed wire data; a key missing, unknown or repeated; another kind.
    """
    values: Values = {}
    for start, stop in _only(wire, _FIRST, 0, len(wire.data)):
        for at, end in _only(wire, _FIRST, start, stop):
            key, value = _map_entry(wire, {**kinds, **optional}, at, end)
            if key in values:
                raise wire.malformed(at, "each key once", f"{key} again")
            values[key] = value
    missing = kinds.keys() - values.keys()
    if missing:
        raise wire.refused(min(missing), "to be there", f"{len(values)} of {len(kinds)} features")
    return values


def read_any(wire: WireReader) -> dict[str, SpannedValues]:
    """Return all features of an Example, whatever their names; an empty feature has no values.

    Raises:
        OutputDamaged: malformed wire data; a key is repeated.
    """
    features: dict[str, SpannedValues] = {}
    for start, stop in _only(wire, _FIRST, 0, len(wire.data)):
        for at, end in _only(wire, _FIRST, start, stop):
            parts = {tag: (first, last) for tag, first, last in wire.fields(at, end)}
            if _FIRST not in parts:
                raise wire.malformed(at, "a key", "none")
            first, last = parts[_FIRST]
            key = bytes(wire.data[first:last]).decode(errors="replace")
            if key in features:
                raise wire.malformed(at, "each key once", f"{key} again")
            if (found := _any_list(wire, parts.get(_SECOND))) is not None:
                features[key] = found
    return features


def _any_list(wire: WireReader, span: tuple[int, int] | None) -> SpannedValues | None:
    """Return the list of a Feature of any kind; None: it holds none."""
    for tag, start, stop in wire.fields(*span) if span is not None else ():
        try:
            kind = Kind(tag)
        except ValueError:
            raise wire.malformed(start, "a list of a known kind", f"tag {tag:#04x}") from None
        if kind is not Kind.BYTES:
            return SpannedValues(kind, _elements(wire, kind, start, stop))
        spans = [(first, last) for _, first, last in wire.fields(start, stop)]
        return SpannedValues(kind, spans)
    return None


@lru_cache(maxsize=256)
def _key(key: str) -> bytes:
    return open_field(_FIRST, key.encode(), 0)


def _only(wire: WireReader, expected: int, at: int, end: int) -> list[tuple[int, int]]:
    """Return where the contents of the fields in a range stand; all are to have one tag."""
    spans = []
    for tag, start, stop in wire.fields(at, end):
        if tag != expected:
            raise wire.malformed(start, f"fields of tag {expected:#04x}", f"tag {tag:#04x}")
        spans.append((start, stop))
    return spans


def _map_entry(wire: WireReader, kinds: Kinds, at: int, end: int) -> tuple[str, list[Any]]:
    parts = [(tag, (start, stop)) for tag, start, stop in wire.fields(at, end)]
    if sorted(tag for tag, _ in parts) != [_FIRST, _SECOND]:
        raise wire.malformed(at, "one key and one value", f"{len(parts)} fields")
    spans = dict(parts)
    start, stop = spans[_FIRST]
    key = bytes(wire.data[start:stop]).decode(errors="replace")
    kind = kinds.get(key)
    if kind is None:
        raise wire.malformed(start, "a known key", repr(key[:100]))
    lists = _only(wire, kind, *spans[_SECOND])
    if len(lists) != 1:
        raise wire.malformed(spans[_SECOND][0], f"one list for {key}", f"{len(lists)} lists")
    return key, _elements(wire, kind, *lists[0])


def _elements(wire: WireReader, kind: Kind, at: int, end: int) -> list[Any]:
    """Return the elements of a list, packed or not."""
    elements: list[Any] = []
    for tag, start, stop in wire.fields(at, end):
        if kind is Kind.BYTES and tag == _FIRST:
            elements.append(wire.data[start:stop])
        elif kind is Kind.INTS and tag in (_FIRST, _FIRST_VARINT):
            elements.extend(wire.int64s(start, stop))
        elif kind is Kind.FLOATS and tag in (_FIRST, _FIRST_FIXED32):
            count, rest = divmod(stop - start, 4)
            if rest:
                raise wire.malformed(start, "whole float32s", f"{stop - start} bytes")
            elements.extend(struct.unpack_from(f"<{count}f", wire.data, start))
        else:
            raise wire.malformed(
                start, f"elements of a list of {kind.name.lower()}", f"tag {tag:#04x}"
            )
    return elements
