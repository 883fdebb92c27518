from __future__ import annotations

import pytest

from pipeline.shards.earlier import is_part

A, B, C = b"a", b"b", b"c"


@pytest.mark.parametrize(
    ("hashes", "contents", "expected"),
    [
        ([], [], True),
        ([A, B], [A, B], True),
        ([A, C], [A, B, C], True),  # one was left out
        ([A, B], [B, A], False),  # two have changed places
        ([A, B], [A, C], False),
        ([A, B], [A], False),
        ([A, B], [A, None], True),  # one cannot be read
        ([A, B], [None, A, B], True),
        ([A, A], [A], False),
    ],
)
def test_a_part_is_of_the_contents_in_their_order(
    hashes: list[bytes], contents: list[bytes | None], expected: bool
) -> None:
    assert is_part(hashes, contents) == expected
