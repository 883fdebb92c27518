"""Rows of JSONL (NDJSON): a JSON object a line, whose keys are the columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pipeline.sources.imagelist.columns import Cell, Row, unknown_column
from pipeline.sources.imagelist.doubled_keys import doubled_key
from pipeline.sources.imagelist.lst_refusals import refused, shown
from pipeline.sources.imagelist.text_blocks import text_blocks
from pipeline.storage import Location


def rows(path: Location, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a list; empty lines are passed over.

    Raises:
        BadAnnotation: a line is no JSON object, lacks a column, holds neither text nor a number in
            it, or has a key twice.
    """
    decoder = msgspec.json.Decoder()
    for first, block in text_blocks(path):
        for line, content in enumerate(block.split(b"\n")[:-1], first):
            if content.strip():
                record = _object(path, line, content, decoder)
                yield Row(line, tuple(_cell(path, line, name, record) for name in columns))


def header(path: Location) -> tuple[str, ...]:
    """Return the keys of the first object; none of a list without one.

    Raises:
        BadAnnotation: the line is no JSON object, or has a key twice.
    """
    decoder = msgspec.json.Decoder()
    for first, block in text_blocks(path):
        for line, content in enumerate(block.split(b"\n")[:-1], first):
            if content.strip():
                return tuple(_object(path, line, content, decoder))
    return ()


def _object(
    path: Location, line: int, content: bytes, decoder: msgspec.json.Decoder[Any]
) -> dict[str, Any]:
    wanted = "a JSON object, all of it in one line"
    try:
        value = decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        what = f"the line is no JSON: {error}"
        raise refused(path, line, what, wanted, shown(content.decode()), _REMEDY) from error
    if not isinstance(value, dict):
        what = "the line is no JSON object"
        raise refused(path, line, what, wanted, shown(content.decode()), _REMEDY)
    # Each key has a colon: where there are no more of these than keys, none stands there twice.
    if content.count(b":") != len(value) and (key := doubled_key(content)) is not None:
        what, found = "a key that stands there twice", f"{shown(key)} twice"
        remedy = "take one of the two out, with its value"
        raise refused(path, line, what, "each key once", found, remedy)
    return value


_REMEDY = "correct the line; of a JSON array: jq -c '.[]' LIST > NEW.jsonl"


def _cell(path: Location, line: int, name: str, record: dict[str, Any]) -> Cell:
    if name not in record:
        raise unknown_column(path, line, name, record)
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = f"the value of {shown(name)} is neither a text nor a number"
        found = "null" if value is None else shown(str(value))
        raise refused(path, line, what, "a text or a number", found, "correct the line")
    return value
