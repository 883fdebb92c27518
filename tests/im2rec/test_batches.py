from __future__ import annotations

import random
from pathlib import Path

import pytest
from packing import passing, write_list

from pipeline.errors import BadAnnotation, InputRefused
from pipeline.im2rec.batches import Batch, batches, part_lines, survey
from pipeline.im2rec.job import Part


def split_by_input_split(content: bytes, part: int, of: int) -> list[bytes]:
    """Return the records of dmlc-core's text InputSplit, as ResetPartition goes about it."""
    step = -(-len(content) // of)

    def seek(place: int) -> int:
        if place in {0, len(content)}:
            return place
        while content[place : place + 1] not in {b"\n", b"\r", b""}:
            place += 1
        while content[place : place + 1] in {b"\n", b"\r"}:
            place += 1
        return place

    begin, end = (min(step * number, len(content)) for number in (part, part + 1))
    return [line for line in content[seek(begin) : seek(end)].splitlines() if line]


@pytest.mark.parametrize("seed", range(20))
def test_parts_are_those_of_dmlc_core(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    ends = ["\n"] * 5 + ["\r\n", "\n\n"]
    lines = [
        f"{n}\t{n}\t{'x' * chance.randrange(1, 30)}.jpg" for n in range(chance.randrange(1, 40))
    ]
    text = "".join(line + chance.choice(ends) for line in lines)
    path = tmp_path / "a.lst"
    path.write_bytes(text.encode() if seed % 2 else text.rstrip().encode())
    of = chance.randrange(1, 12)
    whole = path.read_bytes().split(b"\n")
    for number in range(of):
        part = part_lines(path, Part(number, of))
        mine = [whole[line - 1].rstrip(b"\r") for line in part if line <= len(whole)]
        assert [line for line in mine if line] == split_by_input_split(
            path.read_bytes(), number, of
        )


def test_a_part_is_read_with_the_lines_of_the_whole(tmp_path: Path) -> None:
    rows = [(number, number, f"{number:04}.jpg") for number in range(100)]
    listing = write_list(tmp_path / "a.lst", rows)
    found = []
    for number in range(3):
        job = passing(tmp_path, listing, part=Part(number, 3))
        part = list(batches(job, 7))
        assert sum(map(len, part)) == survey(job).lines
        found += [
            (key, line) for batch in part for key, line in zip(batch.ids, batch.lines, strict=True)
        ]
    assert found == [(number, number + 1) for number in range(100)]


def test_a_part_without_a_line_is_refused(tmp_path: Path) -> None:
    listing = write_list(tmp_path / "a.lst", [(0, 0, "a-name-longer-than-that-of-others.jpg")])
    with pytest.raises(InputRefused, match="no image in this part"):
        survey(passing(tmp_path, listing, part=Part(1, 2)))


def test_rows_keep_their_labels_in_batches_of_any_size(tmp_path: Path) -> None:
    rows = [(9, 1, 2, 0.5, "a.jpg"), (7, 3, "b.jpg"), (8, 4, 5, "c.jpg"), (2**64 - 1, 0, "d.jpg")]
    listing = write_list(tmp_path / "a.lst", rows)
    whole = Batch(
        [1, 2, 3, 4],
        [9, 7, 8, 2**64 - 1],
        [[1, 2, 0.5], [3], [4, 5], [0]],
        ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
    )
    assert list(batches(passing(tmp_path, listing), 4)) == [whole]
    assert list(batches(passing(tmp_path, listing, batch_size=3), 4)) == [whole[:3], whole[3:]]
    assert survey(passing(tmp_path, listing)).multiple == 2


def test_an_id_that_is_there_twice_is_refused_by_the_survey(tmp_path: Path) -> None:
    listing = write_list(tmp_path / "a.lst", [(1, 0, "a.jpg"), (1, 0, "b.jpg")])
    with pytest.raises(BadAnnotation, match="id 1 stands there twice"):
        survey(passing(tmp_path, listing))
