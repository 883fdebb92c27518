"""Masks at the size of their images: what they are made of, and what comes of each."""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline import manifest, storage
from pipeline.errors import OutputDamaged
from pipeline.images.masks import encode_png, resized
from pipeline.manifest import Sealed
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.masks import mask_rows, sized_masks
from pipeline.sources.openimages.masks.mask_rows import MaskRow, MaskRows, Written
from pipeline.sources.openimages.masks.mask_shapes import misshapen
from pipeline.sources.openimages.masks.sized_masks import SizedPart

SPLIT, SELECTION, DIGIT = "train", "0123456789ab", "0"
SIZES = {"a": (97, 65), "b": (31, 21), "c": (97, 75), "d": None, "e": (97, 65)}


def image_id(letter: str) -> str:
    return f"{letter:0>16}"


def name_of(letter: str) -> str:
    return f"{image_id(letter)}_m0abc_00000000.png"


def stored(letter: str) -> np.ndarray:
    return np.random.default_rng(ord(letter)).random((40, 60)) < 0.5


def select(out: Path) -> None:
    path = places.selected_images(out, SPLIT, SELECTION)
    ids = [[image_id(letter) for letter in "abcde"] + ["f" * 16], ["f" * 15 + "e", "f" * 16]]
    with storage.StagedFile(path) as staged:
        parts = [
            pa.Table.from_pylist([{"image_id": each} for each in group], tables.IMAGES)
            for group in ids
        ]
        tables.write(staged, tables.IMAGES, parts)
        storage.publish(staged)


def put_images(
    out: Path, sizes: dict[str, tuple[int, int] | None], digest: str = "1" * 12, group: int = 0
) -> None:
    rows = [
        {
            "image_id": image_id(letter),
            "outcome": "fetched" if size else "bad",
            "width": size[0] if size else 77,
            "height": size[1] if size else 77,
        }
        for letter, size in sizes.items()
    ]
    rows.append({"image_id": "f" * 16, "outcome": "fetched", "width": 5, "height": 5})
    path = places.image_table(out, SPLIT, SELECTION, group)
    with storage.StagedFile(path) as staged:
        table = pa.Table.from_pylist(rows, tables.GROUP_TABLE)
        tables.write(staged, tables.GROUP_TABLE, [table])
        document = {
            "split": SPLIT,
            "selection": SELECTION,
            "digest": digest,
            "images": 4,
            "bytes": 9,
            "outcomes": {},
        }
        manifest.publish([staged], places.image_mark(out, SPLIT, SELECTION, group), out, document)


@pytest.fixture
def part(tmp_path: Path) -> SizedPart:
    """An output folder with masks and images that were collected."""
    part = SizedPart(tmp_path / "out", SPLIT, SELECTION, DIGIT, groups=1)
    select(part.out)
    contents = {name_of(letter): encode_png(stored(letter)) for letter in "abcd"}
    written = (
        Written(name, MaskRow("kept", len(data), mask_crc(data), 60, 40), data)
        for name, data in contents.items()
    )
    rows = MaskRows(pa.array([name_of(letter) for letter in "abcde"]))
    for number, row in enumerate(mask_rows.write_files(places.masks(part.out, SPLIT), written)):
        rows.put(number, row)
    mask_rows.publish(
        places.mask_table(part.out, SPLIT, SELECTION, DIGIT),
        places.mask_mark(part.out, SPLIT, SELECTION, DIGIT),
        part.out,
        rows,
        {"split": SPLIT, "selection": SELECTION, "digit": DIGIT},
    )
    put_images(part.out, SIZES)
    return part


def mask_crc(data: bytes) -> int:
    return zlib.crc32(data)


def test_each_mask_is_exactly_as_large_as_its_image(part: SizedPart) -> None:
    mark = sized_masks.resize(part)
    files = {path.name: path.read_bytes() for path in part.folder.iterdir()}
    assert set(files) == {name_of(letter) for letter in "abc"}
    for letter in "abc":
        with Image.open(io.BytesIO(files[name_of(letter)])) as image:
            assert image.mode == "1"
            assert image.size == SIZES[letter]
            assert np.array_equal(np.array(image), resized(stored(letter), image.size))
    assert mark.outcomes == {"kept": 2, "misshapen": 1, "no image": 1, "no mask": 1}
    assert mark.examples["misshapen"] == (name_of("c"),)
    assert mark.examples["no image"] == (name_of("d"),)
    rows = [row for each in tables.read(part.table, tables.MASK_TABLE) for row in each.to_pylist()]
    assert [(row["width"], row["height"]) for row in rows[:2]] == [SIZES["a"], SIZES["b"]]


def test_stored_masks_stay_as_they_are(part: SizedPart) -> None:
    before = {path: path.read_bytes() for path in (part.out / "masks").rglob("*.png")}
    sized_masks.resize(part)
    assert {path: path.read_bytes() for path in (part.out / "masks").rglob("*.png")} == before


def test_they_are_made_once_and_again_when_an_image_turned_up(part: SizedPart) -> None:
    mark = sized_masks.resize(part)
    assert sized_masks.complete(part) == mark
    put_images(part.out, {**SIZES, "d": (120, 80)}, digest="2" * 12)
    assert sized_masks.complete(part) is None
    again = sized_masks.resize(part)
    assert again.outcomes == {"kept": 3, "misshapen": 1, "no mask": 1}
    assert again.digest != mark.digest
    assert sized_masks.complete(part) == again
    (part.folder / name_of("a")).unlink()
    assert sized_masks.complete(part) is None
    assert sized_masks.resize(part) == again


def test_a_changed_mask_is_refused(part: SizedPart) -> None:
    mask = places.mask(part.out, SPLIT, name_of("b"))
    mask.write_bytes(encode_png(stored("a")))
    with pytest.raises(OutputDamaged, match="not as it was written") as caught:
        sized_masks.resize(part)
    assert caught.value.file == str(mask)


def test_masks_of_another_shape_are_named(part: SizedPart) -> None:
    where = (part.out, SPLIT, SELECTION, DIGIT)
    assert list(misshapen(*where, groups=1)) == [name_of("c")]
    put_images(part.out, {**SIZES, "b": (40, 60), "c": None})
    assert list(misshapen(*where, groups=1)) == [name_of("b")]
    assert list(misshapen(*where, groups=0)) == []


def test_another_number_of_groups_is_another_thing(part: SizedPart) -> None:
    mark = sized_masks.resize(part)
    assert replace(part, groups=0).made_of != mark.made_of


def test_groups_are_found_by_the_digits_of_their_images(part: SizedPart) -> None:
    path = places.selected_images(part.out, SPLIT, SELECTION)
    assert [tables.groups_with(path, digit) for digit in "07f"] == [[0], [0], [0, 1]]


def test_marks_of_groups_are_read_once_for_all_digits(
    part: SizedPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = places.image_mark(part.out, SPLIT, SELECTION, 0)
    os.utime(mark, (1e9, 1e9))  # one that has just been written may change within its time
    read, seen = manifest.read, list[Path]()

    def seeing(path: Path, kind: type[Sealed]) -> Sealed:
        seen.append(path)
        return read(path, kind)

    monkeypatch.setattr(manifest, "read", seeing)
    first = part.made_of
    assert (part.made_of, seen.count(mark)) == (first, 1)
    put_images(part.out, SIZES, digest="3" * 12)
    assert part.made_of != first
    assert seen.count(mark) == 2
