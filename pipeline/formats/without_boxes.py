"""The list of images that no shard of detection labels has, because they have no boxes.

A line each: the 0-based number of the shard that each was planned for, TAB, its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

NAME: Final = "without_boxes.tsv"
"""The name of the file, in the folder of an output."""


def lines(shards: Iterable[Iterable[str]]) -> Iterator[bytes]:
    """Yield the content of the file, a piece a shard, of the keys of each shard in turn."""
    for number, keys in enumerate(shards):
        yield "".join(f"{number}\t{key}\n" for key in keys).encode()


def parsed(content: bytes) -> dict[int, list[str]]:
    """Return the keys by the number of their shard; lines of another form are passed over."""
    keys_of: dict[int, list[str]] = {}
    for line in content.decode(errors="replace").splitlines():
        number, _, key = line.partition("\t")
        if number.isascii() and number.isdecimal():
            keys_of.setdefault(int(number), []).append(key)
    return keys_of
