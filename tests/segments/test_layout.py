"""Where segments of archives begin: as if archives stood one behind the other."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from pipeline.segments.layout import ArchiveRange, SegmentLayout, digest_of

LAYOUT = SegmentLayout("0" * 12, ("a.tar", "b.tar", "c.tar"), (1000, 0, 700), 600, 4)


def test_the_last_segment_is_what_is_left() -> None:
    assert LAYOUT.segments == 3
    assert replace(LAYOUT, sizes=(1000, 0, 200)).segments == 2
    assert replace(LAYOUT, sizes=(0, 0, 0)).segments == 0


def test_an_image_is_in_the_segment_that_it_begins_in() -> None:
    sources = ["a.tar", "a.tar", "c.tar", "c.tar", "elsewhere.tar"]
    rows = pa.record_batch({"source": sources, "offset": [599, 600, 0, 200, 0]})
    positions = LAYOUT.positions(rows)
    assert positions.tolist() == [599, 600, 1000, 1200, -1]
    assert LAYOUT.numbers(positions).tolist() == [0, 1, 1, 2, -1]


def test_a_segment_can_be_parts_of_several_archives() -> None:
    assert list(LAYOUT.ranges(600, 1300)) == [
        ArchiveRange("a.tar", 600, 400, 0),
        ArchiveRange("c.tar", 0, 300, 400),
    ]
    assert list(LAYOUT.ranges(0, 100)) == [ArchiveRange("a.tar", 0, 100, 0)]
    assert list(LAYOUT.ranges(1700, 1800)) == []


def test_the_digest_follows_from_plan_archives_and_size() -> None:
    archives = [("a.tar", "1" * 32)]
    digests = {
        digest_of("p" * 12, archives, 600),
        digest_of("q" * 12, archives, 600),
        digest_of("p" * 12, [("a.tar", "2" * 32)], 600),
        digest_of("p" * 12, archives, 700),
    }
    assert len(digests) == 4
