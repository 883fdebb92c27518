"""The quick reader of Examples says what the careful one says, of any bytes at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutputDamaged
from pipeline.formats.examples import quick
from pipeline.formats.examples.example import encode_head, parse_example
from pipeline.formats.record import ImageRecord, ParsedRecord

FOX = ImageRecord(
    "n1/n1_1.JPEG",
    "n1_1.JPEG",
    4,
    "n1",
    "fox, Füchse",
    ((0.1, 0.2, 0.3, 0.4), (0.0, 0.5, 0.5, 1.0)),
    500,
    375,
    b"\xff\xd8" + bytes(200) + b"\xff\xd9",
)
RECORDS = (
    FOX,
    replace(FOX, boxes=()),
    replace(FOX, class_index=-1, class_id="", labels=(0.5, 2.0)),
    replace(FOX, encoded=bytes(1 << 15), boxes=FOX.boxes * 40),
    replace(FOX, encoded=b""),
)


def example(record: ImageRecord, *, described: bool = False) -> bytes:
    return encode_head(record, 1, described=described) + bytes(record.encoded)


def said(read: Callable[..., ParsedRecord], data: bytes) -> str:
    try:
        parsed = read(memoryview(data), file="shard")
    except OutputDamaged as error:
        return str(error)
    return repr((parsed.fields(), parsed.boxes, bytes(parsed.encoded)))


@pytest.mark.parametrize("record", RECORDS)
def test_it_reads_what_is_written(record: ImageRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    data = example(record)
    careful = parse_example(data)
    monkeypatch.setattr(quick, "parse_example", None)  # it needs no help
    parsed = quick.parse(memoryview(data))
    assert parsed == careful
    assert parsed.encoded == record.encoded


def test_objects_that_are_described_are_left_to_the_careful_one() -> None:
    data = example(replace(FOX, box_classes=(3, -1)), described=True)
    assert quick.parse(memoryview(data)) == parse_example(data)


@given(st.sampled_from(RECORDS[:3]), st.data())
def test_it_is_as_careful_with_bytes_that_were_changed(
    record: ImageRecord, drawn: st.DataObject
) -> None:
    data = bytearray(example(record))
    for _ in range(drawn.draw(st.integers(1, 3))):
        data[drawn.draw(st.integers(0, len(data) - 1))] = drawn.draw(st.integers(0, 255))
    cut = bytes(data[: drawn.draw(st.sampled_from([len(data), len(data) - 1, 7]))])
    assert said(quick.parse, cut) == said(parse_example, cut)


def test_no_bytes_are_damage() -> None:
    with pytest.raises(OutputDamaged):
        quick.parse(memoryview(b""))
