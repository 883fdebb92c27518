"""Which images and objects of a split are selected, and what the tables say of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from annotationcsvs import BEAR, CAT, CORNERS, WAFFLE, Annotations, chosen, image, selected

from pipeline import storage
from pipeline.catalog import order
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.selecting import selecting, spilled
from pipeline.sources.openimages.selecting.chosen import Chosen, ChosenClass
from pipeline.sources.openimages.selecting.selection import RowOptions, Selection

FAR = (0.6, 0.9, 0.6, 0.9)


def test_classes_are_equal_mids_and_images_are_sorted(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(3, "f"), BEAR)
    drawn.box(image(1), WAFFLE)
    drawn.box(image(2, "a"), BEAR, source="activemil")
    drawn.box(image(2, "a"), WAFFLE)
    found = selected(tmp_path, drawn, chosen(BEAR))
    assert found.ids == [image(2, "a"), image(3, "f")]
    assert [row["classes"] for row in found.images] == [[0], [0]]
    assert [(row["label"], row["class_name"]) for row in found.objects] == [(BEAR, "Bear")] * 2
    assert [row["source"] for row in found.objects] == ["activemil", "xclick"]
    assert found.mark.images == found.mark.objects == found.mark.classes[0].boxes == 2


def test_objects_keep_what_the_files_say(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), CAT, (0.012500123, 0.5, 0.25, 1), (1, 0, -1, 0, 1))
    found = selected(tmp_path, drawn, chosen(BEAR, CAT))
    assert found.objects == [
        {
            "image_id": image(1),
            "label": CAT,
            "class_index": 1,
            "class_name": "Cat",
            "xmin": 0.012500123,
            "xmax": 0.5,
            "ymin": 0.25,
            "ymax": 1.0,
            "source": "xclick",
            "confidence": 1.0,
            "occluded": 1,
            "truncated": 0,
            "group_of": -1,
            "depiction": 0,
            "inside": 1,
            "box_id": None,
            "mask_path": None,
            "predicted_iou": None,
        }
    ]
    assert found.mark.counts["unknown group_of"] == 1
    assert any("unknown flag (group_of)" in line for line in found.mark.closing)


def test_masks_are_joined_to_boxes_one_to_one(tmp_path: Path) -> None:
    drawn = Annotations()
    nearly = (CORNERS[0] + 1e-6, *CORNERS[1:])
    drawn.box(image(1), BEAR, FAR)
    drawn.box(image(1), BEAR, CORNERS)
    drawn.box(image(1), CAT, CORNERS)
    first = drawn.mask(image(1), BEAR, "0000000a", nearly)
    second = drawn.mask(image(1), BEAR, "0000000b", CORNERS)
    drawn.mask(image(2), BEAR, "0000000c")  # of an image without box
    found = selected(tmp_path, drawn, chosen(BEAR, CAT), ("boxes", "masks"))
    # The nearer one takes the box, and the other stands for itself.
    assert [row["mask_path"] for row in found.objects] == [None, second, None, first]
    assert [row["box_id"] for row in found.objects] == [None, "0000000b", None, "0000000a"]
    assert [row["source"] for row in found.objects] == ["xclick"] * 3 + [None]
    assert found.objects[3]["group_of"] is None
    assert found.ids == [image(1)]
    assert found.mark.counts["masks without box"] == 1
    assert found.mark.digits == {"0": 2}


@pytest.mark.parametrize("gap", [2e-6, -2e-6, 0.1])
def test_masks_of_other_corners_find_no_box(tmp_path: Path, gap: float) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR, CORNERS)
    drawn.mask(image(1), BEAR, "0000000a", (*CORNERS[:3], CORNERS[3] + gap))
    found = selected(tmp_path, drawn, chosen(BEAR), ("boxes", "masks"))
    assert [row["mask_path"] is None for row in found.objects] == [True, False]


def test_equal_boxes_are_each_of_one_mask(tmp_path: Path) -> None:
    drawn = Annotations()
    for _ in range(3):
        drawn.box(image(1), BEAR)
    paths = [drawn.mask(image(1), BEAR, f"0000000{digit}") for digit in "cab"]
    found = selected(tmp_path, drawn, chosen(BEAR), ("boxes", "masks"))
    assert [row["mask_path"] for row in found.objects] == paths


def test_what_an_image_has_to_have(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    drawn.box(image(2), BEAR)
    drawn.mask(image(2), BEAR, "0000000a")
    drawn.mask(image(3), BEAR, "0000000b")
    drawn.label(image(4), BEAR)
    drawn.label(image(5), BEAR, 0)
    drawn.label(image(2), BEAR)
    every = ("boxes", "masks", "labels")
    ids = {by: selected(tmp_path, drawn, chosen(BEAR), every, by=by).ids for by in every}
    assert ids == {
        "boxes": [image(1), image(2)],
        "masks": [image(2), image(3)],
        "labels": [image(2), image(4)],
    }
    assert selected(tmp_path, drawn, chosen(BEAR), ("masks",), by="masks").mark.objects == 2
    of_labels = selected(tmp_path, drawn, chosen(BEAR), ("boxes", "labels"), by="labels")
    assert [row["classes"] for row in of_labels.images] == [[0], [0]]


def test_dropped_boxes_take_their_masks_and_perhaps_their_image_with_them(tmp_path: Path) -> None:
    drawn = Annotations()
    group, unknown = (0, 0, 1, 0, 0), (0, 0, -1, 0, 0)
    drawn.box(image(1), BEAR, flags=group)
    drawn.mask(image(1), BEAR, "0000000a")
    drawn.box(image(2), BEAR, flags=group)
    drawn.box(image(2), BEAR, FAR, flags=unknown)
    kinds = ("boxes", "masks")
    found = selected(tmp_path, drawn, chosen(BEAR), kinds, drop_boxes=("depiction", "group_of"))
    assert found.ids == [image(2)]
    assert [row["group_of"] for row in found.objects] == [-1]
    assert found.mark.counts["dropped boxes"] == 2
    assert found.mark.counts["images left without boxes"] == 1
    by_masks = selected(tmp_path, drawn, chosen(BEAR), kinds, drop_boxes=("group_of",), by="masks")
    assert by_masks.ids == []


def test_dropped_images_are_those_with_a_box_of_a_chosen_class(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    drawn.box(image(1), BEAR, FAR, (0, 1, 0, 0, 0))
    drawn.box(image(2), BEAR)
    drawn.box(image(2), CAT, FAR, (0, 1, 0, 0, 0))
    drawn.box(image(3), BEAR, flags=(0, -1, 0, 0, 0))
    found = selected(tmp_path, drawn, chosen(BEAR), drop_images=("truncated",))
    assert found.ids == [image(2), image(3)]
    assert found.mark.counts["dropped images"] == 1


def test_a_limit_takes_the_first_in_the_order_of_the_hash(tmp_path: Path) -> None:
    drawn = Annotations()
    random = Random(1)
    bears, cats = set[str](), set[str]()
    for number in range(60):
        digit = random.choice("05af")
        for some, label in ((bears, BEAR), (cats, CAT)):
            if random.random() < 0.6:
                drawn.box(image(number, digit), label)
                some.add(image(number, digit))
    random.shuffle(drawn.boxes)

    def first(images: set[str], limit: int, seed: int) -> set[str]:
        names = sorted(images)
        return {names[place] for place in order.permutation(names, "hash", seed)[:limit]}

    for limit, seed in ((1, 0), (7, 0), (8, 3), (100, 0)):
        found = selected(tmp_path, drawn, chosen(BEAR, CAT), limit=limit, seed=seed)
        assert set(found.ids) == first(bears, limit, seed) | first(cats, limit, seed)
        # An image of two classes keeps the objects of both, and counts for both.
        assert found.mark.objects == sum(
            len({image_id} & some) for image_id in found.ids for some in (bears, cats)
        )


def test_negatives_are_verified_to_show_no_chosen_class(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    drawn.box(image(9), WAFFLE)
    drawn.box(image(7), BEAR, flags=(0, 0, 1, 0, 0))
    for number in (2, 3, 4, 5, 9):
        drawn.label(image(number), BEAR, 0)
    drawn.label(image(1), CAT, 0)
    drawn.label(image(6), WAFFLE, 0)  # of a class that nobody asked for
    drawn.label(image(7), CAT, 0)  # shows bears, though their box is dropped
    drawn.label(image(5), CAT, 1)
    kinds = ("boxes", "labels")
    wanted = chosen(BEAR, CAT)
    found = selected(tmp_path, drawn, wanted, kinds, negatives=9, drop_boxes=("group_of",))
    assert found.ids == [image(number) for number in (1, 2, 3, 4, 9)]
    assert [row["classes"] for row in found.images] == [[0], [], [], [], []]
    assert [row["negatives"] for row in found.images] == [[1], [0], [0], [0], [0]]
    assert [row["image_id"] for row in found.objects] == [image(1)]
    few = selected(tmp_path, drawn, wanted, kinds, negatives=2)
    assert len(few.ids) == 2 + 2  # image 7 is one of the positive ones
    assert few.mark.counts["images without a chosen class"] == 2


def test_that_a_merged_class_is_absent_says_nothing_of_the_whole(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), CAT)
    drawn.label(image(2), CAT, 0)
    drawn.label(image(3), BEAR, 0)
    merged = chosen(BEAR, members={BEAR: (CAT,)})
    found = selected(tmp_path, drawn, merged, ("boxes", "labels"), negatives=5)
    assert found.ids == [image(1), image(3)]
    assert [(row["label"], row["class_name"]) for row in found.objects] == [(CAT, "Bear")]


def test_all_objects_of_the_selected_images_can_be_kept(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    drawn.box(image(1), CAT, FAR)
    drawn.box(image(1), "/m/0unknown", FAR)
    drawn.box(image(2), CAT)
    classes = (ChosenClass(0, BEAR, "Bear", (BEAR,)), ChosenClass(1, CAT, "Cat", (CAT,)))
    wanted = Chosen(classes, frozenset({BEAR}))
    found = selected(tmp_path, drawn, wanted, all_objects=True)
    assert found.ids == [image(1)]
    assert [row["class_index"] for row in found.objects] == [0, 1]
    assert found.images[0]["classes"] == [0, 1]
    assert wanted.selected_for == classes[:1]
    assert not any("no image of" in line for line in found.mark.closing)


def test_only_images_of_a_list(tmp_path: Path) -> None:
    drawn = Annotations()
    for number in range(5):
        drawn.box(image(number), BEAR)
    ids = frozenset({image(1), image(3), image(99)})
    found = selected(tmp_path, drawn, chosen(BEAR), ids=ids)
    assert found.ids == [image(1), image(3)]
    assert any("1 image of the list" in line for line in found.mark.closing)


def test_labels_of_whole_images_are_a_table_of_their_own(tmp_path: Path) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    drawn.label(image(1), CAT, 0)
    drawn.label(image(1), BEAR, 1)
    drawn.label(image(2), CAT, 1)
    kinds = ("boxes", "labels")
    found = selected(tmp_path, drawn, chosen(BEAR, CAT), kinds, image_labels=True)
    labels = [(row["label"], row["class_index"], row["confidence"]) for row in found.labels]
    assert labels == [(CAT, 1, 0.0), (BEAR, 0, 1.0)]
    assert found.mark.labels == 2


def test_a_split_without_images_has_empty_tables(tmp_path: Path) -> None:
    found = selected(tmp_path, Annotations(), chosen(BEAR))
    assert (found.images, found.objects, found.mark.images) == ([], [], 0)
    assert "no image of 1 class: Bear." in found.mark.closing[1]


def many(images: int = 300) -> Annotations:
    random = Random(5)
    drawn = Annotations()
    for number in range(images):
        image_id = f"{random.getrandbits(64):016x}"
        for place in range(random.randrange(1, 4)):
            corners = (0.1 * place, 0.1 * place + 0.05, 0.2, 0.3)
            drawn.box(image_id, random.choice((BEAR, CAT)), corners)
            if random.random() < 0.5:
                drawn.mask(image_id, BEAR, f"{number:06x}{place:02x}", corners)
    return drawn


def test_the_same_bytes_whatever_the_number_of_buckets_and_on_disk_as_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, kinds = many(), ("boxes", "masks")
    few = selected(tmp_path / "few", drawn, chosen(BEAR, CAT), kinds)
    monkeypatch.setattr(spilled, "_ROWS_AT_ONCE", 100)
    on_disk = selected(tmp_path / "on_disk", drawn, chosen(BEAR, CAT), kinds)
    assert on_disk.mark.files == few.mark.files
    monkeypatch.setattr(spilled, "bucket_count", lambda _: 64)
    more = selected(tmp_path / "more", drawn, chosen(BEAR, CAT), kinds)
    assert (few.images, few.objects, few.mark.counts) == (
        more.images,
        more.objects,
        more.mark.counts,
    )
    again = selected(tmp_path / "again", drawn, chosen(BEAR, CAT), kinds)
    assert [file.xxh3_128 for file in again.mark.files] == [f.xxh3_128 for f in more.mark.files]
    assert [path.name for path in (tmp_path / "more").rglob("*") if path.name.startswith(".")] == [
        ".shardmill"
    ]


def test_groups_of_images_and_digits_of_masks_are_parts_of_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "GROUP", 64)
    monkeypatch.setattr(selecting, "OBJECTS_AT_ONCE", 10)
    found = selected(tmp_path, many(), chosen(BEAR, CAT), ("boxes", "masks"))
    images, objects = (tmp_path / "out" / entry.file for entry in found.mark.files)
    groups = [tables.group_ids(images, group) for group in range(tables.group_count(300))]
    assert [len(group) for group in groups] == [64, 64, 64, 64, 44]
    assert [image_id for group in groups for image_id in group] == found.ids == sorted(found.ids)
    masks = dict[str, int]()
    for digit in "0123456789abcdef":
        rows: list[dict[str, Any]] = []
        for part in tables.read_digit(objects, tables.OBJECTS, digit, ["image_id", "mask_path"]):
            assert len(part) < 20
            rows += part.to_pylist()
        assert {row["image_id"][0] for row in rows} <= {digit}
        masks[digit] = sum(row["mask_path"] is not None for row in rows)
    assert {digit: count for digit, count in masks.items() if count} == found.mark.digits
    assert sum(masks.values()) == sum(row["mask_path"] is not None for row in found.objects) > 99


def test_how_much_was_read_is_told_and_what_is_there_is_not_read_again(tmp_path: Path) -> None:
    drawn = Annotations()
    for number in range(4000):
        drawn.box(image(number), CAT)
        drawn.mask(image(number), CAT, "0000000a")
    files = drawn.written(tmp_path)
    wanted = Selection(
        "train",
        chosen(BEAR),
        RowOptions(masks=True),
        boxes=files["boxes"],
        masks=files["masks"],
    )
    told = list[int]()
    for _ in range(2):
        selecting.select(tmp_path / "out", wanted, told.append)
    assert told == sorted(set(told))
    assert len(told) > 2
    assert told[-1] == selecting.bytes_of(wanted)


def test_what_a_killed_process_has_spilled_is_removed_and_what_a_live_one_has_stays(
    tmp_path: Path,
) -> None:
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    files = drawn.written(tmp_path)
    wanted = Selection("train", chosen(BEAR), RowOptions(), boxes=files["boxes"])
    spilled_rows = places.selection(tmp_path / "out", "train", wanted.digest) / "boxes.0"
    write = f"import os; from pipeline.storage import StagedFile as S; from pathlib import Path; \
S(Path({str(spilled_rows)!r})).write(b'x'); os._exit(9)"
    subprocess.run([sys.executable, "-c", write], check=False)
    with storage.StagedFile(spilled_rows) as alive:
        assert len(storage.temp_files(spilled_rows.parent)) == 2
        mark = selecting.select(tmp_path / "out", wanted)
        assert [temp.path for temp in storage.temp_files(spilled_rows.parent)] == [alive.temp]
    assert mark.images == 1
