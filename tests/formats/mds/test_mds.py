"""MDS shards and their index: what streaming's reader finds in them, and what is refused."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from columnrecords import BARE, BOXED, DESCRIBED, MASKS, NAMES, PLAIN, SAID, VECTORS, write

from pipeline import storage
from pipeline.errors import BadAnnotation, InputRefused, OutputDamaged
from pipeline.formats.base import RecordOptions, WrittenShard
from pipeline.formats.mds import shard
from pipeline.formats.mds.format import Mds
from pipeline.formats.record import ImageRecord

MADE = Mds()


def test_a_shard_has_offsets_columns_and_samples(tmp_path: Path) -> None:
    path, placements = write(MADE, tmp_path, [BARE, replace(BARE, class_index=-1)], PLAIN)
    content = path.read_bytes()
    count, *offsets = struct.unpack("<4I", content[:16])
    assert count == 2
    assert offsets == [place.offset for place in placements] + [len(content)]
    said = json.loads(content[16 : offsets[0]])
    assert said["column_names"] == ["height", "image", "key", "label", "width"]
    assert said["column_encodings"] == ["int32", "jpeg", "str", "int", "int32"]
    assert said["column_sizes"] == [4, None, None, 8, 4]
    sample = content[offsets[0] : offsets[1]]
    sizes, key = struct.pack("<2I", len(BARE.encoded), 7), b"a/0.jpg"
    numbers = [struct.pack("<i", 30), struct.pack("<q", 1), struct.pack("<i", 40)]
    assert sample == sizes + numbers[0] + BARE.encoded + key + numbers[1] + numbers[2]


def test_boxes_are_corners_as_fractions_with_a_class_each(tmp_path: Path) -> None:
    path, _ = write(MADE, tmp_path, [SAID, BARE], DESCRIBED)
    said, bare = (MADE.parse(found, "")[0] for found in MADE.read(path))
    assert [MADE.masks_of(found) for found in MADE.read(path)] == [MASKS, ()]
    corners = [[0.25, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, pytest.approx(0.1)]]
    assert said["boxes"] == corners
    assert (said["box_labels"], said["box_class_ids"]) == ([2, 1], ["/m/2", ""])
    assert said["box_flags"] == list(SAID.flags)
    assert said["labels"] == [1.0, 2.0]
    empty = ("boxes", "box_labels", "box_class_ids", "box_flags", "labels")
    assert [bare[name] for name in empty] == [[]] * len(empty)


@pytest.mark.parametrize("options", [PLAIN, NAMES, VECTORS, DESCRIBED])
@pytest.mark.parametrize("left_out", [0, 3])
def test_a_record_that_is_read_is_as_it_was_written(
    tmp_path: Path, options: RecordOptions, left_out: int
) -> None:
    given = [SAID, BARE] if options is DESCRIBED else [BARE, *([BOXED] if options.boxes else [])]
    (path,) = MADE.paths(tmp_path, "train")
    with storage.StagedFile(path) as staged:
        writer = MADE.writer([staged], options, len(given) + left_out)
        placements = [writer.write(image) for image in given]
        writer.finish()
        storage.publish(staged)
    for image, place, found in zip(given, placements, MADE.read(path), strict=True):
        assert (found.offset, found.length) == (place.offset, place.length)
        assert MADE.image(found, len(image.encoded)) == image.encoded
        assert MADE.is_as_written(found, image, options)
        assert not MADE.is_as_written(found, replace(image, width=1), options)
        assert MADE.parse(found, "") == (MADE.fields(image, options), image.encoded)


def test_the_index_names_each_shard_with_its_columns_and_hash() -> None:
    shards = [
        WrittenShard("train-00000-of-00002", 90, 3, xxh3_128="a1"),
        WrittenShard("train-00001-of-00002", 80, 2, xxh3_128="b2"),
    ]
    content = b"".join(MADE.whole("train", shards, NAMES)["index.json"])
    found = json.loads(content)
    assert found["version"] == 2
    assert [(each["samples"], each["raw_data"]) for each in found["shards"]] == [
        (3, {"basename": "train-00000-of-00002.mds", "bytes": 90, "hashes": {"xxh3_128": "a1"}}),
        (2, {"basename": "train-00001-of-00002.mds", "bytes": 80, "hashes": {"xxh3_128": "b2"}}),
    ]
    assert {tuple(each["column_names"]) for each in found["shards"]} == {
        ("box_labels", "boxes", "height", "image", "key", "label", "width")
    }


def test_every_changed_byte_but_of_values_is_found(tmp_path: Path) -> None:
    path, (first, _) = write(MADE, tmp_path, [BOXED, BARE], NAMES)
    content = path.read_bytes()
    for at in (*range(first.offset), *range(first.offset, first.offset + 8)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        assert is_found(path), at


def is_found(path: Path) -> bool:
    """Whether a shard is refused, or its records are not those of `NAMES`."""
    try:
        found = zip(MADE.read(path), [BOXED, BARE], strict=True)
        return not sum(MADE.is_as_written(record, image, NAMES) for record, image in found)
    except OutputDamaged as error:
        return path.name in str(error.file)


@pytest.mark.parametrize("image", [BOXED, replace(BARE, labels=(0.5,))])
def test_what_has_no_column_is_refused(tmp_path: Path, image: ImageRecord) -> None:
    with pytest.raises(BadAnnotation, match="columns"):
        write(MADE, tmp_path, [image], PLAIN)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_offsets_do_not_reach_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "_MOST", 500)
    with pytest.raises(InputRefused, match="4 GiB at most") as refused:
        write(MADE, tmp_path, [BARE], PLAIN)
    assert "--shards" in str(refused.value.remedy)
