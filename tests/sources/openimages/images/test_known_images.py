"""What the tables of other selections know of images, and how few of them are read for it."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from imagegroups import SELECTION, SPLIT, ids

from pipeline.sources.openimages import places
from pipeline.sources.openimages.images import image_rows, known_images
from pipeline.sources.openimages.images.image_rows import ABSENT, FAILED, FETCHED, KEPT, ImageRow
from pipeline.sources.openimages.images.known_images import known_images as known

OTHER, THIRD = "ba9876543210", "00aa00aa00aa"
CONTENT = b"an image"


def there(image_id: str) -> ImageRow:
    return ImageRow(image_id, FETCHED, "u", bytes=len(CONTENT), md5="0" * 32)


def absent(image_id: str, asked: str) -> ImageRow:
    return ImageRow(image_id, ABSENT, "u", 404, asked=asked)


def record(out: Path, selection: str, number: int, rows: list[ImageRow]) -> None:
    """Write a table, and the files of images that it says are there."""
    path = places.image_table(out, SPLIT, selection, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_rows.encode(rows))
    for row in rows:
        image = places.image(out, SPLIT, row.image_id)
        image.parent.mkdir(parents=True, exist_ok=True)
        if row.is_there:
            image.write_bytes(CONTENT)


def test_only_tables_that_may_have_an_image_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(64):
        record(tmp_path, OTHER, number, [there(each) for each in ids(4, 4 * number)])
    bounds = Mock(side_effect=known_images._bounds)
    rows = Mock(side_effect=known_images._rows)
    monkeypatch.setattr(known_images, "_bounds", bounds)
    monkeypatch.setattr(known_images, "_rows", rows)
    wanted = ids(6, 101)  # of the tables 25 and 26
    assert list(known(tmp_path, SPLIT, SELECTION, 0, wanted)) == wanted
    assert [call.args[0].stem for call in rows.call_args_list[1:]] == ["00025", "00026"]
    assert bounds.call_count <= 6 + 3
    assert known(tmp_path, SPLIT, SELECTION, 0, ids(3, 300)) == {}
    assert known(tmp_path, "test", SELECTION, 0, wanted) == {}


def test_what_lies_there_counts_more_than_what_was_absent_and_the_last_answer_most(
    tmp_path: Path,
) -> None:
    one, two, three, four, five = wanted = ids(5)
    mine = [absent(one, "2026"), there(two), ImageRow(three, FAILED, "u"), there(five)]
    record(tmp_path, SELECTION, 7, mine)
    record(tmp_path, OTHER, 0, [there(one), absent(three, "2025"), absent(four, "2025")])
    record(tmp_path, THIRD, 3, [absent(three, "2027"), absent(four, "2024")])
    places.image(tmp_path, SPLIT, five).write_bytes(b"another size")
    rows = known(tmp_path, SPLIT, SELECTION, 7, wanted)
    assert {key: (row.outcome, row.asked) for key, row in rows.items()} == {
        one: (KEPT, None),
        two: (FETCHED, None),
        three: (ABSENT, "2027"),
        four: (ABSENT, "2025"),
    }


@pytest.mark.parametrize("content", [b"", b"no table", image_rows.encode([])])
def test_a_damaged_table_is_no_use_and_no_obstacle(tmp_path: Path, content: bytes) -> None:
    for number in (0, 2):
        record(tmp_path, OTHER, number, [there(each) for each in ids(2, 2 * number)])
    places.image_table(tmp_path, SPLIT, OTHER, 1).write_bytes(content)
    assert sorted(known(tmp_path, SPLIT, SELECTION, 0, ids(6))) == [*ids(2), *ids(2, 4)]
