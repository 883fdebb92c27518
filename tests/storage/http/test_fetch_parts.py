"""Which parts are there, what a sidecar says, and what of it is gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import OutputDamaged
from pipeline.storage.http.fetch.parts import PART, Parts, Piece
from pipeline.storage.http.fetch.sidecar import Origin, Sidecar, gone_on_with

HASH = "0" * 32
URL, MIRROR = "https://a.example/x.tar", "https://b.example/x.tar"
STRONG, DATE = '"v1"', "Sat, 28 Nov 2026 20:00:00 GMT"


def piece(length: int = PART, origin: int = 0) -> Piece:
    return Piece(length, HASH, origin)


class TestParts:
    def test_the_front_ends_where_the_first_part_is_not_whole(self) -> None:
        parts = Parts(25, {0: piece(10), 2: piece(5)}, part=10)
        assert (parts.count, parts.present, parts.front, parts.complete) == (3, 15, 10, False)
        parts.put(1, piece(9))
        assert parts.front == 10
        parts.put(1, piece(10))
        assert (parts.front, parts.complete) == (25, True)

    def test_the_first_missing_part_comes_next(self) -> None:
        parts = Parts(45, {0: piece(10), 1: piece(3), 3: piece(10)}, part=10)
        assert parts.next_missing([]) == 1
        assert parts.next_missing([1]) == 2
        assert parts.next_missing([1, 2]) == 4
        assert parts.next_missing([1, 2, 4]) is None

    def test_a_lost_part_moves_the_front_back(self) -> None:
        parts = Parts(30, {number: piece(10) for number in range(3)}, part=10)
        assert parts.complete
        parts.lose(1)
        assert (parts.front, parts.next_missing([])) == (10, 1)

    def test_a_file_of_whole_parts_has_no_empty_last_one(self) -> None:
        assert Parts(20, part=10).count == 2
        assert Parts(20, part=10).extent(1) == (10, 10)
        assert Parts(21, part=10).extent(2) == (20, 1)


class TestSidecar:
    def test_says_what_it_was_told(self) -> None:
        state = Sidecar(PART + 7, (Origin(URL, STRONG),), {0: piece(), 1: piece(7)})
        assert Sidecar.parsed(state.serialised(1), Path("x")) == state
        assert state.serialised(1) != state.serialised(2)

    @pytest.mark.parametrize(
        "state",
        [
            Sidecar(PART, (Origin(URL, STRONG),), {1: piece()}),  # behind the end
            Sidecar(PART, (Origin(URL, STRONG),), {0: piece(PART + 1)}),
            Sidecar(PART, (Origin(URL, STRONG),), {0: piece(origin=1)}),
        ],
    )
    def test_that_contradicts_itself_is_not_believed(self, state: Sidecar) -> None:
        with pytest.raises(OutputDamaged):
            Sidecar.parsed(state.serialised(1), Path("x"))

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"version": 1', b"\0" * 100])
    def test_that_is_none_is_not_believed(self, content: bytes) -> None:
        with pytest.raises(OutputDamaged):
            Sidecar.parsed(content, Path("x"))


class TestGoneOnWith:
    SIZE = 3 * PART
    BEFORE = Sidecar(SIZE, (Origin(URL, STRONG),), {0: piece(), 1: piece(5)})

    def test_the_same_file_is_gone_on_with(self) -> None:
        kept = gone_on_with(self.BEFORE, Origin(URL, STRONG), self.SIZE)
        assert kept.parts.pieces == self.BEFORE.pieces
        assert kept.origins == self.BEFORE.origins
        assert f"{PART + 5:,} of {self.SIZE:,}" in kept.said
        assert not kept.is_doubtful

    def test_a_first_download_says_nothing(self) -> None:
        for before in (None, Sidecar(self.SIZE, (), {})):
            assert gone_on_with(before, Origin(URL, STRONG), self.SIZE).said == ""

    @pytest.mark.parametrize(
        ("origin", "size", "said"),
        [(Origin(URL, '"v2"'), SIZE, "another than before"), (Origin(URL, STRONG), 9, "9 bytes")],
    )
    def test_another_file_is_begun_anew(self, origin: Origin, size: int, said: str) -> None:
        kept = gone_on_with(self.BEFORE, origin, size)
        assert kept.parts.pieces == {}
        assert kept.origins == (origin,)
        assert "begun anew" in kept.said
        assert said in kept.said

    def test_parts_of_a_mirror_are_kept_in_doubt(self) -> None:
        kept = gone_on_with(self.BEFORE, Origin(MIRROR, '"w"'), self.SIZE)
        assert [each.origin for each in kept.parts.pieces.values()] == [0, 0]
        assert kept.current == 1
        assert URL in kept.said
        assert "MD5" in kept.said
        assert kept.is_doubtful
        assert kept.of_now().pieces == {}

    def test_what_came_from_the_same_place_before_is_of_now(self) -> None:
        origins = (Origin(MIRROR, '"w"'), Origin(URL, STRONG))
        before = Sidecar(self.SIZE, origins, {0: piece(origin=0), 1: piece(origin=1)})
        kept = gone_on_with(before, Origin(MIRROR, '"w"'), self.SIZE)
        assert kept.origins == (Origin(URL, STRONG), Origin(MIRROR, '"w"'))
        assert kept.of_now().pieces == {0: piece(origin=1)}

    def test_a_date_leaves_a_doubt(self) -> None:
        before = Sidecar(self.SIZE, (Origin(URL, DATE),), {0: piece()})
        kept = gone_on_with(before, Origin(URL, DATE), self.SIZE)
        assert kept.parts.pieces == before.pieces
        assert kept.is_doubtful
        assert kept.of_now().pieces == {}
