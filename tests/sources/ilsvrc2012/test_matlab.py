"""MATLAB 5 files: the struct arrays that SciPy writes, and files that claim what is not there."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.sources.ilsvrc2012.matlab import Malformed, read_structs

MEBIBYTE = 1 << 20


def saved(*, packed: bool = True, **variables: Any) -> bytes:
    target = io.BytesIO()
    savemat(target, variables, do_compression=packed)
    return target.getvalue()


def structs(*rows: tuple[object, ...]) -> np.ndarray[Any, Any]:
    names = [f"field{number}" for number in range(len(rows[0]))]
    return np.array(list(rows), [(name, "O") for name in names])


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, shape: tuple[int, ...], content: bytes) -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<2i", *shape))
    return element(14, head + element(1, b"synsets") + content)


def file_of(elements: bytes) -> bytes:
    return bytes(124) + b"\0\1IM" + elements


FIELDS = element(5, struct.pack("<i", 4)) + element(1, b"a\0\0\0b\0\0\0")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("number", [0, 1.5, -1, 70_000, 2**40, np.float32(0.5), np.uint8(7)])
def test_numbers_are_read_as_they_were_written(number: float, *, packed: bool) -> None:
    content = saved(packed=packed, first=np.eye(3), synsets=structs((number, "n01"), (1, "n02")))
    found = read_structs(content, "synsets")
    assert found == {"field0": [float(number), 1.0], "field1": ["n01", "n02"]}


@pytest.mark.parametrize("text", ["n01440764", "a", "Größe, ü", "日本"])
def test_texts_are_read_as_they_were_written(text: str) -> None:
    assert read_structs(saved(synsets=structs((text, 1))), "synsets")["field0"] == [text]


@pytest.mark.parametrize("value", [np.eye(2), np.empty((0, 0)), structs((1, 2)), "", ["a", "b"]])
def test_what_is_no_number_and_no_text_is_none(value: object) -> None:
    one = np.empty(1, [("field0", "O"), ("field1", "O")])
    one[0] = (value, "text")
    found = read_structs(saved(synsets=one), "synsets")
    assert found["field1"] == ["text"]
    assert found["field0"][0] in (None, "")


def test_numbers_may_be_big_endian() -> None:
    part = struct.pack(">II", 6, 8) + struct.pack(">II", 2, 0)
    part += struct.pack(">II2i", 5, 8, 1, 0) + struct.pack(">HH4s", 1, 1, b"s\0\0\0")
    part += struct.pack(">HHi", 4, 5, 8) + struct.pack(">II8s", 1, 8, b"field\0\0\0")
    content = bytes(124) + b"\1\0MI" + struct.pack(">II", 14, len(part)) + part
    assert read_structs(content, "s") == {"field": []}


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        (b"", "no variable"),
        (
            element(14, element(6, bytes(8)) + element(5, b"\3\0\0\0" * 40) + element(1, b"")),
            "40 dimensions",
        ),
        (element(9, b"") * 1001 + element(14, b""), "among the first 1000"),
        (b"\0" * 7, "7 bytes in place of an element"),
        (struct.pack("<II", 14, 1 << 31), "where 0 are left"),
        (struct.pack("<HH4x", 5, 5), "a small element of 5 bytes"),
        (matrix(2, (1, 1 << 30), FIELDS), "fewer structs"),
        (matrix(2, (-1, 1), FIELDS), "fewer structs"),
        (matrix(2, (1, 1), element(5, bytes(4)) + element(1, b"a")), "without fields"),
        (matrix(2, (1, 1), b""), "the end of a matrix"),
        (matrix(1, (1, 1), FIELDS), "an array of class 1"),
        (element(14, bytes(8)), "the end of a matrix"),
        (element(15, b"no stream"), "incorrect header check"),
        (element(15, zlib.compress(bytes(17 * MEBIBYTE))), "more than 16777216 bytes"),
        (element(15, zlib.compress(b"abc")[:-1]), "cut off"),
    ],
)
def test_what_claims_more_than_there_is_or_is_another_thing_is_refused(
    elements: bytes, found: str
) -> None:
    with pytest.raises(Malformed, match=found):
        read_structs(file_of(elements), "synsets")


def test_another_file_is_refused() -> None:
    with pytest.raises(Malformed, match="no header"):
        read_structs(b"<html>" * 100, "synsets")
