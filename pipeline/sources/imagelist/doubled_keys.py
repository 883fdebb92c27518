"""Keys that stand twice in one object of a JSON text: readers of JSON keep the last, unsaid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

import msgspec

_TEXT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"[ \t\r\n]*:?', re.DOTALL)
_KEY: Final = re.compile(
    rb'[ \t\r\n]*[{,][ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL
)
_AT_ONCE: Final = 1 << 20
_END: Final = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*")


class _Doubled(Exception):
    """A key that stands twice in one object."""


def doubled_key(content: bytes | memoryview) -> str | None:
    """Return a key that stands twice in one object of a JSON value, however deep, or None.

    Where no text is there twice, nothing is parsed: most values are told by that.

    Args:
        content: JSON that a parser has taken.
    """
    content = bytes(content)
    texts = _TEXT.findall(content)
    if len(set(texts)) == len(texts) and b"\\" not in content:
        return None
    try:
        _DECODER.decode(content.decode())
    except _Doubled as doubled:
        return str(doubled)
    return None


def doubled_at_the_top(
    content: bytes | memoryview, values: Mapping[str, msgspec.Raw]
) -> str | None:
    """Return a key that stands twice in the object that a JSON text is, or None.

    The text is passed over from value to value. What stands at a key is its value, unless the key
    stands there again: then it may be another, or begin as that one does and go on.

    Args:
        content: the text.
        values: what `msgspec` says are the values of the object: of each key the last.
    """
    view, at, seen, key = memoryview(content), 0, set[str](), None
    while found := _KEY.match(content, at):
        key = msgspec.json.decode(found[1], type=str)
        value = memoryview(values[key])
        if key in seen or not _is_at(view, found.end(), value):
            return key
        seen.add(key)
        at = found.end() + len(value)
    return None if _END.fullmatch(content, at) or not values else key


def _is_at(view: memoryview, at: int, value: memoryview) -> bool:
    """Whether a text has a value at a place; bytes are compared faster than views of them."""
    parts = ((first, value[first : first + _AT_ONCE]) for first in range(0, len(value), _AT_ONCE))
    return all(
        view[at + first : at + first + len(part)].tobytes() == part.tobytes()
        for first, part in parts
    )


def _unique(pairs: list[tuple[str, object]]) -> None:
    """Check the keys of an object, of which nothing is kept.

    Raises:
        _Doubled: one is there twice.
    """
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise _Doubled(key)
        seen.add(key)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_int=str, parse_float=str)
