"""MATLAB 5 files, as far as a devkit needs them: a struct array of numbers and texts.

Source: The MathWorks, "MAT-File Format", level 5. Behind 128 bytes of header stand elements, whose
numbers are little-endian where the header ends in ``IM``::

    element  u32 type | u32 bytes | data, padded to 8 bytes
    small    u32 bytes << 16 | type | data, at most 4 bytes, padded to 4
    packed   an element of type 15: a zlib stream of another element, unpadded
    matrix   an element of type 14, made of others: flags, dimensions, name, then the content

The content of a struct array is the length of a field's name, the names, and a matrix for each
field of each struct. No number in the file is believed: what is read must be there.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

Value = float | str | None

_HEADER_BYTES = 128
_ORDERS = {b"IM": "<", b"MI": ">"}
_MATRIX, _PACKED = 14, 15
_STRUCT, _CHAR, _NUMBERS = 2, 4, range(6, 16)  # classes of a matrix
_FORMATS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_MAX_INFLATED = 16 << 20  # bytes; the published one has 1.3 million
_ROW = 2  # dimensions
_MAX_DIMENSIONS = 32  # of a matrix
_MAX_FIELDS = 1000  # of a struct; the published ones have 8
_MAX_VARIABLES = 1000  # of a file; the published one has 1


class Malformed(Exception):
    """What was found in place of such a file."""


class _Element(NamedTuple):
    kind: int
    data: memoryview


@dataclass(frozen=True)
class _Matrix:
    """A matrix: its class, dimensions, name, and the elements of its content."""

    kind: int
    shape: tuple[int, ...]
    name: str
    content: Iterator[_Element]


def read_structs(content: bytes, name: str) -> dict[str, list[Value]]:
    """Return the fields of a struct array, whatever its shape, in the order of the file.

    Args:
        content: a MATLAB 5 file.
        name: the variable.

    Returns:
        Field -> its value in each struct: a number, a text of one row, or None for all else.

    Raises:
        Malformed: it is no such file, or has no such struct array.
    """
    order = _ORDERS.get(content[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None:
        raise Malformed("no header of MATLAB 5")
    left = _MAX_INFLATED
    elements = _elements(memoryview(content)[_HEADER_BYTES:], order)
    for element in islice(elements, _MAX_VARIABLES):
        found = element
        if element.kind == _PACKED:
            data = _inflated(element.data, left)
            left -= len(data)
            found = _next(_elements(memoryview(data), order))
        matrix = _matrix(found, order)
        if matrix is not None and matrix.name == name:
            return _fields(matrix, order)
    raise Malformed(f"no variable {name} among the first {_MAX_VARIABLES}")


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """Yield the elements that fill some bytes."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise Malformed(f"{len(data) - at} bytes in place of an element")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start, end = at + 8, at + 8 + size
        at = end + (-size % 8 if kind != _PACKED else 0)
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            start, end, at = start - 4, start - 4 + size, start
            if size > 4:  # noqa: PLR2004 - see the docstring of the module
                raise Malformed(f"a small element of {size} bytes")
        if end > len(data):
            raise Malformed(f"an element of {size} bytes, where {len(data) - start} are left")
        yield _Element(kind, data[start:end])


def _inflated(packed: memoryview, most: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, most + 1)
    except zlib.error as error:
        raise Malformed(str(error)) from None
    if len(data) > most or not stream.eof:
        raise Malformed(f"packed data that are cut off, or more than {_MAX_INFLATED} bytes")
    return data


def _next(elements: Iterator[_Element]) -> _Element:
    found = next(elements, None)
    if found is None:
        raise Malformed("the end of a matrix, or nothing, in place of an element")
    return found


def _matrix(element: _Element, order: str) -> _Matrix | None:
    """Return what a matrix begins with, or None for another element or a matrix of no bytes."""
    if element.kind != _MATRIX or not element.data:
        return None
    content = _elements(element.data, order)
    flags, shape, name = (_next(content).data for _ in range(3))
    if len(flags) != 8 or len(shape) % 4:  # noqa: PLR2004 - two words of 32 bits
        raise Malformed("a matrix without flags or dimensions")
    if len(shape) > 4 * _MAX_DIMENSIONS:  # the product of a million takes hours
        raise Malformed(f"a matrix of {len(shape) // 4} dimensions")
    kind = struct.unpack_from(f"{order}I", flags)[0] & 0xFF
    sizes = struct.unpack(f"{order}{len(shape) // 4}i", shape)
    return _Matrix(kind, sizes, _text(name), content)


def _fields(matrix: _Matrix, order: str) -> dict[str, list[Value]]:
    if matrix.kind != _STRUCT:
        raise Malformed(f"an array of class {matrix.kind} in place of structs")
    width = _number(_next(matrix.content), order)
    joined = bytes(_next(matrix.content).data)
    step = int(width) if width is not None and 0 < width <= len(joined) else 0
    if not step:
        raise Malformed("structs without fields")
    if len(joined) // step > _MAX_FIELDS:
        raise Malformed(f"structs of {len(joined) // step} fields")
    names = [_text(joined[at : at + step]) for at in range(0, len(joined), step)]
    columns: dict[str, list[Value]] = {name: [] for name in names}
    count = math.prod(matrix.shape)
    for place, element in enumerate(islice(matrix.content, max(0, count) * len(names))):
        columns[names[place % len(names)]].append(_value(element, order))
    if any(len(column) != count for column in columns.values()):
        raise Malformed(f"fewer structs than {count}, or two fields of one name")
    return columns


def _value(element: _Element, order: str) -> Value:
    matrix = _matrix(element, order)
    if matrix is None or matrix.kind not in {_CHAR, *_NUMBERS}:
        return None
    part = next(matrix.content, None)
    if part is None:
        return None
    if matrix.kind != _CHAR:
        return _number(part, order)
    encoding = _TEXTS.get(part.kind)
    if encoding is None or len(matrix.shape) != _ROW or matrix.shape[0] > 1:
        return None
    little = {"<": "-le", ">": "-be"}[order] if encoding == "utf-16" else ""
    return bytes(part.data).decode(encoding + little, "replace")


def _number(element: _Element, order: str) -> float | None:
    """Return the one number in an element, or None."""
    form = _FORMATS.get(element.kind)
    if form is None or len(element.data) != struct.calcsize(f"{order}{form}"):
        return None
    (number,) = struct.unpack(f"{order}{form}", element.data)
    return float(number)


def _text(data: bytes | memoryview) -> str:
    """Return a name, which zeros may follow."""
    return bytes(data).partition(b"\0")[0].decode("latin-1")
